"""Broadcasts to a few go out in the event loop's own thread, over links that are open already; nothing holds it up."""

import asyncio
import gc
import os
import threading
import time
import weakref

import pytest

from broadcaster import Broadcaster, ClosedError, ConfigurationError, MemoryRegistry
from broadcaster.aio import AsyncBroadcaster
from broadcaster.sending.background.event_loops import _Watched

MISDEEDS = [
    *("200", "204", "400", "403", "410", "413", "429", "500", "503"),
    *("close", "reset", "close-in-head", "close-in-body", "close-in-chunk", "garbage", "huge"),
    *("until-close", "close-announced", "close-unannounced", "slowly", "chunked", "interim", "large-headers"),
]
IDS = [f"connection-id{number}=" for number in range(5)]


@pytest.fixture
def warm(make, server):
    """Make a broadcaster that has links, and from now on no threads: `await warm(*connection_ids, **settings)`."""

    async def make_one(*connection_ids, with_threads=False, **settings):
        caster = make(**settings)
        for connection_id in connection_ids:
            await caster.register_connection(connection_id)
        before, script = dict(server.attempts), server.script
        server.script = lambda connection_id, attempt: "200"
        assert (await caster.broadcast("admin", "event", {})).sent == len(connection_ids)
        server.script = script
        server.attempts.clear()
        server.attempts.update(before)
        if not with_threads:
            await asyncio.to_thread(caster._threads.close)
        return caster

    return make_one


async def test_one_to_a_few_needs_no_other_thread(warm, server):
    caster = await warm(*IDS)
    opened = server.opened
    for _ in range(20):
        assert await caster.broadcast("admin", "event", {}) == {"sent": 5, "failed": 0, "stale": 0}
    assert await caster.send_to_connection(IDS[0], "admin", "event", {}) == {"sent": 1, "failed": 0, "stale": 0}
    assert server.opened == opened


async def test_with_less_concurrency_than_listeners_none_is_needed_either(warm):
    caster = await warm(*IDS, concurrency=2)
    assert await caster.broadcast("admin", "event", {}) == {"sent": 5, "failed": 0, "stale": 0}


async def test_one_to_more_than_a_few_goes_another_way(warm, make):
    caster = await warm(*(f"connection-id{number}=" for number in range(17)))
    with pytest.raises(ClosedError):
        await caster.broadcast("admin", "event", {})


@pytest.mark.parametrize("first", MISDEEDS)
async def test_what_becomes_of_a_message_is_the_same_as_elsewhere(warm, server, first):
    def misbehave(connection_id, attempt):
        return first if connection_id == IDS[2] and attempt == 1 else "200"

    server.script = misbehave
    caster = await warm(*IDS, with_threads=True)
    result = await caster.broadcast("admin", "event", {})
    in_loop = dict(server.attempts)
    server.attempts.clear()
    with Broadcaster(endpoint_url=server.endpoint.url, region="us-east-1", registry=MemoryRegistry()) as other:
        server.script = lambda connection_id, attempt: "200"
        for connection_id in IDS:
            other.register_connection(connection_id)
        await asyncio.to_thread(other.broadcast, "admin", "event", {})
        server.attempts.clear()
        server.script = misbehave
        assert result == await asyncio.to_thread(other.broadcast, "admin", "event", {})
    assert in_loop == server.attempts
    assert caster._registry.count() == other._registry.count()


async def test_one_whom_nobody_answers_times_out(warm, server):
    server.script = lambda connection_id, attempt: "hang" if connection_id == IDS[0] else "200"
    caster = await warm(*IDS, timeout=1.0, deadline=20.0, attempts=1)
    result = await caster.broadcast("admin", "event", {})
    assert result == {"sent": 4, "failed": 1, "stale": 0}
    assert "no answer within 1 s" in result.failures[0].reason


@pytest.mark.usefixtures("no_slow_links")
async def test_a_link_that_was_lost_is_replaced(warm, server):
    server.script = lambda connection_id, attempt: "close-in-head" if connection_id == IDS[0] else "200"
    caster = await warm(*IDS, attempts=1, with_threads=True)
    opened = server.opened
    for lost in (0, 1, 2):
        assert await caster.broadcast("admin", "event", {}) == {"sent": 4, "failed": 1, "stale": 0}
        assert server.opened == opened + lost


@pytest.mark.usefixtures("no_slow_links")
async def test_each_of_a_few_gets_a_link_of_its_own(make, server):
    server.answer_after = 0.05
    caster = make()
    for count, connection_id in enumerate(IDS, 1):
        await caster.register_connection(connection_id)
        for _ in range(2):
            assert (await caster.broadcast("admin", "event", {})).sent == count
        assert server.opened == count


def stand_still(server, posts):
    """Hold up the event loop until the server has dealt with so many posts."""
    while sum(server.attempts.values()) < posts or server.at_once:
        time.sleep(0.005)
    time.sleep(0.05)


async def test_one_whose_answer_lies_there_is_not_touched_by_the_deadline_of_another(warm, server, until):
    server.script = lambda connection_id, attempt: "hang" if connection_id == IDS[0] else "200"
    caster = await warm(*IDS[:2], timeout=60.0, deadline=0.2)
    hung = asyncio.create_task(caster.send_to_connection(IDS[0], "admin", "event", {}))
    await until(lambda: server.attempts[IDS[0]])
    server.answer_after = 0.2
    answered = asyncio.create_task(caster.send_to_connection(IDS[1], "admin", "event", {}))
    await asyncio.sleep(0)
    stand_still(server, 2)
    assert (await answered) == {"sent": 1, "failed": 0, "stale": 0}
    assert (await hung).failures[0].reason == "not answered by the broadcast's deadline"


async def test_answers_that_lie_there_count_when_the_caller_is_cancelled(warm, server):
    caster = await warm(*IDS, *(f"connection-id{number}=" for number in range(5, 16)))
    task = asyncio.create_task(caster.broadcast("admin", "event", {}))
    await asyncio.sleep(0)
    stand_still(server, 8)
    posts = len(server.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    result = caught.value.result
    assert result.sent >= 8
    assert result.sent + result.failed == 16
    assert len(server.requests) == posts


async def test_the_loop_goes_on_meanwhile_and_others_can_send(warm, server, until):
    server.script = lambda connection_id, attempt: "hang" if attempt == 1 else "200"
    caster = await warm(IDS[0], timeout=60.0, deadline=60.0, with_threads=True)
    hung = asyncio.create_task(caster.broadcast("admin", "event", {}))
    await until(lambda: server.attempts[IDS[0]])
    for _ in range(5):
        assert (await caster.broadcast("admin", "event", {})).sent == 1
    hung.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await hung
    assert caught.value.result == {"sent": 0, "failed": 1, "stale": 0}
    assert caught.value.result.failures[0].reason == "the broadcast was stopped"
    assert (await caster.broadcast("admin", "event", {})).sent == 1


async def test_several_that_are_over_at_once_all_go_on(warm, server):
    caster = await warm(*IDS)
    before = len(server.requests)
    tasks = [asyncio.create_task(caster.send_to_connection(each, "admin", "event", {})) for each in IDS]
    await asyncio.sleep(0)
    while len(server.requests) < before + len(IDS):  # the loop is held up: all answers but the last are there by then
        time.sleep(0.001)  # noqa: ASYNC251
    assert [result.sent for result in await asyncio.gather(*tasks)] == [1] * len(IDS)


async def test_who_broadcasts_on_and_on_leaves_others_their_share_of_this_way(warm, monkeypatch):
    caster = await warm(IDS[0], with_threads=True)
    went_here = dict.fromkeys("ab", 0)
    carry = caster._loops.carry

    async def count(*args):
        is_here = await carry(*args)
        went_here[asyncio.current_task().get_name()] += is_here
        return is_here

    async def broadcast_often():
        for _ in range(200):
            await caster.broadcast("admin", "event", {})

    monkeypatch.setattr(caster._loops, "carry", count)
    await asyncio.gather(*(asyncio.create_task(broadcast_often(), name=name) for name in went_here))
    assert max(went_here.values()) < 200, went_here


async def test_a_caller_that_is_thrown_away_is_told_by_the_loop_alone(warm, server, until):
    caster = await warm(IDS[0])
    server.script = lambda connection_id, attempt: "hang"
    before = len(server.requests)
    task = asyncio.create_task(caster.broadcast("admin", "event", {}))
    await until(lambda: len(server.requests) > before)
    task.get_coro().close()
    assert not task.done()
    with pytest.raises(RuntimeError, match="reuse"):  # as of any other coroutine that somebody closes
        await task


async def test_the_pace_holds(warm):
    caster = await warm(*IDS, rate=20.0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(8):
        assert (await caster.broadcast("admin", "event", {})).sent == 5
    assert loop.time() - began >= 0.9  # 45 posts with those before, of which 20 at once


async def test_who_is_gone_leaves_the_registry(warm, server):
    server.script = lambda connection_id, attempt: "410" if connection_id == IDS[0] else "200"
    caster = await warm(*IDS, with_threads=True)
    assert await caster.broadcast("admin", "event", {}) == {"sent": 4, "failed": 0, "stale": 1}
    assert caster._registry.count() == 4


async def test_keys_that_are_replaced_are_honoured(warm, server, monkeypatch):
    caster = await warm(*IDS, with_threads=True)
    for key in ("AKIDANOTHER", "AKIDTHIRD"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        for _ in range(2):
            assert (await caster.broadcast("admin", "event", {})).sent == 5
            assert all(key in headers["Authorization"] for _, _, headers, _ in server.requests[-5:])


async def test_keys_that_vanish_at_the_last_moment_are_the_fault_of_one_alone(warm, server, until, monkeypatch, caplog):
    server.script = lambda connection_id, attempt: "hang" if attempt == 1 else "200"
    caster = await warm(*IDS[:2], timeout=60.0, deadline=60.0)
    hung = asyncio.create_task(caster.send_to_connection(IDS[0], "admin", "event", {}))
    await until(lambda: server.attempts[IDS[0]])
    take = caster._loops._take

    def take_and_lose_keys(*arguments):
        watched = take(*arguments)
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        return watched

    monkeypatch.setattr(caster._loops, "_take", take_and_lose_keys)
    with pytest.raises(ConfigurationError):
        await caster.send_to_connection(IDS[1], "admin", "event", {})
    assert not hung.done()
    hung.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hung
    gc.collect()
    assert "never retrieved" not in caplog.text


def test_an_interrupt_is_raised_once_and_stops_what_is_under_way(make, server):
    server.script = lambda connection_id, attempt: "hang" if attempt > 2 else "200"
    caster = make(timeout=3600.0, deadline=3600.0)

    async def use():
        await caster.register_connection(IDS[0])
        for _ in range(2):
            await caster.broadcast("admin", "event", {})

    def interrupt(wait):
        raise KeyboardInterrupt

    loop = asyncio.new_event_loop()
    loop.run_until_complete(use())
    task = loop.create_task(caster.broadcast("admin", "event", {}))
    while server.attempts[IDS[0]] < 3:
        loop.run_until_complete(asyncio.sleep(0.005))
    reactor = caster._loops._watched[loop]()._reactor
    reactor._serve = interrupt
    reactor.wake()
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()


def test_a_loop_takes_the_links_of_one_that_was_closed(make, server):
    caster = make()

    async def use():
        for connection_id in IDS:
            await caster.register_connection(connection_id)
        for _ in range(3):
            assert (await caster.broadcast("admin", "event", {})).sent == 5

    asyncio.run(use())
    opened = server.opened
    for _ in range(3):
        asyncio.run(use())
    assert server.opened == opened


@pytest.mark.filterwarnings("ignore:unclosed event loop:ResourceWarning")
@pytest.mark.parametrize("is_closed", [True, False])
def test_a_loop_that_is_thrown_away_leaves_its_links_to_the_next(make, server, is_closed):
    caster = make()

    async def use():
        await caster.register_connection(IDS[0])
        for _ in range(3):
            assert (await caster.broadcast("admin", "event", {})).sent == 1

    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(use())
        if is_closed:
            loop.close()
        is_there = weakref.ref(loop)
        del loop
        ends = time.monotonic() + 10
        while is_there() and time.monotonic() < ends:  # a thread that has just called it holds it for a moment
            gc.collect()
            time.sleep(0.01)
        assert not is_there()
    assert server.opened == 1


@pytest.fixture
def hung(make, server):
    """A loop with a broadcast under way that nobody answers, its coroutine, the loop's reactor, and who broadcasts."""
    server.script = lambda connection_id, attempt: "hang" if attempt == 3 else "200"
    caster = make(timeout=3600.0, deadline=3600.0)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(caster.register_connection(IDS[0]))
    for _ in range(2):
        loop.run_until_complete(caster.broadcast("admin", "event", {}))
    coroutine = caster.broadcast("admin", "event", {})
    task = loop.create_task(coroutine)
    while server.attempts[IDS[0]] < 3:
        loop.run_until_complete(asyncio.sleep(0.005))
    task._log_destroy_pending = False  # it would say, rightly, that this is no way to end a loop
    return [loop, coroutine, caster._loops._watched[loop]()._reactor, caster]


@pytest.mark.filterwarnings("ignore:unclosed event loop:ResourceWarning")
def test_a_loop_that_is_thrown_away_with_a_broadcast_under_way_leaves_nothing_open(hung):
    loop, coroutine, reactor, _ = hung
    hung.clear()
    del loop, coroutine
    gc.collect()
    with pytest.raises(ValueError, match="closed"):
        reactor.fileno()


def test_a_loop_that_is_closed_with_a_broadcast_under_way_leaves_nothing_open(hung):
    loop, coroutine, reactor, caster = hung
    loop.close()
    coroutine.close()
    assert asyncio.run(caster.broadcast("admin", "event", {})).sent == 1
    with pytest.raises(ValueError, match="closed"):
        reactor.fileno()


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_loop_that_stands_still_does_not_hold_up_closing(make, server, is_closed):
    caster = make()

    async def use():
        await caster.register_connection(IDS[0])
        for _ in range(2):
            await caster.broadcast("admin", "event", {})

    loop = asyncio.new_event_loop()
    loop.run_until_complete(use())
    if is_closed:
        loop.close()
    asyncio.run(caster.close())
    if not is_closed:
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    while server.open_now:
        time.sleep(0.005)


async def test_closing_waits_for_what_is_under_way_here(warm, server, until):
    server.answer_after = 0.1
    caster = await warm(*IDS)
    task = asyncio.create_task(caster.broadcast("admin", "event", {}))
    await until(lambda: server.at_once)
    await caster.close()
    assert task.done()
    assert (await task) == {"sent": 5, "failed": 0, "stale": 0}
    await until(lambda: server.open_now == 0)


async def test_closing_in_the_loop_itself_does_not_wait_for_it(warm, server, until, monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("can't start new thread")

    server.answer_after = 0.1
    caster = await warm(*IDS)
    task = asyncio.create_task(caster.broadcast("admin", "event", {}))
    await until(lambda: server.at_once)
    with monkeypatch.context() as patch:
        for name in ("_start_new_thread", "_start_joinable_thread"):
            patch.setattr(threading, name, refuse, raising=False)
        await caster.close()
    assert (await task) == {"sent": 5, "failed": 0, "stale": 0}
    await until(lambda: server.open_now == 0)


async def test_links_that_nobody_uses_are_closed(warm, server, until):
    caster = await warm(*IDS, with_threads=True)
    caster._loops._idle_seconds = 0.05
    for _ in range(3):
        assert (await caster.broadcast("admin", "event", {})).sent == 5
        await until(lambda: server.open_now == 0)
        assert (await caster.broadcast("admin", "event", {})).sent == 5


async def test_links_that_the_far_side_closes_are_replaced(warm, server, until):
    server.script = lambda connection_id, attempt: "close-unannounced"
    caster = await warm(*IDS, with_threads=True)
    for _ in range(5):
        assert await caster.broadcast("admin", "event", {}) == {"sent": 5, "failed": 0, "stale": 0}
        await until(lambda: server.open_now == 0)


async def test_what_breaks_fails_those_who_wait_and_no_others(warm, server, until):
    server.script = lambda connection_id, attempt: "hang" if attempt == 1 else "200"
    caster = await warm(IDS[0], timeout=60.0, deadline=60.0, with_threads=True)
    hung = asyncio.create_task(caster.broadcast("admin", "event", {}))
    await until(lambda: server.attempts[IDS[0]])
    reactor = caster._loops._watched[asyncio.get_running_loop()]()._reactor
    reactor._serve = lambda wait: 1 / 0
    reactor.wake()
    with pytest.raises(ZeroDivisionError):
        await hung
    assert (await caster.broadcast("admin", "event", {})).sent == 1


async def test_a_loop_that_watches_nothing_sends_all_the_same(warm, server, monkeypatch):
    def refuse(*_):
        raise NotImplementedError

    caster = await warm(*IDS, with_threads=True)
    monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", refuse)
    for _ in range(3):
        assert (await caster.broadcast("admin", "event", {})).sent == 5
    assert server.opened <= 5


async def test_a_registry_in_use_is_not_waited_for(warm):
    caster = await warm(*IDS, with_threads=True)
    held, go_on = threading.Event(), threading.Event()

    def hold():
        with caster._registry._lock:
            held.set()
            go_on.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    await asyncio.to_thread(held.wait)
    task = asyncio.create_task(caster.broadcast("admin", "event", {}))
    await asyncio.sleep(0.05)
    assert not task.done()
    go_on.set()
    assert (await task).sent == 5
    holder.join()


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_links_of_its_own(make, server):
    caster = make()

    async def use(times):
        await caster.register_connection(IDS[0])
        return [(await caster.broadcast("admin", "event", {})).sent for _ in range(times)]

    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(use(3)) == [1] * 3
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if asyncio.run(use(3)) == [1] * 3 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert server.opened == 2
    assert loop.run_until_complete(use(3)) == [1] * 3
    assert server.opened == 2
    loop.close()


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_can_go_on_with_the_loop_that_it_inherited(make, server, monkeypatch):
    caster = make()

    async def use():
        await caster.register_connection(IDS[0])
        return [(await caster.broadcast("admin", "event", {})).sent for _ in range(3)]

    async def watch_new_descriptors():
        for _ in range(4):
            await asyncio.open_connection("127.0.0.1", server.port)

    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(use()) == [1] * 3
    child = os.fork()
    if child == 0:
        status = 1
        try:
            loop.run_until_complete(watch_new_descriptors())
            status = 0 if loop.run_until_complete(use()) == [1] * 3 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    monkeypatch.setattr(_Watched, "_arm", lambda self, loop: None)  # the timer would do, late, what watching does
    assert loop.run_until_complete(use()) == [1] * 3
    loop.close()


@pytest.mark.usefixtures("aws_keys")
async def test_one_that_is_dropped_leaves_no_links(server, until):
    caster = AsyncBroadcaster(endpoint_url=server.endpoint.url, region="us-east-1")
    caster._sender._kept._idle_seconds = caster._loops._idle_seconds = 0.05
    await caster.register_connection(IDS[0])
    for _ in range(3):
        await caster.broadcast("admin", "event", {})
    del caster
    await until(lambda: gc.collect() is not None and server.open_now == 0)
