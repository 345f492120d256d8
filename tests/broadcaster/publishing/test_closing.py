"""`flush` and `close` keep to their time, and each event is counted when they are over."""

import math
import threading
import time

import pytest

from broadcaster import InvalidArgumentError, MemoryRegistry
from broadcaster.publishing import publisher
from broadcaster.sending.background import carriers
from tests.broadcaster.publishing.received import FAST, heard, wait_until

pytestmark = pytest.mark.usefixtures("aws_keys")


def test_flush_and_close_keep_to_their_time(make, server, caplog):
    caster = make()
    server.script = lambda connection_id, attempt: "hang"
    caster.register_connection(FAST)
    caster.publish("logs", "log", 1)
    assert not caster.flush(0.1)
    assert not caster.flush(0.0)
    caster.close(0.1)
    wait_until(lambda: caster.publisher_stats().dropped["closed"] == 1)
    assert "1 published events were not sent within 0.1 seconds" in caplog.text
    caster.publish("logs", "log", 2)
    assert caster.publisher_stats().dropped["closed"] == 2


@pytest.mark.parametrize("wrong", ["3", None, math.nan])
def test_a_time_that_is_none_is_refused_and_nothing_is_closed(make, wrong):
    caster = make()
    for method in (caster.flush, caster.close):
        with pytest.raises(InvalidArgumentError, match=f"timeout is {wrong!r}; give a number of seconds"):
            method(wrong)
    assert caster.flush(0.0)
    caster.register_connection(FAST)
    assert caster.broadcast("logs", "log", 1).sent == 1


def test_flush_waits_for_what_was_published_before_and_not_for_what_comes_after(make, server):
    caster = make(window=0.01)
    caster.register_connection(FAST)
    stop = threading.Event()

    def go_on_publishing():
        while not stop.is_set():
            caster.publish("other", "log", {})
            time.sleep(0.001)

    thread = threading.Thread(target=go_on_publishing)
    thread.start()
    try:
        for _ in range(5):
            caster.publish("logs", "log", "before")
            assert caster.flush(10.0)
    finally:
        stop.set()
        thread.join()
    assert len([1 for channel, _, _ in heard(server, FAST) if channel == "logs"]) == 5


def test_nothing_was_published_is_out_at_once(make):
    assert make().flush(0.0)


def test_what_is_published_just_before_it_closes_and_left_after_the_end_is_dropped(make, monkeypatch):
    caster = make()
    caster.publish("logs", "log", {})
    mailbox = caster._publisher._mailbox
    put = mailbox.put

    def put_after_the_end(*event):
        caster.close()
        put(*event)

    monkeypatch.setattr(mailbox, "put", put_after_the_end)
    caster.publish("logs", "log", {})
    assert caster.flush(20.0)
    stats = caster.publisher_stats()
    assert (stats.queued, stats.dropped["closed"]) == (0, 1)
    assert caster._publisher._courier is None


def test_what_is_left_while_the_thread_ends_is_dropped_by_one_who_was_closed(make, monkeypatch):
    caster = make()
    caster.publish("logs", "log", {})
    close = publisher.Courier.close

    def close_and_find_another(courier):
        close(courier)
        caster._publisher._mailbox.put("logs", b"{}", None)

    monkeypatch.setattr(publisher.Courier, "close", close_and_find_another)
    caster.close()
    wait_until(lambda: caster.publisher_stats().dropped["closed"] == 1)
    assert caster.publisher_stats().queued == 0


@pytest.mark.parametrize("history", [None, {"job-*": 10}])
def test_one_that_closes_does_not_read_what_many_channels_have_first(make, history):
    class Slow(MemoryRegistry):
        reads = 0

        def pages(self, channel):
            self.reads += 1
            time.sleep(0.02)
            return super().pages(channel)

    registry = Slow()
    caster = make(registry=registry, history=history)
    caster.register_connection(FAST)
    for number in range(500):
        caster.publish(f"job-{number}", "done", {})
    caster.close(0.1)
    wait_until(lambda: caster._publisher._courier is None)
    assert registry.reads < 50
    stats = caster.publisher_stats()
    assert stats.events + stats.dropped["closed"] == 500


@pytest.mark.parametrize("history", [None, {"logs": 10}])
def test_what_was_counted_as_closed_while_the_registry_was_read_is_not_sent(make, monkeypatch, history):
    begun = []
    monkeypatch.setattr(carriers.EngineCarrier, "begin", lambda self, job, when_over: begun.append(job))

    class Hanging(MemoryRegistry):
        reading, go_on = threading.Event(), threading.Event()

        def pages(self, channel):
            self.reading.set()
            self.go_on.wait(20.0)
            return super().pages(channel)

    registry = Hanging()
    caster = make(registry=registry, history=history)
    caster.register_connection(FAST)
    caster.publish("logs", "log", {})
    assert registry.reading.wait(20.0)
    caster.close(0.05)
    registry.go_on.set()
    wait_until(lambda: caster._publisher._courier is None)
    stats = caster.publisher_stats()
    assert (stats.queued, stats.events, stats.dropped["closed"]) == (0, 0, 1)
    assert not begun


def test_one_may_wait_without_limit(make, server):
    caster = make()
    caster.register_connection(FAST)
    caster.publish("logs", "log", 1)
    assert caster.flush(math.inf)
    caster.publish("logs", "log", 2)
    caster.close(math.inf)
    assert heard(server, FAST) == [("logs", "log", 1), ("logs", "log", 2)]


def test_one_that_is_closed_before_a_thread_could_be_started_has_nothing_waiting(make, server, monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    caster = make()
    caster.register_connection(FAST)
    monkeypatch.setattr(publisher, "start_new_thread", refuse)
    caster.publish("logs", "log", {})
    assert caster.publisher_stats().queued == 1
    caster.close(0.0)
    stats = caster.publisher_stats()
    assert (stats.queued, stats.dropped["closed"]) == (0, 1)
    assert caster.flush(0.0)


def test_the_thread_ends_when_nothing_was_published_for_a_while(make, server, monkeypatch):
    monkeypatch.setattr("broadcaster.publishing.courier._IDLE_SECONDS", 0.2)
    caster = make()
    caster.register_connection(FAST)
    for number in range(3):
        caster.publish("logs", "log", number)
        assert caster.flush()
        wait_until(lambda: caster._publisher._courier is None)
    assert [data for _, _, data in heard(server, FAST)] == [0, 1, 2]
