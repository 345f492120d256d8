"""From Python to a WebSocket client, through the synthesized stack's own routes and Lambda."""

import json

import pytest
from websockets.sync.client import connect

import broadcaster
from broadcaster import Broadcaster

pytestmark = pytest.mark.usefixtures("backend_environment")


def say(client, frame):
    client.send(frame if isinstance(frame, str) else json.dumps(frame))


def hear(client):
    return json.loads(client.recv(timeout=20))


def connection_id_of(client):
    say(client, {"action": "connection_id"})
    return hear(client)["connection_id"]


@pytest.fixture
def caster():
    with Broadcaster("abc123xyz", region="us-east-1") as caster:
        yield caster


@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_an_event_travels_from_python_to_a_client_that_subscribed(gateway, sender):
    with connect(gateway.websocket) as client, Broadcaster("abc123xyz", region="us-east-1", sender=sender) as caster:
        say(client, {"action": "subscribe", "channel": "admin"})
        told = hear(client)
        assert told["type"] == "connection_id"
        assert hear(client) == {"type": "subscription_succeeded", "channel": "admin"}
        caster.register_connection(told["connection_id"])
        assert caster.broadcast_admin_event({"type": "run_started"}) == {"sent": 1, "failed": 0, "stale": 0}
        event = hear(client)
        assert event.pop("id")
        assert event == {"channel": "admin", "event": "admin_event", "data": {"type": "run_started"}}


def test_every_frame_of_the_protocol_is_answered_as_documented(gateway):
    with connect(gateway.websocket) as client:
        say(client, {"action": "ping"})
        assert hear(client) == {"type": "pong"}
        say(client, {"action": "unsubscribe", "channel": "admin"})
        assert hear(client) == {"type": "unsubscribe_succeeded", "channel": "admin"}
        for wrong in ("not json", "[]", "{}", {"action": "publish"}, {"action": "subscribe", "channel": "a b"}):
            say(client, wrong)
            answer = hear(client)
            assert answer["type"] == "error"
            assert answer["message"]
        say(client, {"action": "ping"})
        assert hear(client) == {"type": "pong"}


def test_a_client_that_left_is_stale_and_is_then_forgotten(gateway, caster):
    with connect(gateway.websocket) as client:
        gone = connection_id_of(client)
        caster.register_connection(gone)
    with connect(gateway.websocket) as client:
        caster.register_connection(connection_id_of(client), channels=["logs"])
        assert caster.broadcast("logs", "log", {}) == {"sent": 1, "failed": 0, "stale": 1}
        assert hear(client)["channel"] == "logs"
        assert caster.broadcast("logs", "log", {}) == {"sent": 1, "failed": 0, "stale": 0}


def test_the_largest_message_arrives_and_a_larger_one_is_refused_before_it_is_sent(gateway, caster):
    with connect(gateway.websocket, max_size=None) as client:
        caster.register_connection(connection_id_of(client))
        overhead = len(broadcaster.messages.encode("logs", "log", ""))
        assert caster.broadcast("logs", "log", "x" * (131_072 - overhead)).sent == 1
        assert len(client.recv(timeout=20)) == 131_072
        with pytest.raises(broadcaster.MessageError):
            caster.broadcast("logs", "log", "x" * 131_072)
