"""Ten minutes of idleness and two hours of life, on a clock that tests move."""

import asyncio

import pytest

from local_gateway.clock import Clock
from local_gateway.limits import CONNECTION_LIFE, IDLE_TIMEOUT
from local_gateway.throttle import StageThrottle, TokenBucket

pytestmark = pytest.mark.usefixtures("recorded")


async def connect(running):
    socket = await running.connect()
    await socket.send_str("hello")
    return socket, await socket.receive_str(timeout=60)


async def closed(socket):
    await socket.receive(timeout=60)
    return socket.close_code


async def test_ten_minutes_without_a_message_end_a_connection(serve, recorded, eventually):
    running = await serve()
    socket, connection_id = await connect(running)
    running.gateway.clock.advance(IDLE_TIMEOUT - 1)
    assert (await running.call("GET", connection_id))[0] == 200
    running.gateway.clock.advance(2)
    assert (await running.call("POST", connection_id, b"x"))[0] == 410
    assert await closed(socket) == 1001
    (event,) = await eventually(lambda: recorded("DISCONNECT"))
    context = event["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1001, "Going away")


async def test_a_message_in_either_direction_keeps_a_connection(serve):
    running = await serve()
    socket, connection_id = await connect(running)
    for _ in range(2):
        running.gateway.clock.advance(IDLE_TIMEOUT - 1)
        assert (await running.call("POST", connection_id, b"still there"))[0] == 200
        assert await socket.receive_str(timeout=60) == "still there"
        running.gateway.clock.advance(IDLE_TIMEOUT - 1)
        await socket.send_str("yes")
        await socket.receive_str(timeout=60)


async def test_after_two_hours_a_connection_ends_however_busy(serve):
    running = await serve()
    socket, connection_id = await connect(running)
    passed = 0
    while passed + 500 < CONNECTION_LIFE:
        running.gateway.clock.advance(500)
        passed += 500
        assert (await running.call("POST", connection_id, b"x"))[0] == 200
        await socket.receive_str(timeout=60)
    running.gateway.clock.advance(CONNECTION_LIFE - passed)
    assert await closed(socket) == 1001


async def test_a_fast_clock_ends_connections_by_itself(serve):
    running = await serve(speed=6000)
    socket, _ = await connect(running)
    assert await asyncio.wait_for(closed(socket), 5) == 1001


def test_a_clock_runs_as_many_times_as_fast():
    real = 100.0
    clock = Clock(600, lambda: real)
    real += 12
    assert clock.now() == 7200
    assert clock.real_seconds_until(7800) == 1


def test_a_bucket_gives_its_burst_and_then_its_rate():
    now = 0.0
    bucket = TokenBucket(10, 5, lambda: now)
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]
    now = 0.3
    assert [bucket.take() for _ in range(4)] == [True] * 3 + [False]
    now = 1000.0
    assert sum(bucket.take() for _ in range(10)) == 5


def test_a_stage_throttles_the_routes_that_it_names_and_the_rest_by_default():
    throttle = StageThrottle({StageThrottle.ALL: (0, 0), "chat": (1000, 2)})
    assert [throttle.admits("chat"), throttle.admits("chat"), throttle.admits("$connect")] == [True, True, False]
    assert StageThrottle({}).admits("chat")
