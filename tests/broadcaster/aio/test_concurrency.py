"""Broadcasts at once do not wait for each other, and nothing waits for the registry but who needs it."""

import asyncio
import errno
import json
import os
import socket
import threading

import pytest

from broadcaster import ClosedError, MemoryRegistry, RegistryError, UnavailableError


async def test_a_slow_client_of_one_broadcast_delays_no_other(make, one_sent_one_hung, server):
    caster = make(concurrency=1, timeout=60.0, deadline=60.0)
    hung = await one_sent_one_hung(caster)
    server.script = lambda connection_id, attempt: "200"
    for _ in range(20):
        assert (await caster.broadcast("admin", "event", {})).sent == 2
    assert not hung.done()
    hung.cancel()
    await asyncio.wait([hung])


async def test_a_slow_registry_of_one_broadcast_delays_no_other(make, slow_registry, until):
    registry = slow_registry(["connection-a="], ["connection-b="], ["connection-c="])
    caster = make(registry=registry)
    slow = asyncio.create_task(caster.broadcast("slow", "event", {}))
    await until(registry.waiting.is_set)
    await caster.register_connection("connection-d=")
    for _ in range(20):
        assert (await caster.broadcast("admin", "event", {})) == {"sent": 1, "failed": 0, "stale": 0}
    assert not slow.done()
    registry.go_on.set()
    assert (await slow) == {"sent": 3, "failed": 0, "stale": 0}


@pytest.mark.parametrize(("rate", "answer_after"), [(float("inf"), 0.1), (100.0, 0.0)])
async def test_a_broadcast_to_one_does_not_wait_for_one_to_many(make, server, until, rate, answer_after):
    """The one to many takes seconds, so that it is not over first, however busy the machine is."""
    caster = make(rate=rate, concurrency=16)
    server.answer_after = answer_after
    for number in range(400):
        await caster.register_connection(f"connection-id{number}=", channels=["many"])
    many = asyncio.create_task(caster.broadcast("many", "event", {}))
    await until(lambda: len(server.requests) >= 10)
    assert (await caster.send_to_connection("connection-a=", "admin", "event", {})).sent == 1
    assert not many.done()
    many.cancel()
    await asyncio.wait([many])


async def test_many_at_once_each_reach_everybody_once(make, server):
    caster = make()
    for number in range(15):
        await caster.register_connection(f"connection-id{number}=")
    results = await asyncio.gather(*(caster.broadcast("admin", "event", number) for number in range(60)))
    assert results == [{"sent": 15, "failed": 0, "stale": 0}] * 60
    for bodies in server.bodies.values():
        assert sorted(json.loads(body)["data"] for body in bodies) == list(range(60))


async def test_what_one_caller_sends_in_turn_arrives_in_turn(make, server):
    caster = make()
    for number in range(10):
        await caster.register_connection(f"connection-id{number}=")
    for number in range(20):
        await caster.broadcast("admin", "event", number)
    for bodies in server.bodies.values():
        assert [json.loads(body)["data"] for body in bodies] == list(range(20))


async def test_a_registry_that_fails_in_the_middle_is_an_error_with_the_result(make, slow_registry):
    registry = slow_registry(["connection-a="], RegistryError("the registry is away"))
    registry.go_on.set()
    with pytest.raises(RegistryError, match="is away") as caught:
        await make(registry=registry).broadcast("slow", "event", {})
    assert caught.value.result == {"sent": 1, "failed": 0, "stale": 0}


async def test_a_registry_that_fails_at_once_is_an_error_and_nothing_is_sent(make, slow_registry, server):
    registry = slow_registry(RegistryError("the registry is away"))
    with pytest.raises(RegistryError, match="is away") as caught:
        await make(registry=registry).broadcast("slow", "event", {})
    assert caught.value.result is None
    assert server.requests == []


async def test_after_the_deadline_those_on_pages_that_come_late_count_as_failed(make, slow_registry, server, until):
    registry = slow_registry(["connection-a="], ["connection-b=", "connection-c="], ["connection-d="])
    task = asyncio.create_task(make(registry=registry, deadline=0.3).broadcast("slow", "event", {}))
    await until(lambda: registry.waiting.is_set() and server.requests)
    await asyncio.sleep(1.0)  # the deadline counts from the first answer, which a busy machine reads late
    registry.go_on.set()
    result = await task
    assert result == {"sent": 1, "failed": 3, "stale": 0}
    assert {failure.reason for failure in result.failures} == {"not answered by the broadcast's deadline"}


async def test_the_event_loop_goes_on_while_the_registry_blocks(make):
    class Blocking(MemoryRegistry):
        def add(self, connection_id, channels=None, *, lifetime=1.0):
            assert released.wait(30)

    released = threading.Event()
    registering = asyncio.create_task(make(registry=Blocking()).register_connection("connection-a="))
    await asyncio.sleep(0.05)
    assert not registering.done()
    released.set()
    await registering


async def test_a_dozen_slow_registries_do_not_make_the_next_broadcast_wait(make, slow_registry, until):
    registry = slow_registry(["L0SM9cOFvHcCIhw="], ["L0SM9cOFvHcCIhx="])
    caster = make(registry=registry)
    slow = [asyncio.create_task(caster.broadcast("slow", "event", {})) for _ in range(12)]
    await until(registry.waiting.is_set)
    await caster.register_connection("L0SM9cOFvHcCIhy=")
    assert (await caster.broadcast("admin", "event", {})).sent == 1
    assert not any(task.done() for task in slow)
    registry.go_on.set()
    assert [result.sent for result in await asyncio.gather(*slow)] == [2] * 12


async def test_whatever_a_registry_raises_reaches_the_caller(make):
    class Abort(BaseException):  # as a timeout of gevent's, or what pytest.fail raises
        pass

    class Aborting(MemoryRegistry):
        def pages(self, channel):
            raise Abort

    with pytest.raises(Abort):
        await make(registry=Aborting()).broadcast("admin", "event", {})


async def test_what_no_thread_was_left_for_is_not_sent_later(make, slow_registry, server, until, monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("can't start new thread")

    registry = slow_registry(None, ["connection-b="])
    caster = make(registry=registry)
    await caster.register_connection("connection-a=")
    slow = asyncio.create_task(caster.broadcast("slow", "event", {}))
    await until(registry.waiting.is_set)
    with monkeypatch.context() as patch:
        for name in ("_start_new_thread", "_start_joinable_thread"):
            patch.setattr(threading, name, refuse, raising=False)
        with pytest.raises(UnavailableError):
            await caster.broadcast("admin", "event", {})
    registry.go_on.set()
    assert (await slow).sent == 1
    await caster.close()  # waits for what the threads have still to do
    assert server.attempts["connection-a="] == 0


async def test_where_no_thread_is_left_for_removals_a_broadcast_goes_on(make, server, monkeypatch):
    caster = make(concurrency=8)
    caster._carrier._here.acquire()  # as if another broadcast had this way
    for number in range(40):
        await caster.register_connection(f"connection-{number}=")
    server.script = lambda connection_id, attempt: "410" if connection_id == "connection-7=" else "200"
    submit = caster._threads.submit

    def refuse_removals(function, *arguments):
        if function == caster._remove_stale:
            raise UnavailableError("no thread is left")
        return submit(function, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(caster._threads, "submit", refuse_removals)
        assert await caster.broadcast("admin", "event", {}) == {"sent": 39, "failed": 0, "stale": 1}
    assert await caster.broadcast("admin", "event", {}) == {"sent": 39, "failed": 0, "stale": 1}
    assert await caster.broadcast("admin", "event", {}) == {"sent": 39, "failed": 0, "stale": 0}


async def test_without_a_file_descriptor_the_error_is_ours(make, monkeypatch):
    caster = make()
    for number in range(40):
        await caster.register_connection(f"connection-{number}=")
    caster._carrier._here.acquire()

    def none_left():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socketpair", none_left)
        for ask in (lambda: caster.broadcast("admin", "event", {}), lambda: caster.get_connection("connection-1=")):
            with pytest.raises(UnavailableError, match="ulimit -n"):
                await ask()
    assert (await caster.broadcast("admin", "event", {})).sent == 40


async def test_a_broadcast_to_nobody_in_memory_needs_no_thread(make, server):
    caster = make()
    assert caster._registry.few("admin", 1) is None  # the first use looks for other processes
    await caster.register_connection("connection-a=", channels=["logs"])
    await asyncio.to_thread(caster._threads.close)
    assert await caster.broadcast("admin", "event", {}) == {"sent": 0, "failed": 0, "stale": 0}
    with pytest.raises(ClosedError):
        await caster.broadcast("logs", "event", {})
    assert server.requests == []


async def test_broadcasts_to_nobody_let_others_have_their_turn_and_can_be_cancelled(make):
    caster, turns = make(), 0
    await caster.broadcast("admin", "event", {})  # the first use looks for other processes

    async def broadcast_on_and_on():
        nonlocal turns
        for turns in range(1, 1_001):  # noqa: B007
            await caster.broadcast("admin", "event", {})

    task = asyncio.create_task(broadcast_on_and_on())
    await asyncio.sleep(0)
    assert turns == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert caught.value.result == {"sent": 0, "failed": 0, "stale": 0}
