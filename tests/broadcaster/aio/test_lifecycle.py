"""Event loops, threads, processes and the end."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from broadcaster import ClosedError, InvalidArgumentError, MemoryRegistry, RegistryError
from broadcaster.aio import AsyncBroadcaster
from tests.broadcaster.aio.conftest import OwnRegistry, SlowRegistry

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("aws_keys")


def test_one_serves_two_event_loops_in_turn(make, server):
    caster = make()

    async def use():
        await caster.register_connection("connection-a=")
        return await caster.broadcast("admin", "event", {})

    assert asyncio.run(use()) == asyncio.run(use()) == {"sent": 1, "failed": 0, "stale": 0}
    assert server.opened == 1


@pytest.mark.parametrize("wrong", ["3", None, float("nan")])
async def test_a_time_that_is_none_is_refused_and_nothing_is_closed(make, wrong):
    caster = make()
    for method in (caster.flush, caster.close):
        with pytest.raises(InvalidArgumentError, match=f"timeout is {wrong!r}; give a number of seconds"):
            await method(wrong)
    assert await caster.flush(0.0)
    await caster.register_connection("connection-a=")
    assert (await caster.broadcast("logs", "log", 1)).sent == 1


def test_one_serves_two_event_loops_at_once(make, server):
    caster, results = make(), []

    async def use(name):
        await caster.register_connection(f"connection-{name}=", channels=[name])
        for _ in range(20):
            results.append(await caster.broadcast(name, "event", {}))

    threads = [threading.Thread(target=asyncio.run, args=(use(name),)) for name in ("x", "y")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [{"sent": 1, "failed": 0, "stale": 0}] * 40


def test_a_loop_that_ends_in_the_middle_stops_its_broadcast(make, server, until):
    server.script = lambda connection_id, attempt: "hang" if attempt == 1 else "200"
    caster = make(timeout=3600.0, deadline=3600.0)

    async def leave():
        await caster.register_connection("connection-a=")
        task = asyncio.create_task(caster.broadcast("admin", "event", {}))
        await until(lambda: server.requests)
        assert not task.done()

    async def come_back():
        result = await caster.broadcast("admin", "event", {})
        await caster.close()
        return result

    asyncio.run(leave())
    assert asyncio.run(come_back()) == {"sent": 1, "failed": 0, "stale": 0}


def test_a_loop_that_is_thrown_away_in_the_middle_stops_its_broadcast(make, server):
    server.script = lambda connection_id, attempt: "hang" if attempt == 1 else "200"
    caster = make(timeout=3600.0, deadline=3600.0)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(caster.register_connection("connection-a="))
    coroutine = caster.broadcast("admin", "event", {})
    task = loop.create_task(coroutine)
    while not server.requests:
        loop.run_until_complete(asyncio.sleep(0.005))
    task._log_destroy_pending = False  # it would say, rightly, that this is no way to end a loop
    coroutine.close()
    loop.close()
    asyncio.run(caster.close())


async def test_closing_waits_for_what_is_under_way(either, server, until):
    server.answer_after = 0.1
    await either.register_connection("connection-a=")
    task = asyncio.create_task(either.broadcast("admin", "event", {}))
    await until(lambda: server.open_now)
    await either.close()
    assert (await task) == {"sent": 1, "failed": 0, "stale": 0}
    await until(lambda: server.open_now == 0)


async def test_closing_waits_for_what_still_looks_up_who_listens(make, server, until):
    registry = SlowRegistry(None, ["connection-a="])
    caster = make(registry=registry)
    task = asyncio.create_task(caster.broadcast("slow", "event", {}))
    await until(registry.waiting.is_set)
    closing = asyncio.create_task(caster.close())
    await asyncio.sleep(0.05)  # in which whatever would not wait is closed
    registry.go_on.set()
    await closing
    assert (await task) == {"sent": 1, "failed": 0, "stale": 0}


async def test_a_closed_one_says_so(make):
    caster = make()
    await caster.close()
    await caster.close()
    for use in (
        lambda: caster.broadcast("a", "b", {}),
        lambda: caster.register_connection("connection-a="),
        lambda: caster.unregister_connection("connection-a="),
        lambda: caster.authorize_subscription("connection-a=", "b"),
        lambda: caster.send_to_connection("connection-a=", "a", "b", {}),
        lambda: caster.disconnect_connection("connection-a="),
        lambda: caster.get_connection("connection-a="),
    ):
        with pytest.raises(ClosedError, match="AsyncBroadcaster"):
            await use()


async def test_after_the_context_nothing_is_left(server, our_threads, until):
    url = server.endpoint.url
    async with AsyncBroadcaster(endpoint_url=url, region="us-east-1", registry=OwnRegistry()) as caster:
        await caster.register_connection("connection-a=")
        await caster.broadcast("admin", "event", {})
        assert our_threads() == {"broadcaster-worker", "broadcaster-registry"}
    await until(lambda: not our_threads() and server.open_now == 0)
    async with AsyncBroadcaster(endpoint_url=url, region="us-east-1") as caster:
        await caster.register_connection("connection-a=")
        await caster.broadcast("admin", "event", {})
        assert our_threads() == {"broadcaster-registry"}
    await until(lambda: not our_threads() and server.open_now == 0)


async def test_a_registry_that_was_passed_in_is_not_closed():
    class Registry(MemoryRegistry):
        is_closed = False

        def close(self):
            self.is_closed = True

    registry = Registry()
    async with AsyncBroadcaster("abc123xyz", region="us-east-1", registry=registry):
        pass
    assert not registry.is_closed


async def test_an_error_in_closing_reaches_whoever_closes():
    caster = AsyncBroadcaster("abc123xyz", region="us-east-1")

    def fail():
        raise RegistryError("cannot be closed")

    caster._registry.close = fail
    for _ in range(2):
        with pytest.raises(RegistryError, match="cannot be closed"):
            await caster.close()


async def test_the_worker_ends_when_it_is_idle_and_starts_again(make, server, our_threads, until):
    caster = make(registry=OwnRegistry())
    caster._carrier._worker._idle_seconds = 0.05
    await caster.register_connection("connection-a=")
    for _ in range(2):
        assert (await caster.broadcast("admin", "event", {})).sent == 1
        await until(lambda: "broadcaster-worker" not in our_threads())
    assert server.opened == 2


@pytest.mark.parametrize("registry", [MemoryRegistry, OwnRegistry])
async def test_one_that_is_dropped_without_closing_leaves_nothing(server, our_threads, until, registry):
    caster = AsyncBroadcaster(endpoint_url=server.endpoint.url, region="us-east-1", registry=registry())
    caster._carrier._worker._idle_seconds = caster._sender._kept._idle_seconds = caster._threads._idle_seconds = 0.05
    await caster.register_connection("connection-a=")
    await caster.broadcast("admin", "event", {})
    del caster
    await until(lambda: gc.collect() is not None and not our_threads() and server.open_now == 0)


async def test_a_worker_that_breaks_fails_what_it_had_and_the_next_call_starts_another(make, server):
    caster = make(registry=OwnRegistry())
    await caster.register_connection("connection-a=")
    engine_reactor = caster._carrier._worker._make_reactor

    def break_down():
        raise OSError(24, "Too many open files")

    caster._carrier._worker._make_reactor = break_down
    with pytest.raises(OSError, match="Too many open files"):
        await caster.broadcast("admin", "event", {})
    caster._carrier._worker._make_reactor = engine_reactor
    assert (await caster.broadcast("admin", "event", {})).sent == 1


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files where Linux lists them")
async def test_nothing_leaks_over_many_broadcasts(make, server):
    caster = make()
    server.script = lambda connection_id, attempt: "410" if connection_id.startswith("connection-gone") else "200"
    for number in range(5):
        await caster.register_connection(f"connection-id{number}=")

    async def use(times):
        for number in range(times):
            await caster.register_connection(f"connection-gone{number}=")
            results = await asyncio.gather(*(caster.broadcast("admin", "event", {}) for _ in range(3)))
            assert all(result.sent == 5 for result in results)
        gc.collect()

    def held():
        modules = [str(type(thing).__module__).partition(".")[0] for thing in gc.get_objects()]
        ours = sum(module in ("broadcaster", "concurrent") for module in modules)
        return ours, len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    await use(30)
    before = held()
    await use(200)
    # Links, which come and go, and the threads for the registry are all that differs.
    assert all(after - less <= 50 for after, less in zip(held(), before, strict=True))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_a_forked_child_starts_a_worker_of_its_own(make, server, sender):
    caster = make(sender=sender)

    async def use(name):
        await caster.register_connection(f"connection-{name}=", channels=[name])
        return (await caster.broadcast(name, "event", {})).sent

    async def use_and_close(name):
        sent = await use(name)
        await caster.close()
        return sent

    assert asyncio.run(use("a")) == 1
    server.script = lambda connection_id, attempt: "hang" if (connection_id, attempt) == ("connection-b=", 1) else "200"
    under_way = threading.Thread(target=asyncio.run, args=(use("b"),))  # until it is answered or has timed out
    under_way.start()
    while not server.attempts["connection-b="]:
        time.sleep(0.005)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if asyncio.run(use_and_close("c")) == 1 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    under_way.join()
    assert asyncio.run(use("a")) == 1
    assert server.attempts == {"connection-a=": 2, "connection-b=": 2, "connection-c=": 1}


PROGRAM = """
import asyncio, os, sys, threading
from broadcaster.aio import AsyncBroadcaster

async def main():
    caster = AsyncBroadcaster(endpoint_url=sys.argv[1], region="us-east-1", timeout=60, deadline=60)
    await caster.register_connection("connection-a=")
    print("sending", flush=True)
    print(await caster.broadcast("admin", "event", {}), flush=True)

"""
IN_ITS_LAST_THREAD = "threading.Thread(target=asyncio.run, args=(main(),)).start(); input()"
IN_A_THREAD = "threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start(); input()"


@pytest.fixture
def start_program(server):
    started = []

    def start(run="asyncio.run(main())"):
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM + run, server.endpoint.url],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_program_that_never_closes_ends_cleanly(start_program):
    out, errors = start_program().communicate(timeout=60)
    assert (out, errors) == ("sending\n{'sent': 1, 'failed': 0, 'stale': 0}\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_ends_a_broadcast_at_once(start_program, server):
    server.script = lambda connection_id, attempt: "hang"
    process = start_program()
    while not server.requests:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert out == "sending\n"
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "event on admin was stopped; by then: {'sent': 0, 'failed': 1, 'stale': 0}" in errors


def test_a_program_ends_although_a_thread_of_its_own_waits_for_a_broadcast(start_program, server):
    server.script = lambda connection_id, attempt: "hang"
    process = start_program(IN_A_THREAD)
    while not server.requests:
        assert process.poll() is None
        time.sleep(0.01)
    out, errors = process.communicate("\n", timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors
    # The interpreter may end between the line and its end.
    assert out.removeprefix("sending\n").rstrip("\n") in ("", "{'sent': 0, 'failed': 1, 'stale': 0}")


def test_a_broadcast_of_the_last_thread_that_a_program_waits_for_goes_on_to_its_end(start_program, server):
    server.answer_after = 1.0  # by when the main thread has ended, which nobody outside can see
    process = start_program(IN_ITS_LAST_THREAD)
    while not server.requests:
        assert process.poll() is None
        time.sleep(0.01)
    out, errors = process.communicate("\n", timeout=30)
    assert out == "sending\n{'sent': 1, 'failed': 0, 'stale': 0}\n"
    assert errors == ""


def test_importing_the_synchronous_face_does_not_import_asyncio():
    code = "import sys, broadcaster; print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
