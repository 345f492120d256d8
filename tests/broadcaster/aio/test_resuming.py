"""Whoever waits for a broadcast goes on in the callback that knows of its end, whatever else goes on in the loop."""

import asyncio
import contextvars
import time
import traceback

import pytest
import uvloop

from broadcaster import MemoryRegistry
from broadcaster.sending.background.resuming import resume

VARIABLE = contextvars.ContextVar("VARIABLE", default="of nobody")
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def run(request):
    """Run a coroutine in a new loop of each kind."""

    def run_one(coroutine):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(coroutine)

    return run_one


async def wait_for(over, said, name="waiter"):
    """Wait, and say so."""
    VARIABLE.set(name)
    await over
    said.append((name, VARIABLE.get(), asyncio.current_task().get_name()))


def begin(over, said, name="waiter"):
    """Return a task of this name that waits."""
    return asyncio.create_task(wait_for(over, said, name), name=name)


async def in_callback(call):
    """Call in a callback of the loop, and return when it has returned."""
    over = asyncio.get_running_loop().create_future()

    def do():
        call()
        over.set_result(None)

    asyncio.get_running_loop().call_soon(do)
    await over


def test_who_waits_goes_on_before_anything_else_as_the_task_that_it_is(run):
    async def main():
        loop, said = asyncio.get_running_loop(), []
        over = loop.create_future()
        task = begin(over, said)
        await asyncio.sleep(0)

        def end():
            loop.call_soon(said.append, "another callback")
            resume(over)
            said.append("the callback's end")

        await in_callback(end)
        await task
        assert said == [("waiter", "waiter", "waiter"), "the callback's end", "another callback"]
        assert VARIABLE.get() == "of nobody"

    run(main())


def test_what_is_done_or_cancelled_is_left_alone(run):
    async def main():
        said = []
        done, cancelled = (asyncio.get_running_loop().create_future() for _ in range(2))
        tasks = [begin(done, said, "done"), begin(cancelled, said, "cancelled")]
        await asyncio.sleep(0)

        def end():
            done.set_result(None)
            tasks[1].cancel()
            resume(done)
            resume(cancelled)
            said.append("the callback's end")

        await in_callback(end)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert said == ["the callback's end", ("done", "done", "done")]
        assert isinstance(results[1], asyncio.CancelledError)

    run(main())


@pytest.mark.parametrize("waiters", [0, 2])
def test_several_who_wait_for_one_go_on_as_always_and_nobody_may_come_later(run, waiters):
    async def main():
        said = []
        over = asyncio.get_running_loop().create_future()
        names = [f"waiter {number}" for number in range(waiters)]
        tasks = [begin(over, said, name) for name in names]
        await asyncio.sleep(0)
        await in_callback(lambda: (resume(over), said.append("the callback's end")))
        await asyncio.gather(*tasks)
        assert said == ["the callback's end", *((name,) * 3 for name in names)]
        await over

    run(main())


class Opaque(asyncio.Future):
    """A future of a loop that does not show who waits for it."""

    @property
    def _callbacks(self):
        raise AttributeError("_callbacks")


def test_who_waits_for_a_future_of_another_kind_goes_on_as_always(run):
    async def main():
        said = []
        over = Opaque()
        task = begin(over, said)
        await asyncio.sleep(0)
        await in_callback(lambda: (resume(over), said.append("the callback's end")))
        await task
        assert said == ["the callback's end", ("waiter",) * 3]

    run(main())


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_what_the_task_does_next_ends_the_loop(kind):
    async def interrupted(over):
        await over
        raise kind

    loop = asyncio.new_event_loop()
    over = loop.create_future()
    task = loop.create_task(interrupted(over))
    loop.call_soon(loop.call_soon, resume, over)
    with pytest.raises(kind):
        loop.run_forever()
    assert isinstance(task.exception(), kind)
    loop.close()


def test_an_error_is_the_tasks_own(run):
    async def failing(over):
        await over
        raise ValueError("of the application")

    async def main():
        over = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(failing(over))
        await asyncio.sleep(0)
        await in_callback(lambda: resume(over))
        with pytest.raises(ValueError, match="of the application"):
            await task

    run(main())


def callbacks():
    """Return the names of the functions that called this."""
    return {frame.name for frame in traceback.extract_stack()}


async def test_one_to_a_few_goes_on_where_its_answer_was_read(make):
    caster = make()
    await caster.register_connection("connection-id=")
    await caster.broadcast("admin", "event", {})
    for _ in range(3):
        await caster.broadcast("admin", "event", {})
        assert "_go_on" in callbacks()
        await caster.send_to_connection("connection-id=", "admin", "event", {})
        assert "_go_on" in callbacks()


async def test_one_whose_listeners_another_thread_reads_goes_on_where_it_is_told_so(make, server):
    class OwnRegistry(MemoryRegistry):
        pass

    caster = make(registry=OwnRegistry())
    await caster.register_connection("connection-id=")
    for _ in range(3):
        await caster.broadcast("admin", "event", {})
        assert "resume" in callbacks()


async def test_several_that_are_over_at_once_all_go_on(make, server):
    caster = make()
    ids = [f"connection-id{number}=" for number in range(4)]
    for connection_id in ids:
        await caster.register_connection(connection_id)
    for _ in range(2):
        await caster.broadcast("admin", "event", {})  # opens links
    before = len(server.requests)
    tasks = [asyncio.create_task(caster.send_to_connection(each, "admin", "event", {})) for each in ids]
    await asyncio.sleep(0)
    while len(server.requests) < before + 4:  # the loop is held up: all answers but the last are there by then
        time.sleep(0.001)  # noqa: ASYNC251
    assert [result.sent for result in await asyncio.gather(*tasks)] == [1] * 4


async def test_closing_at_once_afterwards_ends(make):
    caster = make()
    await caster.register_connection("connection-id=")
    await caster.broadcast("admin", "event", {})
    await caster.broadcast("admin", "event", {})
    assert "_go_on" in callbacks()
    caster._loops.close()  # from the callback itself: nobody may be waited for
    await caster.close()


async def test_other_tasks_have_their_turn_between_the_broadcasts_of_one(make):
    caster = make()
    await caster.register_connection("connection-id=")
    await caster.broadcast("admin", "event", {})
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    for _ in range(20):
        before = turns
        await caster.broadcast("admin", "event", {})
        assert turns > before
    other.cancel()


async def test_a_caller_that_is_thrown_away_is_not_gone_on_with(make, server, until):
    caster = make()
    await caster.register_connection("connection-id=")
    await caster.broadcast("admin", "event", {})
    server.script = lambda connection_id, attempt: "hang"
    before = len(server.requests)
    task = asyncio.create_task(caster.broadcast("admin", "event", {}))
    await until(lambda: len(server.requests) > before)
    task.get_coro().close()
    assert not task.done()  # it is told so by the loop, as when any other coroutine is closed
    with pytest.raises(RuntimeError, match="reuse"):
        await task
    server.script = lambda connection_id, attempt: "200"
    assert (await caster.broadcast("admin", "event", {})).sent == 1
