import asyncio
import inspect
import json
import logging
from datetime import UTC, datetime

import pytest

import broadcaster
import broadcaster.aio
from broadcaster import (
    Broadcaster,
    ClosedError,
    ConfigurationError,
    InvalidArgumentError,
    MemoryRegistry,
    MessageError,
    RefusedError,
    RegistryError,
    UnavailableError,
)

pytestmark = pytest.mark.usefixtures("aws_keys")


@pytest.fixture
def caster(server):
    with Broadcaster(endpoint_url=server.endpoint.url, region="us-east-1") as caster:
        yield caster


@pytest.fixture(params=["engine", "boto3"])
def either(server, request):
    """A broadcaster with each of the two senders."""
    with Broadcaster(endpoint_url=server.endpoint.url, region="us-east-1", sender=request.param) as caster:
        yield caster


@pytest.fixture
def default(server):
    broadcaster.init_broadcaster(endpoint_url=server.endpoint.url, region="us-east-1")
    yield
    broadcaster.close_broadcaster()


def receivers(server):
    return {connection_id for _, connection_id, _, _ in server.requests}


@pytest.mark.usefixtures("default")
def test_the_functions_for_one_connection_use_the_default_broadcaster(server):
    server.script = lambda connection_id, attempt: "200" if attempt == 1 else "410"
    assert broadcaster.send_to_connection("connection-a=", "admin", "ack", {}).sent == 1
    assert broadcaster.disconnect_connection("connection-a=") is False
    assert broadcaster.get_connection("connection-a=") is None


@pytest.mark.usefixtures("default")
def test_the_functions_of_the_guide_do_what_the_guide_says(server, capsys):
    broadcaster.register_connection("L0SM9cOFvHcCIhw=")
    print(broadcaster.broadcast_admin_event({"type": "run_started", "thread_id": "abc123", "run_name": "My Workflow"}))
    assert capsys.readouterr().out == "{'sent': 1, 'failed': 0, 'stale': 0}\n"
    [(method, connection_id, _, body)] = server.requests
    frame = json.loads(body)
    assert (method, connection_id) == ("POST", "L0SM9cOFvHcCIhw=")
    assert frame.pop("id")
    assert frame == {
        "channel": "admin",
        "event": "admin_event",
        "data": {"type": "run_started", "thread_id": "abc123", "run_name": "My Workflow"},
    }


def test_without_channels_a_connection_receives_everything_and_channels_narrow(caster, server):
    caster.register_connection("connection-all=")
    caster.register_connection("connection-logs=", channels=["logs"])
    assert caster.broadcast("admin", "admin_event", {}) == {"sent": 1, "failed": 0, "stale": 0}
    assert receivers(server) == {"connection-all="}
    assert caster.broadcast("logs", "log", {}) == {"sent": 2, "failed": 0, "stale": 0}


def test_one_channel_may_be_given_as_text(caster, server):
    caster.register_connection("connection-a=", channels="logs")
    caster.broadcast("logs", "log", {})
    assert receivers(server) == {"connection-a="}


def test_everybody_gets_the_same_bytes(caster, server):
    for number in range(50):
        caster.register_connection(f"connection-{number}=")
    caster.broadcast("admin", "admin_event", {"n": 1})
    assert len({body for _, _, _, body in server.requests}) == 1


def test_a_stale_connection_leaves_the_registry(caster, server):
    server.script = lambda connection_id, attempt: "410" if connection_id == "connection-gone=" else "200"
    caster.register_connection("connection-gone=")
    caster.register_connection("connection-here=")
    assert caster.broadcast("admin", "admin_event", {}) == {"sent": 1, "failed": 0, "stale": 1}
    assert caster.broadcast("admin", "admin_event", {}) == {"sent": 1, "failed": 0, "stale": 0}


def test_a_failed_connection_stays_and_the_result_says_why(caster, server):
    server.script = lambda connection_id, attempt: "413"
    caster.register_connection("connection-here=")
    result = caster.broadcast("admin", "admin_event", {})
    assert result == {"sent": 0, "failed": 1, "stale": 0}
    assert result.failures[0].connection_id == "connection-here="
    assert result.failures[0].status == 413
    server.script = lambda connection_id, attempt: "200"
    assert caster.broadcast("admin", "admin_event", {}).sent == 1


def test_an_unregistered_connection_receives_nothing_more(caster, server):
    caster.register_connection("connection-a=")
    caster.unregister_connection("connection-a=")
    caster.unregister_connection("connection-a=")
    assert caster.broadcast("admin", "admin_event", {}) == {"sent": 0, "failed": 0, "stale": 0}
    assert server.requests == []


@pytest.mark.parametrize(
    ("mistake", "error"),
    [
        (lambda caster: caster.broadcast("a b", "event", {}), InvalidArgumentError),
        (lambda caster: caster.broadcast("admin", "", {}), InvalidArgumentError),
        (lambda caster: caster.broadcast("admin", "event", object()), MessageError),
        (lambda caster: caster.broadcast("admin", "event", "x" * 131_072), MessageError),
        (lambda caster: caster.register_connection("../../admin"), InvalidArgumentError),
        (lambda caster: caster.register_connection("connection-a=", channels=["a b"]), InvalidArgumentError),
        (lambda caster: caster.register_connection("connection-a=", channels=5), InvalidArgumentError),
        (lambda caster: caster.unregister_connection("a/b"), InvalidArgumentError),
        (lambda caster: caster.send_to_connection("a/b", "admin", "event", {}), InvalidArgumentError),
        (lambda caster: caster.send_to_connection("connection-a=", "a b", "event", {}), InvalidArgumentError),
        (lambda caster: caster.send_to_connection("connection-a=", "admin", "event", object()), MessageError),
        (lambda caster: caster.disconnect_connection("../a"), InvalidArgumentError),
        (lambda caster: caster.get_connection(".."), InvalidArgumentError),
    ],
)
def test_a_mistake_is_refused_before_anything_is_sent_or_registered(caster, server, mistake, error):
    caster.register_connection("connection-b=")
    with pytest.raises(error):
        mistake(caster)
    assert server.requests == []
    assert caster.broadcast("admin", "event", {}).sent == 1


def test_one_event_goes_to_one_connection_in_the_same_envelope(either, server):
    either.register_connection("connection-a=")
    assert either.send_to_connection("connection-b=", "admin", "ack", {"ok": True}) == {
        "sent": 1,
        "failed": 0,
        "stale": 0,
    }
    [(method, connection_id, _, body)] = server.requests
    frame = json.loads(body)
    assert (method, connection_id) == ("POST", "connection-b=")
    assert frame.pop("id")
    assert frame == {"channel": "admin", "event": "ack", "data": {"ok": True}}


def test_what_became_of_one_event_for_one_connection_is_in_the_result(caster, server):
    caster.register_connection("connection-a=")
    server.script = lambda connection_id, attempt: "413"
    result = caster.send_to_connection("connection-a=", "admin", "ack", {})
    assert (result, result.failures[0].status) == ({"sent": 0, "failed": 1, "stale": 0}, 413)
    server.script = lambda connection_id, attempt: "410"
    assert caster.send_to_connection("connection-a=", "admin", "ack", {}) == {"sent": 0, "failed": 0, "stale": 1}
    assert caster.broadcast("admin", "ack", {}) == {"sent": 0, "failed": 0, "stale": 0}


def test_a_connection_is_closed_once_and_then_it_is_gone(either, server):
    server.script = lambda connection_id, attempt: "204" if attempt == 1 else "410"
    either.register_connection("connection-a=")
    assert either.disconnect_connection("connection-a=") is True
    assert either.disconnect_connection("connection-a=") is False
    assert [method for method, *_ in server.requests] == ["DELETE", "DELETE"]
    assert either.broadcast("admin", "event", {}) == {"sent": 0, "failed": 0, "stale": 0}


def test_what_the_gateway_knows_of_a_connection_is_returned(either, server):
    server.body = json.dumps(
        {
            "connectedAt": "2026-11-22T10:00:00Z",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "Mozilla/5.0"},
            "lastActiveAt": "2026-11-22T10:01:02.345Z",
        }
    ).encode()
    info = either.get_connection("connection-a=")
    assert info == (
        datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
        datetime(2026, 11, 22, 10, 1, 2, 345_000, tzinfo=UTC),
        "203.0.113.7",
        "Mozilla/5.0",
    )
    assert info.source_ip == "203.0.113.7"


def test_a_connection_that_is_gone_is_none_and_leaves_the_registry(either, server):
    server.script = lambda connection_id, attempt: "410"
    either.register_connection("connection-a=")
    assert either.get_connection("connection-a=") is None
    assert either.broadcast("admin", "event", {}) == {"sent": 0, "failed": 0, "stale": 0}


@pytest.mark.parametrize("ask", ["get_connection", "disconnect_connection"])
@pytest.mark.parametrize(
    ("deed", "error", "says"),
    [
        ("500", UnavailableError, r"a= .* HTTP 500 \(3 attempts\); try again later"),
        ("close", UnavailableError, "a= .* attempts.*; try again later"),
        ("400", InvalidArgumentError, "no ids like 'connection-a='"),
        ("403", RefusedError, "answered HTTP 403"),
    ],
)
def test_an_answer_that_does_not_tell_is_an_error_that_says_what_to_do(caster, server, ask, deed, error, says):
    server.script = lambda connection_id, attempt: deed
    caster.register_connection("connection-a=")
    with pytest.raises(error, match=says):
        getattr(caster, ask)("connection-a=")
    server.script = lambda connection_id, attempt: "200"
    assert caster.broadcast("admin", "event", {}).sent == 1


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"[]", b"{}", b'{"connectedAt": 1, "lastActiveAt": 2, "identity": {}}']
)
def test_an_answer_that_is_no_description_is_an_error(caster, server, body):
    server.body = body
    with pytest.raises(UnavailableError, match="a= is no description"):
        caster.get_connection("connection-a=")


@pytest.mark.parametrize(
    "settings", [{"concurrency": 0}, {"timeout": -1}, {"attempts": "3"}, {"deadline": 0}, {"rate": 0}, {"sender": "x"}]
)
def test_a_setting_that_makes_no_sense_is_refused_at_once(settings):
    with pytest.raises(ConfigurationError, match=str(next(iter(settings)))):
        Broadcaster("abc123xyz", region="us-east-1", **settings)


def test_using_the_functions_before_init_says_what_to_call():
    with pytest.raises(ConfigurationError, match="call init_broadcaster"):
        broadcaster.broadcast_admin_event({})


def test_a_closed_broadcaster_says_so(caster):
    caster.close()
    caster.close()
    for use in (
        lambda: caster.broadcast("a", "b", {}),
        lambda: caster.register_connection("connection-a="),
        lambda: caster.unregister_connection("connection-a="),
        lambda: caster.authorize_subscription("connection-a=", "b"),
        lambda: caster.send_to_connection("connection-a=", "a", "b", {}),
        lambda: caster.disconnect_connection("connection-a="),
        lambda: caster.get_connection("connection-a="),
    ):
        with pytest.raises(ClosedError):
            use()


def test_a_second_init_closes_the_first():
    first = broadcaster.init_broadcaster("abc123xyz", region="us-east-1")
    broadcaster.init_broadcaster("abc123xyz", region="us-east-1")
    with pytest.raises(ClosedError):
        first.register_connection("connection-a=")
    broadcaster.close_broadcaster()


def test_a_registry_that_was_passed_in_is_not_closed():
    class Registry(MemoryRegistry):
        is_closed = False

        def close(self):
            self.is_closed = True

    registry = Registry()
    Broadcaster("abc123xyz", region="us-east-1", registry=registry).close()
    assert not registry.is_closed


def test_stale_connections_that_cannot_be_removed_do_not_fail_the_broadcast(server, caplog):
    class Registry(MemoryRegistry):
        def remove(self, connection_ids):
            raise RegistryError("the registry is away")

    server.script = lambda connection_id, attempt: "410"
    with Broadcaster(endpoint_url=server.endpoint.url, region="us-east-1", registry=Registry()) as caster:
        caster.register_connection("connection-gone=")
        assert caster.broadcast("admin", "admin_event", {}) == {"sent": 0, "failed": 0, "stale": 1}
    assert "the registry is away" in caplog.text


def test_one_line_is_logged_for_a_broadcast_and_no_payload_in_it(caster, server, caplog):
    caplog.set_level(logging.INFO, logger="broadcaster")
    caster.register_connection("connection-a=")
    caster.broadcast("logs", "log", {"text": "hunter2"})
    assert [line for line in caplog.messages if "logs" in line or "hunter2" in line] == [
        "log on logs: 1 sent, 0 failed, 0 stale"
    ]


def test_all_public_names_are_exported_and_documented():
    for name in broadcaster.__all__:
        assert getattr(broadcaster, name).__doc__


def test_a_synchronous_broadcast_in_an_event_loop_is_warned_of_once(caster, caplog):
    async def broadcast_twice():
        caster.broadcast("admin", "event", {})
        caster.broadcast("admin", "event", {})

    caster.broadcast("admin", "event", {})
    assert "event loop" not in caplog.text
    asyncio.run(broadcast_twice())
    [warning] = [line for line in caplog.messages if "event loop" in line]
    assert "use broadcaster.aio there" in warning


def test_a_broadcast_in_which_some_failed_is_a_warning_with_the_first_reason(caster, server, caplog):
    server.script = lambda connection_id, attempt: "413"
    caster.register_connection("L0SM9cOFvHcCIhw=")
    caster.broadcast("logs", "log", {})
    caster.send_to_connection("L0SM9cOFvHcCIhw=", "logs", "log", {})
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line for line in warnings if "failed" in line] == [
        "log on logs: 0 sent, 1 failed, 0 stale; the first: HTTP 413: PayloadTooLargeException",
        "log on logs to L0SM9cOFvHcCIhw=: failed: HTTP 413: PayloadTooLargeException",
    ]


def test_after_close_broadcaster_it_is_said_that_it_was_closed_or_never_made():
    broadcaster.init_broadcaster("abc123xyz", region="us-east-1")
    broadcaster.close_broadcaster()
    with pytest.raises(ConfigurationError, match="or close_broadcaster was since"):
        broadcaster.broadcast_admin_event({})


@pytest.mark.parametrize("function", [broadcaster.init_broadcaster, broadcaster.aio.init_broadcaster])
def test_the_settings_are_shown_where_they_are_taken(function):
    assert list(inspect.signature(function).parameters) == list(inspect.signature(Broadcaster).parameters)
    with pytest.raises(TypeError, match=r"^Broadcaster\(\) .*regoin"):
        function("abc123xyz", region="us-east-1", regoin="us-east-1")
