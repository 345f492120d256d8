"""The tests' own server counts exactly and leaves no socket to the collector, which would blame another test."""

import asyncio
import gc
import socket
import warnings

import pytest

from tests.broadcaster.conftest import HostileServer


async def connect_and_stop(server, turns):
    with socket.create_connection(("127.0.0.1", server.port)):
        for _ in range(turns):  # of the loop, until it has accepted
            await asyncio.sleep(0)
        await server._stop()


@pytest.mark.parametrize("turns", range(6))
def test_what_was_accepted_just_before_the_end_is_closed(turns):
    server = HostileServer()
    asyncio.run_coroutine_threadsafe(connect_and_stop(server, turns), server._loop).result()
    server._thread.join()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        del server
        gc.collect()
    assert caught == []


def test_connections_that_carry_nothing_are_counted_as_soon_as_they_are_made(start_server):
    server = start_server()
    for number in range(1, 101):
        with socket.create_connection(("127.0.0.1", server.port)):
            assert server.opened == number
