"""Many events, channels and slow viewers: none holds up the others, and the bounds hold."""

import threading
import time

import pytest

from broadcaster.publishing import courier, mailbox
from broadcaster.publishing.backlog import Backlog
from broadcaster.publishing.lanes import Lanes
from broadcaster.publishing.ledger import Ledger
from tests.broadcaster.publishing.received import FAST, SLOW, THIRD, heard, wait_until

pytestmark = pytest.mark.usefixtures("aws_keys")


@pytest.mark.slow
@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_one_that_hangs_delays_nobody_and_gets_what_follows_together(make, server, sender):
    caster = make(sender=sender, window=0.02, timeout=2.0)
    release = threading.Event()
    server.script = lambda connection_id, attempt: "hang" if connection_id == SLOW and not release.is_set() else "200"
    for viewer in (FAST, SLOW, THIRD):
        caster.register_connection(viewer)
    caster.publish("logs", "log", 0)
    wait_until(lambda: server.attempts[SLOW] == 1)
    for number in range(1, 30):
        caster.publish("logs", "log", number)
        time.sleep(0.01)
    wait_until(lambda: len(heard(server, FAST)) == len(heard(server, THIRD)) == 30)
    assert server.attempts[SLOW] <= 2, "two messages under way to one connection"
    release.set()
    assert caster.flush(30.0)
    assert heard(server, SLOW) == [("logs", "log", number) for number in range(30)]
    assert server.attempts[SLOW] <= 6
    assert caster.publisher_stats().events == 30


def test_what_waits_for_one_connection_is_bounded(make, server):
    caster = make(window=0.01, timeout=0.5)
    server.script = lambda connection_id, attempt: "hang" if connection_id == SLOW else "200"
    for viewer in (FAST, SLOW):
        caster.register_connection(viewer)
    for number in range(40):
        caster.publish("logs", "log", [number, "x" * 20_000])
        time.sleep(0.005)
    wait_until(lambda: len(heard(server, FAST)) == 40)
    wait_until(lambda: caster.publisher_stats().dropped["overflow"])
    assert caster.publisher_stats().queued <= 262_144 // 20_000 + 2


def test_what_waits_for_all_connections_together_is_bounded_too(make, server):
    """Each listens to a channel of its own, and none of them answers."""
    server.script = lambda connection_id, attempt: "hang"
    caster = make(queue=100, window=0, timeout=30.0)
    for number in range(20):
        caster.register_connection(f"viewer-{number}=", channels=[f"user-{number}"])
        caster.publish(f"user-{number}", "log", "under way")
    wait_until(lambda: len(server.requests) == 20)
    for _ in range(50):
        for number in range(20):
            caster.publish(f"user-{number}", "log", "waits")
        caster.publisher_stats()
        wait_until(lambda: caster._publisher._mailbox._backlog.count == 0)  # they wait for connections now
    wait_until(lambda: caster.publisher_stats().dropped["overflow"] == 900)
    stats = caster.publisher_stats()
    assert stats.queued == 100 + 20
    assert stats.queued + sum(stats.dropped.values()) == 20 * 51


@pytest.mark.parametrize("history", [None, {"logs": 10_000}])
def test_a_burst_larger_than_what_may_wait_for_one_connection_loses_nothing(make, server, sender, history):
    caster = make(sender=sender, history=history)
    server.answer_after = 0.01
    for viewer in (FAST, THIRD):
        caster.register_connection(viewer)
    for number in range(2_000):
        caster.publish("logs", "log", [number, "x" * 500])
    assert caster.flush(60.0)
    for viewer in (FAST, THIRD):
        assert [data[0] for _, _, data in heard(server, viewer)] == list(range(2_000))
    assert caster.publisher_stats().events == 2_000
    assert max(map(len, server.bodies[FAST])) <= 32_768
    assert len(server.bodies[FAST]) <= 1 + 2_000 * 600 // 32_768 + 10, "as few messages as fit"


def test_what_has_a_history_is_stored_although_all_who_listen_hang(make, server):
    server.script = lambda connection_id, attempt: "hang"
    caster = make(history={"logs": 10_000}, timeout=60.0, deadline=60.0)
    for viewer in (FAST, SLOW):
        caster.register_connection(viewer)
    for number in range(2_000):
        caster.publish("logs", "log", [number, "x" * 500])
    wait_until(lambda: stored(caster) == list(range(2_000)))


def stored(caster):
    messages = caster.read_history("logs", rewind=10_000)["messages"]
    return [event["data"][0] for message in messages for event in message.get("events") or [message]]


def test_who_comes_while_the_others_hang_is_seen_although_another_channel_is_busy(make, server):
    server.script = lambda connection_id, attempt: "hang" if connection_id == SLOW else "200"
    caster = make(timeout=60.0)
    caster.register_connection(SLOW, channels=["logs"])
    caster.register_connection(THIRD, channels=["busy"])
    data = "x" * 2_000

    def go_on():
        for channel in ("busy", "logs"):
            caster.publish(channel, "log", data)
        time.sleep(0.005)

    end = time.monotonic() + 2  # by then more has been published than may wait for one that hangs
    wait_until(lambda: go_on() or time.monotonic() > end)
    caster.register_connection(FAST, channels=["logs"])
    wait_until(lambda: go_on() or server.attempts[FAST], 10)


def test_a_burst_reaches_all_but_the_one_who_hangs(make, server):
    caster = make(timeout=30.0)
    server.script = lambda connection_id, attempt: "hang" if connection_id == SLOW else "200"
    for viewer in (FAST, SLOW, THIRD):
        caster.register_connection(viewer)
    for number in range(2_000):
        caster.publish("logs", "log", [number, "x" * 500])
    for viewer in (FAST, THIRD):
        wait_until(lambda viewer=viewer: len(heard(server, viewer)) == 2_000)
        assert [data[0] for _, _, data in heard(server, viewer)] == list(range(2_000))
    assert server.attempts[SLOW] == 1
    stats = caster.publisher_stats()
    assert stats.queued <= 262_144 // 500 + 100
    assert stats.queued + stats.dropped["overflow"] == 2_000


def test_many_threads_publish_and_nothing_is_lost(make, server):
    caster = make(window=0.01)
    caster.register_connection(FAST)

    def publish(start):
        for number in range(start, start + 1_000):
            caster.publish("logs", "log", number)

    threads = [threading.Thread(target=publish, args=(start,)) for start in range(0, 4_000, 1_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert caster.flush(30.0)
    numbers = [data for _, _, data in heard(server, FAST)]
    assert sorted(numbers) == list(range(4_000))
    for start in range(0, 4_000, 1_000):  # those of one thread in their order
        own = [number for number in numbers if start <= number < start + 1_000]
        assert own == sorted(own)


def test_what_others_publish_without_a_pause_is_no_reason_to_sort_for_ever(make, monkeypatch):
    caster = make()
    caster.publish("logs", "log", {})
    assert caster.flush(20.0)
    mailbox = caster._publisher._mailbox
    add, added = mailbox._backlog.add, []

    def add_while_another_comes(*event):
        added.append(event)
        assert len(added) < 1_000
        mailbox.put("logs", b"{}", None)
        return add(*event)

    monkeypatch.setattr(mailbox._backlog, "add", add_while_another_comes)
    mailbox._inbox.append(("logs", b"{}", None))
    with mailbox.open():
        pass


def test_where_callers_leave_more_than_is_sorted_they_let_the_one_who_sorts_go_on(monkeypatch):
    """There is no courier here: it holds the lock now and then, and more is left meanwhile."""
    ledger = Ledger()
    backlog = Backlog(lambda channel: 0.1, ledger, most_events=10_000, most_bytes=1_000_000, max_age=60.0)
    box, slept = mailbox.Mailbox(backlog, ledger, time.monotonic), []
    monkeypatch.setattr(mailbox.time, "sleep", lambda seconds: slept.append(box._lock.release()))
    box._lock.acquire()  # as a thread that waits for the interpreter
    for _ in range(1_500):
        box.put("logs", b"{}", None)
    assert len(slept) == 1
    assert len(box._inbox) <= 17
    assert ledger.queued + len(box._inbox) == 1_500


@pytest.mark.parametrize("history", [None, {"flood": 10}])
def test_a_channel_without_a_window_that_is_never_empty_does_not_hold_up_the_others(make, server, monkeypatch, history):
    server.script = lambda connection_id, attempt: "hang" if connection_id == SLOW else "200"
    caster = make(window=0, timeout=60.0, history=history)
    caster.register_connection(SLOW, channels=["flood"])
    caster.register_connection(THIRD, channels=["others"])
    take, taken = Backlog.take, []

    def take_while_another_comes(backlog, channel, now):
        if channel == "flood" and len(taken) < 20_000:
            taken.append(caster.publish("flood", "log", {}, latest="one"))
        return take(backlog, channel, now)

    monkeypatch.setattr(Backlog, "take", take_while_another_comes)
    caster.publish("flood", "log", {})
    caster.publish("others", "log", {})
    wait_until(lambda: heard(server, THIRD))
    assert len(taken) < 20_000
    monkeypatch.undo()


def test_a_viewer_of_hundreds_of_channels_costs_each_message_a_few_looks(make, server, monkeypatch):
    monkeypatch.setattr(courier, "PATIENCE", 1_000.0)  # after which all are looked at once more, however slow this is
    caster = make()
    caster.register_connection(FAST)
    have_room, looks = Lanes.have_room, []
    monkeypatch.setattr(Lanes, "have_room", lambda *rest, **more: looks.append(1) or have_room(*rest, **more))
    for number in range(800):
        caster.publish(f"job-{number}", "done", "x" * 5_000)
    assert caster.flush(60.0)
    assert len(heard(server, FAST)) == 800
    assert len(looks) < 20 * 800


def test_a_burst_of_large_events_loses_nothing(make, server):
    caster = make()
    server.answer_after = 0.01
    caster.register_connection(FAST)
    for number in range(20):
        caster.publish("logs", "log", [number, "x" * 100_000])
    assert caster.flush(60.0)
    assert [data[0] for _, _, data in heard(server, FAST)] == list(range(20))
    assert caster.publisher_stats().events == 20
