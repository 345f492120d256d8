"""Where a message goes, what comes back, and what ends a connection."""

import asyncio
import json
import re

import pytest
from aiohttp import WSMsgType

from local_gateway.limits import MAX_FRAME, MAX_MESSAGE

ANSWER = """
import json, os, time

def handler(event, context):
    context_of = event["requestContext"]
    body = event.get("body") or ""
    if body == "raise":
        raise ValueError("secret")
    if body == "sleep":
        time.sleep(30)
    if body == "malformed":
        return {"body": "no status"}
    if body == "silent":
        return {"statusCode": 200}
    if body == "meet":  # returns when a second one runs beside it
        open(f"../{context.aws_request_id}", "w").close()
        while len([name for name in os.listdir("..") if name.endswith("=")]) < 2:
            time.sleep(0.01)
    # the status of an answer reaches no client
    return {"statusCode": 500 if body else 200, "body": json.dumps([context_of["routeKey"], body, os.getpid()])}
"""
FRAME = r'\{"message": "%s", "connectionId":"[A-Za-z0-9_-]{15}=", "requestId":"[A-Za-z0-9_-]{15}="\}'


@pytest.fixture(autouse=True)
def _functions(assembly):
    assembly.function("Main", ANSWER, Timeout=1)
    assembly.function("Other", ANSWER)


async def test_messages_reach_the_routes_that_they_name_and_no_lifecycle_route(serve, assembly):
    for key, function in (("$default", "Main"), ("chat", "Other"), ("$connect", "Main"), ("$disconnect", "Main")):
        assembly.route(key, function, is_two_way=True)
    running = await serve()
    socket = await running.connect()
    routed = {}
    for action in ("chat", "$disconnect", "$default", "unknown", None):
        body = json.dumps({"action": action})
        routed[action] = await running.ask(socket, body)
        assert routed[action][1] == body
    assert [routed[action][0] for action in routed] == ["chat", "$default", "$default", "$default", "$default"]
    assert routed["chat"][2] != routed["unknown"][2]  # each function in processes of its own


async def test_without_a_default_route_an_unknown_one_is_forbidden_and_the_connection_stays(serve, assembly):
    assembly.route("chat", "Main", is_two_way=True)
    running = await serve()
    socket = await running.connect()
    await socket.send_str("no json")
    assert re.fullmatch(FRAME % "Forbidden", await socket.receive_str(timeout=60))
    assert (await running.ask(socket, '{"action":"chat"}'))[0] == "chat"


@pytest.mark.slow
@pytest.mark.parametrize("body", ["raise", "malformed", "sleep"])
@pytest.mark.parametrize("is_two_way", [True, False])
async def test_a_failing_function_is_reported_on_any_route_and_the_connection_stays(serve, assembly, body, is_two_way):
    assembly.route("$default", "Main", is_two_way=is_two_way)
    running = await serve()
    socket = await running.connect()
    for _ in range(2):
        await socket.send_str(body)
        assert re.fullmatch(FRAME % "Internal server error", await socket.receive_str(timeout=60))
    if body == "sleep":
        assert "Task timed out after 1.00 seconds" in running.log.getvalue()


async def test_a_function_slower_than_the_integration_is_reported(serve, assembly):
    assembly.route("$default", "Other", TimeoutInMillis=100)
    running = await serve()
    socket = await running.connect()
    await socket.send_str("sleep")
    assert re.fullmatch(FRAME % "Endpoint request timed out", await socket.receive_str(timeout=60))


async def test_a_route_without_a_response_and_an_answer_without_a_body_are_silent(serve, assembly):
    assembly.route("$default", "Main", is_two_way=True)
    assembly.route("quiet", "Main")
    running = await serve()
    socket = await running.connect()
    await socket.send_str('{"action":"quiet"}')
    await socket.send_str("silent")
    assert (await running.ask(socket, "loud"))[1] == "loud"


async def test_messages_of_one_connection_are_handled_at_the_same_time(serve, assembly):
    assembly.function("Main", ANSWER, Timeout=10)
    assembly.route("$default", "Main", is_two_way=True)
    running = await serve()
    socket = await running.connect()
    await socket.send_str("meet")
    await socket.send_str("meet")
    first, second = [await socket.receive_json(timeout=60) for _ in range(2)]
    assert first[2] != second[2]


async def test_a_serial_gateway_handles_them_one_after_the_other(serve, assembly):
    assembly.route("$default", "Main", is_two_way=True)
    running = await serve(is_serial=True)
    socket = await running.connect()
    for number in range(5):
        await socket.send_str(str(number))
    assert [(await socket.receive_json(timeout=60))[1] for _ in range(5)] == ["0", "1", "2", "3", "4"]


async def test_a_binary_frame_closes_with_1003(serve, assembly):
    assembly.route("$default", "Main")
    socket = await (await serve()).connect()
    await socket.send_bytes(b"\0")
    await socket.receive(timeout=60)
    assert socket.close_code == 1003


@pytest.mark.parametrize("size", [MAX_FRAME, MAX_FRAME - 1])
async def test_the_largest_frame_passes(serve, assembly, size):
    assembly.route("$default", "Main", is_two_way=True)
    running = await serve()
    socket = await running.connect()
    assert (await running.ask(socket, "x" * size))[1] == "x" * size


@pytest.mark.parametrize("size", [MAX_FRAME + 1, 200_000, 3_000_000])
async def test_a_larger_frame_closes_with_1009(serve, assembly, size):
    assembly.route("$default", "Main")
    socket = await (await serve()).connect()
    await socket.send_str("x" * size)
    message = await socket.receive(timeout=60)
    assert (message.type, socket.close_code) == (WSMsgType.CLOSE, 1009)


async def send_in_frames(socket, size, frame):
    """One text message of `size` bytes in frames of at most `frame`; aiohttp has no public way to fragment."""
    transport = socket._writer.transport
    for start in range(0, size, frame):
        part = min(frame, size - start)
        first_byte = (0 if start else WSMsgType.TEXT) | (0x80 if start + part == size else 0)
        mask = b"\0\0\0\0"
        transport.write(bytes([first_byte, 0x80 | 126]) + part.to_bytes(2, "big") + mask + b"x" * part)
        await asyncio.sleep(0)


async def test_a_message_of_128_kb_in_frames_of_32_kb_passes(serve, assembly):
    assembly.route("$default", "Main", is_two_way=True)
    socket = await (await serve()).connect()
    await send_in_frames(socket, MAX_MESSAGE - 1024, MAX_FRAME)  # the answer, with its JSON, must fit in 128 KB too
    assert len((await socket.receive_json(timeout=60))[1]) == MAX_MESSAGE - 1024


async def test_a_larger_message_in_small_frames_closes_with_1009(serve, assembly):
    assembly.route("$default", "Main")
    socket = await (await serve()).connect()
    await send_in_frames(socket, MAX_MESSAGE + 1, MAX_FRAME)
    await socket.receive(timeout=60)
    assert socket.close_code == 1009
