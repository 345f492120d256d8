"""The asyncio face does what the synchronous one does."""

import asyncio
import inspect
import json
import logging
import re
import textwrap

import pytest

import broadcaster
from broadcaster import Broadcaster, ClosedError, ConfigurationError, RefusedError, aio
from broadcaster.aio import AsyncBroadcaster

pytestmark = pytest.mark.usefixtures("aws_keys")


# They never wait, so there is nothing to await.
PLAIN = {"publish", "publisher_stats"}


def public(kind):
    return {name for name in vars(kind) if not name.startswith("_")}


def test_the_two_faces_have_the_same_methods_with_the_same_signatures():
    assert public(Broadcaster) == public(AsyncBroadcaster)
    for name in ["__init__", *sorted(public(Broadcaster))]:
        assert inspect.signature(getattr(Broadcaster, name)) == inspect.signature(getattr(AsyncBroadcaster, name)), name


def test_every_method_but_the_constructor_is_awaited():
    assert all(inspect.iscoroutinefunction(getattr(AsyncBroadcaster, name)) for name in public(AsyncBroadcaster))


def test_the_two_faces_have_the_same_names_and_functions_with_the_same_signatures():
    assert set(aio.__all__) == {*broadcaster.__all__, "AsyncBroadcaster"} - {"Broadcaster"}
    for name in set(aio.__all__) & set(broadcaster.__all__):
        one, other = getattr(broadcaster, name), getattr(aio, name)
        if not inspect.isfunction(one):
            assert one is other
        elif name == "init_broadcaster":
            assert inspect.signature(one).parameters == inspect.signature(other).parameters
        else:
            assert inspect.signature(one) == inspect.signature(other)
            assert inspect.iscoroutinefunction(other) == (name not in PLAIN)


def test_the_two_faces_say_the_same_of_every_method_and_function():
    def effect(thing):
        return thing.__doc__.splitlines()[0].replace("AsyncBroadcaster", "Broadcaster")

    for name in public(Broadcaster):
        assert effect(getattr(Broadcaster, name)) == effect(getattr(AsyncBroadcaster, name))
    for name in aio.__all__:
        assert getattr(aio, name).__doc__
        if inspect.isfunction(getattr(aio, name)):
            assert (
                effect(getattr(broadcaster, name)).partition(", closing")[0]
                == (effect(getattr(aio, name)).partition(", closing")[0])
            )


DEEDS = [
    "200",
    "204",
    "410",
    "400",
    "413",
    "500",
    "503",
    "close",
    "reset",
    "garbage",
    "chunked",
    "until-close",
    "slowly",
]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 400])
async def test_the_two_faces_come_to_the_same_results(server, make, count):
    def script(connection_id, attempt):
        number = int(connection_id[2:-1])
        return "200" if attempt == 2 and number % 2 else DEEDS[number % len(DEEDS)]

    def run_sync():
        with Broadcaster(endpoint_url=server.endpoint.url, region="us-east-1") as caster:
            for number in range(count):
                caster.register_connection(f"connection-id{number}=")
            return caster.broadcast("admin", "event", {}), caster.broadcast("admin", "event", {})

    server.script = script
    expected = await asyncio.to_thread(run_sync)
    server.attempts.clear()
    caster = make()
    for number in range(count):
        await caster.register_connection(f"connection-id{number}=")
    results = await caster.broadcast("admin", "event", {}), await caster.broadcast("admin", "event", {})
    assert results == expected
    for result, same in zip(results, expected, strict=True):
        told = [{(f.connection_id, f.status) for f in each.failures} for each in (result, same)]
        assert told[0] == told[1]


async def test_one_connection_is_sent_to_looked_at_and_closed(either, server):
    server.body = json.dumps(
        {"connectedAt": "2026-11-22T10:00:00Z", "lastActiveAt": "2026-11-22T10:01:00Z", "identity": {"sourceIp": "::1"}}
    ).encode()
    await either.register_connection("connection-a=")
    assert (await either.send_to_connection("connection-a=", "admin", "ack", {"ok": True})) == {
        "sent": 1,
        "failed": 0,
        "stale": 0,
    }
    assert (await either.get_connection("connection-a=")).source_ip == "::1"
    assert await either.disconnect_connection("connection-a=") is True
    assert (await either.broadcast("admin", "event", {})) == {"sent": 0, "failed": 0, "stale": 0}
    server.script = lambda connection_id, attempt: "410"
    assert await either.get_connection("connection-a=") is None
    assert await either.disconnect_connection("connection-a=") is False
    assert [method for method, *_ in server.requests] == ["POST", "GET", "DELETE", "GET", "DELETE"]


async def test_connections_that_are_gone_have_left_the_registry_when_a_broadcast_returns(either, server):
    server.script = lambda connection_id, attempt: "410" if connection_id == "connection-gone=" else "200"
    await either.register_connection("connection-gone=")
    await either.register_connection("connection-here=", channels=["admin"])
    assert (await either.broadcast_admin_event({})) == {"sent": 1, "failed": 0, "stale": 1}
    assert (await either.broadcast_admin_event({})) == {"sent": 1, "failed": 0, "stale": 0}
    await either.unregister_connection("connection-here=")
    assert (await either.broadcast_admin_event({})) == {"sent": 0, "failed": 0, "stale": 0}


@pytest.mark.parametrize(
    ("mistake", "error"),
    [
        (lambda caster: caster.register_connection("a/b"), broadcaster.InvalidArgumentError),
        (lambda caster: caster.unregister_connection("a/b"), broadcaster.InvalidArgumentError),
        (lambda caster: caster.authorize_subscription("connection-a=", "admin"), ConfigurationError),
        (lambda caster: caster.broadcast("a b", "event", {}), broadcaster.InvalidArgumentError),
        (lambda caster: caster.broadcast("admin", "event", object()), broadcaster.MessageError),
        (lambda caster: caster.send_to_connection("a/b", "admin", "event", {}), broadcaster.InvalidArgumentError),
        (lambda caster: caster.disconnect_connection(".."), broadcaster.InvalidArgumentError),
        (lambda caster: caster.get_connection("../x"), broadcaster.InvalidArgumentError),
    ],
)
async def test_mistakes_are_the_same_errors(make, server, mistake, error):
    with pytest.raises(error):
        await mistake(make())
    assert server.requests == []


async def test_a_refusal_is_an_error_and_the_worker_serves_on(either, server):
    server.script = lambda connection_id, attempt: "403"
    await either.register_connection("connection-a=")
    for ask in (either.broadcast("admin", "event", {}), either.get_connection("connection-a=")):
        with pytest.raises(RefusedError, match="answered HTTP 403"):
            await ask
    server.script = lambda connection_id, attempt: "200"
    assert (await either.broadcast("admin", "event", {})).sent == 1


async def test_without_credentials_nothing_is_sent_and_it_says_so(make, monkeypatch, server, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    caster = make()
    assert (await caster.broadcast("admin", "event", {})).sent == 0
    await caster.register_connection("connection-a=")
    with pytest.raises(ConfigurationError, match="no AWS credentials found"):
        await caster.broadcast("admin", "event", {})


async def test_one_line_is_logged_for_a_broadcast(make, caplog):
    caplog.set_level(logging.INFO, logger="broadcaster")
    await make().broadcast("logs", "log", {"text": "hunter2"})
    lines = [line for line in caplog.messages if "logs" in line or "hunter2" in line]
    assert lines == ["log on logs: 0 sent, 0 failed, 0 stale"]


async def test_the_example_in_the_documentation_runs(server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", server.endpoint.url)
    example = re.search(r"\n\n(    from broadcaster\.aio .*?)\n\n`", aio.__doc__, re.DOTALL)
    names = {}
    exec(textwrap.dedent(example[1]), names)  # noqa: S102
    assert (await names["start_run"]("L0SM9cOFvHcCIhw=")) == {"sent": 1, "failed": 0, "stale": 0}
    await aio.close_broadcaster()


async def test_the_functions_use_a_default_of_their_own(server):
    with pytest.raises(ConfigurationError, match="call its init_broadcaster"):
        await aio.broadcast_admin_event({})
    first = aio.init_broadcaster(
        endpoint_url=server.endpoint.url, region="us-east-1", secret="0123456789abcdef0123456789abcdef"
    )
    assert (
        await aio.init_broadcaster(
            endpoint_url=server.endpoint.url, region="us-east-1", secret="0123456789abcdef0123456789abcdef"
        )
        is not first
    )
    with pytest.raises(ClosedError):
        await first.register_connection("connection-a=")
    await aio.register_connection("connection-a=", channels=["admin"])
    await aio.register_connection("connection-b=")
    await aio.unregister_connection("connection-b=")
    assert len(await aio.authorize_subscription("connection-a=", "admin")) == 64
    assert (await aio.broadcast_admin_event({"type": "run_started"})) == {"sent": 1, "failed": 0, "stale": 0}
    assert (await aio.broadcast("logs", "log", {})) == {"sent": 0, "failed": 0, "stale": 0}
    assert (await aio.send_to_connection("connection-a=", "admin", "ack", {})).sent == 1
    server.script = lambda connection_id, attempt: "410"
    assert await aio.get_connection("connection-a=") is None
    assert await aio.disconnect_connection("connection-a=") is False
    await aio.close_broadcaster()
    await aio.close_broadcaster()
