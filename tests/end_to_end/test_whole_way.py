"""From Python to a WebSocket client, through the synthesized stack's own routes and Lambda."""

import pytest

import broadcaster
from broadcaster import Broadcaster

pytestmark = pytest.mark.usefixtures("backend_environment")


def connection_id_of(client):
    client.send({"action": "connection_id"})
    return client.receive().json()["connection_id"]


@pytest.fixture
def caster():
    with Broadcaster("abc123xyz", region="us-east-1") as caster:
        yield caster


@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_an_event_travels_from_python_to_a_client_that_subscribed(gateway, sender):
    with gateway.connect() as client, Broadcaster("abc123xyz", region="us-east-1", sender=sender) as caster:
        client.send({"action": "subscribe", "channel": "admin"})
        told = client.receive().json()
        assert told["type"] == "connection_id"
        assert client.receive().json() == {"type": "subscription_succeeded", "channel": "admin"}
        caster.register_connection(told["connection_id"])
        assert caster.broadcast_admin_event({"type": "run_started"}) == {"sent": 1, "failed": 0, "stale": 0}
        event = client.receive().json()
        assert event.pop("id")
        assert event == {"channel": "admin", "event": "admin_event", "data": {"type": "run_started"}}


def test_every_frame_of_the_protocol_is_answered_as_documented(gateway):
    with gateway.connect() as client:
        client.send({"action": "ping"})
        assert client.receive().json() == {"type": "pong"}
        client.send({"action": "unsubscribe", "channel": "admin"})
        assert client.receive().json() == {"type": "unsubscribe_succeeded", "channel": "admin"}
        for wrong in ("not json", "[]", "{}", {"action": "publish"}, {"action": "subscribe", "channel": "a b"}):
            client.send(wrong)
            answer = client.receive().json()
            assert answer["type"] == "error"
            assert answer["message"]
        client.send({"action": "ping"})
        assert client.receive().json() == {"type": "pong"}


def test_a_client_that_left_is_stale_and_is_then_forgotten(gateway, caster):
    with gateway.connect() as client:
        gone = connection_id_of(client)
        caster.register_connection(gone)
    with gateway.connect() as client:
        caster.register_connection(connection_id_of(client), channels=["logs"])
        assert caster.broadcast("logs", "log", {}) == {"sent": 1, "failed": 0, "stale": 1}
        assert client.receive().json()["channel"] == "logs"
        assert caster.broadcast("logs", "log", {}) == {"sent": 1, "failed": 0, "stale": 0}


def test_the_largest_message_arrives_and_a_larger_one_is_refused_before_it_is_sent(gateway, caster):
    with gateway.connect() as client:
        caster.register_connection(connection_id_of(client))
        overhead = len(broadcaster.messages.MessageEncoder().message("logs", "log", ""))
        assert caster.broadcast("logs", "log", "x" * (131_072 - overhead)).sent == 1
        assert len(client.receive()) == 131_072
        with pytest.raises(broadcaster.MessageError):
            caster.broadcast("logs", "log", "x" * 131_072)
