"""A broadcast that is cancelled stops, and says what had been sent."""

import asyncio
import logging

import pytest

from broadcaster import MemoryRegistry
from tests.broadcaster.aio.conftest import OwnRegistry

HALF = {"sent": 1, "failed": 1, "stale": 0}


@pytest.fixture(params=[("engine", MemoryRegistry), ("engine", OwnRegistry), ("boto3", MemoryRegistry)])
def one_by_one(make, request):
    sender, registry = request.param
    return make(sender=sender, registry=registry(), concurrency=1, timeout=60.0, deadline=60.0)


async def test_a_cancelled_broadcast_stops_and_says_what_had_been_sent(one_by_one, one_sent_one_hung, server, caplog):
    caplog.set_level(logging.INFO, logger="broadcaster")
    task = await one_sent_one_hung(one_by_one)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert caught.value.result == HALF
    assert caught.value.result.failures[0].reason == "the broadcast was stopped"
    assert caught.value.__notes__ == [f"event on admin was stopped; by then: {HALF}"]
    assert "event on admin: stopped: 1 sent, 1 failed, 0 stale" in caplog.text
    assert len(server.requests) == 2


async def test_one_that_is_cancelled_twice_says_what_had_been_sent(one_by_one, one_sent_one_hung, server):
    task = await one_sent_one_hung(one_by_one)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert caught.value.result == HALF


async def test_what_a_timeout_cut_off_is_known_by_its_cause(one_by_one, one_sent_one_hung):
    async def run_into_timeout():
        async with asyncio.timeout(None) as timeout:
            task = asyncio.current_task()
            hung.add_done_callback(lambda _: timeout.reschedule(0.0))
            assert task is not hung
            await one_by_one.send_to_connection("connection-c=", "admin", "event", {})

    hung = await one_sent_one_hung(one_by_one)
    cut_off = asyncio.create_task(run_into_timeout())
    await asyncio.sleep(0)
    hung.cancel()
    with pytest.raises(TimeoutError) as caught:
        await cut_off
    assert caught.value.__cause__.result.sent == 0
    with pytest.raises(TimeoutError) as caught:
        await asyncio.wait_for(one_by_one.broadcast("admin", "event", {}), 0.05)
    assert caught.value.__cause__.result.sent == 0


async def test_a_task_group_that_fails_stops_its_broadcasts(make, server, until):
    async def fail_when_it_is_under_way():
        await until(lambda: server.requests)
        raise ZeroDivisionError

    async def run_both():
        async with asyncio.TaskGroup() as group:
            sending.append(group.create_task(caster.send_to_connection("connection-a=", "admin", "event", {})))
            group.create_task(fail_when_it_is_under_way())

    caster, sending = make(timeout=3600.0, deadline=3600.0), []
    server.script = lambda connection_id, attempt: "hang"
    with pytest.raises(ExceptionGroup) as caught:
        await run_both()
    assert caught.group_contains(ZeroDivisionError)
    assert sending[0].cancelled()
    await caster.close()


async def test_one_that_is_cancelled_while_the_registry_is_read_has_sent_nothing(make, slow_registry, server, until):
    registry = slow_registry(None, ["connection-a="])
    task = asyncio.create_task(make(registry=registry).broadcast("slow", "event", {}))
    await until(registry.waiting.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert caught.value.result == {"sent": 0, "failed": 0, "stale": 0}
    assert server.requests == []


async def test_one_whose_registry_is_slow_does_not_wait_for_it_when_it_is_cancelled(make, slow_registry, server, until):
    registry = slow_registry(["connection-a="], ["connection-b="])
    task = asyncio.create_task(make(registry=registry).broadcast("slow", "event", {}))
    await until(lambda: registry.waiting.is_set() and server.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert not registry.go_on.is_set()
    assert caught.value.result.sent + caught.value.result.failed == 1
    assert server.attempts["connection-b="] == 0


async def test_others_go_on_when_one_is_cancelled(make, one_sent_one_hung, server, until):
    caster = make(concurrency=1, timeout=60.0, deadline=60.0)
    task = await one_sent_one_hung(caster)
    other = asyncio.create_task(caster.send_to_connection("connection-c=", "admin", "event", {}))
    await until(lambda: server.attempts["connection-c="])
    task.cancel()
    await asyncio.wait([task])
    assert not other.done()
    server.script = lambda connection_id, attempt: "200"
    assert (await caster.broadcast("admin", "event", {})) == {"sent": 2, "failed": 0, "stale": 0}
    other.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await other
    assert caught.value.result == {"sent": 0, "failed": 1, "stale": 0}


@pytest.mark.parametrize("sender", ["engine", "boto3"])
async def test_a_question_about_one_connection_can_be_cancelled(make, server, until, sender):
    server.script = lambda connection_id, attempt: "hang"
    task = asyncio.create_task(make(sender=sender, timeout=1.0).get_connection("connection-a="))
    await until(lambda: server.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_question_that_is_cancelled_is_given_up(make, server, until):
    caster = make(timeout=3600.0, deadline=3600.0)
    server.script = lambda connection_id, attempt: "hang"
    task = asyncio.create_task(caster.get_connection("connection-a="))
    await until(lambda: server.requests)
    task.cancel()
    await asyncio.wait([task])
    await caster.close()
