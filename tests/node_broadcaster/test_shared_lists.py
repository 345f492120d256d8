"""Python and Node.js share one list: whom one of them registers hears what the other broadcasts, either way."""

import json

import pytest

from broadcaster import Broadcaster, InvalidArgumentError
from broadcaster.registries.choose import make_registry

HERE, GONE, NARROW = "here0000=", "gone0000=", "narrow00="


@pytest.fixture
def management(start_server):
    """A management API that knows two of three connections."""
    server = start_server()
    server.script = lambda connection_id, attempt: "410" if connection_id == GONE else "200"
    return server


@pytest.fixture
def python(management, registry):
    settings = {"timeout": 60, "deadline": 100, "registry": registry}
    with Broadcaster(endpoint_url=management.endpoint.url, region="us-east-1", **settings) as python:
        yield python


@pytest.fixture
def node(start_node, management, registry):
    node = start_node()
    settings = {"endpointUrl": management.endpoint.url, "region": "us-east-1", "timeout": 60, "deadline": 100}
    node.initBroadcaster({**settings, "registry": registry})
    return node


def received(management):
    bodies = {connection_id: [json.loads(body) for body in sent] for connection_id, sent in management.bodies.items()}
    return {connection_id: [envelope["data"] for envelope in sent] for connection_id, sent in bodies.items()}


def test_python_registers_and_node_broadcasts(python, node, management):
    python.register_connection(HERE)
    python.register_connection(GONE, channels=["admin", "logs"])
    python.register_connection(NARROW, channels=["logs"])
    assert node.broadcastAdminEvent("first") == {"sent": 1, "failed": 0, "stale": 1}
    assert node.broadcast("logs", "log", "second") == {"sent": 2, "failed": 0, "stale": 0}
    assert python.broadcast("logs", "log", "third") == {"sent": 2, "failed": 0, "stale": 0}
    assert received(management) == {HERE: ["first", "second", "third"], GONE: ["first"], NARROW: ["second", "third"]}


def test_node_registers_and_python_broadcasts(python, node, management):
    node.registerConnection(HERE)
    node.registerConnection(GONE, {"channels": ["admin", "logs"]})
    node.registerConnection(NARROW, {"channels": "logs"})
    assert python.broadcast_admin_event("first") == {"sent": 1, "failed": 0, "stale": 1}
    assert python.broadcast("logs", "log", "second") == {"sent": 2, "failed": 0, "stale": 0}
    assert node.broadcast("logs", "log", "third") == {"sent": 2, "failed": 0, "stale": 0}
    assert received(management) == {HERE: ["first", "second", "third"], GONE: ["first"], NARROW: ["second", "third"]}


def test_either_unregisters_whom_the_other_has_registered(python, node, management):
    python.register_connection(HERE, channels=["admin", "logs"])
    node.registerConnection(NARROW)
    node.unregisterConnection(HERE)
    python.unregister_connection(NARROW)
    for channel in ("admin", "logs"):
        assert (
            node.broadcast(channel, "e", 1) == python.broadcast(channel, "e", 1) == {"sent": 0, "failed": 0, "stale": 0}
        )
    assert management.requests == []


def test_a_list_of_several_pages_is_read_to_its_end(python, node, management):
    ids = [f"id-{number:07}=" for number in range(1_020)]
    for connection_id in ids[:40]:
        node.registerConnection(connection_id, {"channels": ["admin"]})
    for connection_id in ids[20:]:
        python.register_connection(connection_id)
    assert node.broadcastAdminEvent(1) == {"sent": 1_020, "failed": 0, "stale": 0}
    assert sorted(management.bodies) == ids


def test_both_bound_the_channels_of_a_connection(python, node):
    python.register_connection(HERE, channels=[f"python-{number}" for number in range(50)])
    node.registerConnection(HERE, {"channels": [f"node-{number}" for number in range(50)]})
    with pytest.raises(InvalidArgumentError) as in_python:
        python.register_connection(HERE, channels=["one-more"])
    with pytest.raises(Exception, match="would listen to 101 channels, and 100 is the most for one") as in_node:
        node.registerConnection(HERE, {"channels": ["one-more"]})
    assert in_node.value.args == ("InvalidArgumentError", str(in_python.value).replace("max_channels", "maxChannels"))


def test_a_deployment_has_a_list_of_its_own(python, node, start_node, management, registry):
    other = start_node()
    settings = {"endpointUrl": management.endpoint.url.replace("production", "other"), "region": "us-east-1"}
    other.initBroadcaster({**settings, "registry": registry})
    other.registerConnection(HERE)
    nobody = {"sent": 0, "failed": 0, "stale": 0}
    assert node.broadcastAdminEvent(1) == python.broadcast_admin_event(1) == nobody
    assert other.broadcastAdminEvent(1) == {"sent": 1, "failed": 0, "stale": 0}


def test_lists_from_before_deployments_were_kept_apart_are_read_and_cleared(node, management, registry):
    old, _ = make_registry(registry)
    old.add(HERE, ["admin"])
    old.add(GONE)
    assert node.broadcastAdminEvent(1) == {"sent": 1, "failed": 0, "stale": 1}
    assert [*old.pages("admin")] == [[HERE]]
    node.unregisterConnection(HERE)
    assert [*old.pages("admin")] == []
    old.close()
