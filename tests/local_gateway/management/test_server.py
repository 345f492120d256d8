"""A post is answered alike whether it comes in one piece or in many, and whatever its HTTP looks like."""

import asyncio
import re
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("recorded")


@asynccontextmanager
async def dialed(running):
    reader, writer = await asyncio.open_connection("127.0.0.1", running.gateway.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def connect(running):
    socket = await running.connect()
    await socket.send_str("who am I")
    return socket, await socket.receive_str(timeout=60)


async def read_answer(reader):
    """Status, error type and body of one answer."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode()
    length = re.search(r"(?i)content-length: (\d+)", head)
    error = re.search(r"(?i)x-amzn-errortype: (\S+)", head)
    body = await reader.readexactly(int(length[1])) if length else b""
    return int(head.split()[1]), error[1] if error else "", body


@pytest.fixture
def request_of(signed):
    """The bytes of a signed post; `more` are header lines, which no signature covers."""

    def make(running, connection_id, body, *more, framing=None):
        url = f"{running.gateway.connections_url}/@connections/{connection_id.replace('=', '%3D')}"
        headers = signed(running.gateway.credentials, "POST", url, body, running.gateway.api.deployment.region)
        headers["Host"] = f"127.0.0.1:{running.gateway.port}"
        headers.pop("Content-Length", None)
        lines = [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if framing is None else []
        head = "\r\n".join([f"POST {url.partition(headers['Host'])[2]} HTTP/1.1", *lines, *more])
        return f"{head}\r\n\r\n".encode() + (body if framing is None else framing)

    return make


async def test_posts_of_one_caller_arrive_in_turn(serve, request_of):
    running = await serve()
    socket, connection_id = await connect(running)
    async with dialed(running) as (reader, writer):
        for number in range(20):
            writer.write(request_of(running, connection_id, b"%d" % number))
            assert await read_answer(reader) == (200, "", b"")
    assert [await socket.receive_str(timeout=60) for _ in range(20)] == [str(number) for number in range(20)]


@pytest.fixture
async def connected(serve):
    running = await serve()
    return running, *await connect(running)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_a_post_may_come_in_any_pieces(connected, request_of, data):
    running, socket, connection_id = connected
    whole = request_of(running, connection_id, b"one") + request_of(running, connection_id, b"other")
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=4)))
    async with dialed(running) as (reader, writer):
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            writer.write(whole[start:end])
            await writer.drain()
            await asyncio.sleep(0.001)
        assert [await read_answer(reader) for _ in range(2)] == [(200, "", b"")] * 2
    assert [await socket.receive_str(timeout=60) for _ in range(2)] == ["one", "other"]


async def test_a_post_may_be_chunked(serve, request_of):
    running = await serve()
    socket, connection_id = await connect(running)
    async with dialed(running) as (reader, writer):
        chunked = request_of(
            running, connection_id, b"chunked", "Transfer-Encoding: chunked", framing=b"7\r\nchunked\r\n0\r\n\r\n"
        )
        writer.write(chunked)
        assert await read_answer(reader) == (200, "", b"")
    assert await socket.receive_str(timeout=60) == "chunked"


async def test_a_caller_that_asks_for_it_is_hung_up_on(serve, request_of):
    running = await serve()
    _, connection_id = await connect(running)
    async with dialed(running) as (reader, writer):
        writer.write(request_of(running, connection_id, b"last", "Connection: close"))
        assert (await read_answer(reader))[0] == 200
        assert await asyncio.wait_for(reader.read(), 5) == b""


@pytest.mark.parametrize("more", ["Content-Length: 3", "No colon", "Sp ace: x", "Transfer-Encoding: gzip"])
async def test_malformed_http_is_400(serve, request_of, more):
    running = await serve()
    _, connection_id = await connect(running)
    async with dialed(running) as (reader, writer):
        writer.write(request_of(running, connection_id, b"four", more))
        assert (await read_answer(reader))[0] == 400


@pytest.mark.parametrize(
    "sent",
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"SSH-2.0-x\r\n", b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"\0\r\n\r\n"],
)
async def test_what_is_no_http_is_400_and_no_traceback(serve, caplog, sent):
    running = await serve()
    async with dialed(running) as (reader, writer):
        writer.write(sent)
        assert (await read_answer(reader))[0] == 400
    assert not caplog.records
    said = [line[9:] for line in running.log.getvalue().splitlines()]
    assert said in (["a request that is not HTTP/1.1 was answered with 400"], [])  # aiohttp tells of some alone


async def test_what_a_stranger_posts_moves_no_cursor_and_forges_no_line(serve, request_of):
    running = await serve()
    forged = "%1B%5B2J%0D%0A%E2%80%AE"
    async with dialed(running) as (reader, writer):
        writer.write(f"POST /live/@connections/{forged} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        assert (await read_answer(reader))[:2] == (403, "MissingAuthenticationTokenException")
    (line,) = [line for line in running.log.getvalue().splitlines() if "POST" in line]
    assert "\\x1b[2J\\r\\n\\u202e" in line


async def test_other_calls_may_come_between_posts(serve, request_of):
    running = await serve()
    _, connection_id = await connect(running)
    get = b"GET /elsewhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with dialed(running) as (reader, writer):
        seen = []
        for request in (request_of(running, connection_id, b"1"), get, request_of(running, connection_id, b"2")):
            writer.write(request)
            seen.append((await read_answer(reader))[:2])
    assert seen == [(200, ""), (403, "ForbiddenException"), (200, "")]


async def test_refusals_are_the_same_in_one_piece_and_in_two(serve, request_of):
    running = await serve()
    unknown = request_of(running, "AAAAAAAAAAAAAAA=", b"x")
    forged = request_of(running, "AAAAAAAAAAAAAAA=", b"x", "X-Amz-Date: 20200101T000000Z")
    malformed = request_of(running, "short", b"x")
    for request, refusal in (
        (unknown, (410, "GoneException")),
        (forged, (403, "InvalidSignatureException")),
        (malformed, (400, "BadRequestException")),
    ):
        answers = []
        for pieces in ([request], [request[:9], request[9:]]):
            async with dialed(running) as (reader, writer):
                for piece in pieces:
                    writer.write(piece)
                    await asyncio.sleep(0.01)
                answers.append(await read_answer(reader))
        assert answers[0][:2] == refusal
        assert answers[0] == answers[1]


async def test_a_silent_caller_does_not_hold_up_the_end(serve):
    running = await serve()
    async with dialed(running) as (reader, _):
        await running.gateway.stop()
        assert await asyncio.wait_for(reader.read(), 5) == b""
