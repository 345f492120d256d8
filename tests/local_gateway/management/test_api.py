"""`@connections` as SDKs and other HTTP clients see it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from local_gateway.faults import Faults
from local_gateway.limits import MAX_MESSAGE

pytestmark = pytest.mark.usefixtures("recorded")


@pytest.fixture
def disconnects(recorded):
    """The DISCONNECT events that the function has got so far."""
    return lambda: recorded("DISCONNECT")


async def connect(running):
    socket = await running.connect(headers={"User-Agent": "browser"})
    await socket.send_str("who am I")
    return socket, await socket.receive_str(timeout=60)


@pytest.mark.parametrize("body", [b"{}", "naïve ✓".encode(), b"x" * MAX_MESSAGE])
async def test_a_post_reaches_the_client_as_it_is(serve, body):
    running = await serve()
    socket, connection_id = await connect(running)
    assert await running.call("POST", connection_id, body) == (200, "", b"")
    assert (await socket.receive_str(timeout=60)).encode() == body


async def test_an_empty_post_is_an_empty_message(serve):
    running = await serve()
    socket, connection_id = await connect(running)
    assert (await running.call("POST", connection_id, b""))[0] == 200
    assert await socket.receive_str(timeout=60) == ""


@pytest.mark.parametrize("size", [MAX_MESSAGE + 1, 5_000_000])
async def test_a_post_above_128_kb_is_413(serve, size):
    running = await serve()
    _, connection_id = await connect(running)
    status, error_type, _ = await running.call("POST", connection_id, b"x" * size)
    assert (status, error_type) == (413, "PayloadTooLargeException")


async def test_get_tells_when_and_who(serve):
    running = await serve()
    _, connection_id = await connect(running)
    status, _, body = await running.call("GET", connection_id)
    told = json.loads(body)
    assert status == 200
    assert told["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "browser"}
    connected, active = (datetime.fromisoformat(told[name]) for name in ("connectedAt", "lastActiveAt"))
    assert connected <= active
    assert datetime.now(UTC) - connected < timedelta(minutes=1)


async def test_delete_closes_with_1000_and_the_function_hears_of_it_once(serve, disconnects, eventually):
    running = await serve()
    socket, connection_id = await connect(running)
    assert await running.call("DELETE", connection_id) == (204, "", b"")
    assert await running.call("DELETE", connection_id) == (410, "GoneException", b"")
    await socket.receive(timeout=60)
    assert socket.close_code == 1000
    (event,) = await eventually(disconnects)
    context = event["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1000, "Connection Closed Normally")
    assert len(running.gateway.connections) == 0


@pytest.mark.parametrize(
    ("code", "reason", "seen"),
    [
        (1000, b"", (1000, "Connection Closed Normally")),
        (1001, b"", (1001, "Going away")),
        (4000, b"bye", (4000, "bye")),
    ],
)
async def test_the_function_hears_how_the_client_closed(serve, disconnects, eventually, code, reason, seen):
    running = await serve()
    socket, connection_id = await connect(running)
    await socket.close(code=code, message=reason)
    assert socket.close_code == code
    (event,) = await eventually(disconnects)
    context = event["requestContext"]
    assert (context["connectionId"], context["disconnectStatusCode"], context["disconnectReason"]) == (
        connection_id,
        *seen,
    )
    assert (await running.call("POST", connection_id, b"late"))[:2] == (410, "GoneException")


async def test_a_close_frame_with_the_code_that_is_never_sent_is_a_protocol_error(serve, disconnects, eventually):
    running = await serve()
    socket, _ = await connect(running)
    await socket._writer.close(1006)
    assert (await socket.receive(timeout=60)).data == 1002
    (event,) = await eventually(disconnects)
    assert event["requestContext"]["disconnectStatusCode"] == 1002


async def test_a_client_that_is_cut_off_is_disconnected_with_1006(serve, disconnects, eventually):
    running = await serve()
    socket, _ = await connect(running)
    socket._writer.transport.abort()
    (event,) = await eventually(disconnects)
    assert event["requestContext"]["disconnectStatusCode"] == 1006


async def test_an_id_that_never_was_is_410_and_a_malformed_one_400(serve):
    running = await serve()
    assert await running.call("POST", "L0SM9cOFvHcCIhw%3D", b"x") == (410, "GoneException", b"")
    for malformed in ("short", "L0SM9cOFvHcCIhw", "..%2F..%2Fadmin", "L0SM9cOFvHcCI/w="):
        status, error_type, _ = await running.call("POST", malformed, b"x")
        assert (status, error_type) in {(400, "BadRequestException"), (403, "ForbiddenException")}
    assert (await running.call("POST", "short", b"x"))[0] == 400


async def test_the_path_may_be_encoded_or_not(serve):
    running = await serve()
    socket, connection_id = await connect(running)
    base = f"http://127.0.0.1:{running.gateway.port}/live"
    for place in ("@connections", "%40connections"):
        for name in (connection_id, connection_id.replace("=", "%3D")):
            assert await running.post(f"{base}/{place}/{name}", b"hi") == 200
            assert await socket.receive_str(timeout=60) == "hi"


async def test_another_stage_is_forbidden(serve):
    running = await serve()
    assert await running.get("/prod/@connections/L0SM9cOFvHcCIhw=") == (403, "ForbiddenException")


async def test_without_a_signature_a_call_is_refused(serve):
    running = await serve()
    _, connection_id = await connect(running)
    status, error_type, body = await running.call("POST", connection_id, b"x", headers={})
    assert (status, error_type) == (403, "MissingAuthenticationTokenException")
    assert json.loads(body) == {"message": "Missing Authentication Token"}


async def test_a_slow_reader_gets_429_and_others_do_not(serve):
    running = await serve(buffer_limit=MAX_MESSAGE)
    slow, slow_id = await connect(running)
    quick, quick_id = await connect(running)
    slow._conn.transport.pause_reading()
    statuses = set()
    while 429 not in statuses:  # the system's own socket buffers take some megabytes first
        status, error_type, _ = await running.call("POST", slow_id, b"x" * MAX_MESSAGE)
        statuses.add(status)
    assert error_type == "LimitExceededException"
    assert (await running.call("POST", quick_id, b"y"))[0] == 200
    assert await quick.receive_str(timeout=60) == "y"
    slow._conn.transport.abort()


async def test_posts_fail_at_the_rate_that_was_asked_for(serve):
    faults = Faults(post_errors=1.0)
    running = await serve(faults=faults)
    _, connection_id = await connect(running)
    assert (await running.call("POST", connection_id, b"x"))[0] == 500
    faults.post_errors = 0.0
    assert (await running.call("POST", connection_id, b"x"))[0] == 200
