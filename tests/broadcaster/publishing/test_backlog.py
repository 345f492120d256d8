"""What waits on each channel: order, sharing, bounds. A model beside it says what has to be there."""

import sys
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from broadcaster.publishing.backlog import BILLED_BYTES, Backlog
from broadcaster.publishing.ledger import EXPIRED, OVERFLOW, Ledger

CHANNELS = st.sampled_from(["logs", "admin", "run-1"])
WINDOWS = {"logs": 1.0, "admin": 0.1, "run-1": 0.0}


class BacklogMachine(RuleBasedStateMachine):
    @initialize(most_events=st.integers(1, 30), most_bytes=st.integers(50, 100_000))
    def begin(self, most_events, most_bytes):
        self.most_events, self.most_bytes = most_events, most_bytes
        self.ledger = Ledger()
        self.backlog = Backlog(WINDOWS.get, self.ledger, most_events=most_events, most_bytes=most_bytes, max_age=30.0)
        self.now = 100.0
        self.published = 0
        self.last_taken = {}
        self.last_message = {}

    @rule(channel=CHANNELS, size=st.integers(1, 20_000), latest=st.none() | st.sampled_from(["a", "b"]))
    def publish(self, channel, size, latest):
        self.published += 1
        self.backlog.add(channel, b"%07d" % self.published + b"x" * size, latest, self.now)

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds):
        self.now += seconds
        self.backlog.expire(self.now)

    @rule()
    def send_what_is_due(self):
        for channel in self.backlog.due(self.now):
            is_early = self.now < self.last_message.get(channel, -inf) + WINDOWS[channel]
            if is_early:
                assert self.backlog._waiting[channel].size >= BILLED_BYTES, "only what is full goes within the window"
            while events := self.backlog.take(channel, self.now):
                bodies = [event.body for event in events]
                assert bodies == sorted(bodies)
                assert bodies[0] > self.last_taken.get(channel, b"")
                self.last_taken[channel] = bodies[-1]
                assert len(events) == 1 or (sum(map(len, bodies)) <= BILLED_BYTES and WINDOWS[channel])
                keys = [event.latest for event in events if event.latest]
                assert len(keys) == len(set(keys)), "of several that wait only the newest is sent"
                assert all(event.at >= self.now - 30.0 for event in events)
                self.ledger.end(events)
            self.last_message[channel] = self.now

    @rule(channel=CHANNELS, seconds=st.sampled_from([0.01, 1.0]))
    def hold(self, channel, seconds):
        self.backlog.hold(channel, self.now + seconds)
        assert channel not in self.backlog.due(self.now)

    @invariant()
    def counts_add_up(self):
        stats = self.ledger.stats()
        assert stats.queued == self.backlog.count <= self.most_events
        assert self.backlog.size <= self.most_bytes
        assert self.published == stats.queued + stats.events + stats.superseded + sum(stats.dropped.values())

    def teardown(self):
        if hasattr(self, "backlog"):
            self.backlog.drop_all("closed")
            assert (self.backlog.count, self.backlog.size, self.backlog.next_due()) == (0, 0, inf)
            assert self.ledger.open_since() == inf


TestBacklog = BacklogMachine.TestCase


def made(**options):
    ledger = Ledger()
    return Backlog(WINDOWS.get, ledger, **{"most_events": 100, "most_bytes": 10**6, "max_age": 30.0, **options}), ledger


def test_the_first_event_of_a_quiet_channel_is_due_at_once_and_what_follows_waits_for_the_window():
    backlog, _ = made()
    assert backlog.add("logs", b"1", None, 5.0) == 5.0
    assert [event.body for event in backlog.take("logs", 5.0)] == [b"1"]
    assert backlog.add("logs", b"2", None, 5.2) == 6.0
    assert backlog.due(5.9) == []
    assert backlog.due(6.0) == ["logs"]


def test_beyond_the_bound_the_oldest_of_the_fullest_channel_goes():
    backlog, ledger = made(most_events=4)
    for number in range(3):
        backlog.add("logs", b"log %d" % number, None, 0.0)
    backlog.add("admin", b"admin", None, 0.0)
    backlog.add("admin", b"admin", None, 0.0)
    assert ledger.dropped[OVERFLOW] == 1
    assert [event.body for event in backlog.take("logs", 0.0)] == [b"log 1", b"log 2"]


def test_to_drop_one_of_thousands_of_channels_looks_at_few():
    backlog, ledger = made(most_events=5_000)
    for number in range(5_000):
        WINDOWS.setdefault(f"logs{number}", 0.1)
        backlog.add(f"logs{number}", b"x" * (number % 100 + 1), None, 0.0)
    calls = []
    sys.setprofile(lambda frame, kind, argument: calls.append(kind))
    try:
        backlog.add("logs0", b"x" * 10, None, 0.0)
    finally:
        sys.setprofile(None)
    assert ledger.dropped[OVERFLOW] == 1
    assert sum(1 for queue in backlog._waiting.values() if queue.size >= 64) == 37 * 50 - 1, "none of the fullest"
    assert len(calls) < 200


def test_what_waits_for_too_long_is_dropped():
    backlog, ledger = made()
    backlog.add("logs", b"old", None, 0.0)
    backlog.add("logs", b"new", None, 20.0)
    backlog.expire(30.1)
    assert ledger.dropped[EXPIRED] == 1
    assert [event.body for event in backlog.take("logs", 30.1)] == [b"new"]


@given(st.integers(1_000, 3_000))
def test_a_million_updates_of_one_key_leave_no_gaps_behind(number):
    backlog, ledger = made()
    for _ in range(number):
        backlog.add("logs", b"progress", "run", 0.0)
    assert (backlog.count, ledger.superseded) == (1, number - 1)
    assert len(backlog._waiting["logs"].events) < 100


def test_channels_that_are_quiet_are_forgotten():
    backlog, _ = made()
    for number in range(5_000):
        backlog.add(f"logs{number}", b"1", None, float(number))
        WINDOWS.setdefault(f"logs{number}", 0.1)
        backlog.take(f"logs{number}", float(number))
    assert len(backlog._all) < 1_100


def test_after_a_burst_on_many_channels_those_that_are_quiet_are_forgotten_too():
    backlog, _ = made()
    for number in range(5_000):
        WINDOWS.setdefault(f"logs{number}", 0.1)
        backlog.add(f"logs{number}", b"1", None, 0.0)
        backlog.take(f"logs{number}", 0.0)
    backlog.expire(2.0)
    assert not backlog._all


def test_what_a_signal_handler_cut_off_does_not_hold_up_the_others():
    backlog = Backlog(lambda _: 1.0, Ledger(), most_events=10, most_bytes=1_000, max_age=30.0)

    class Interrupted(dict):
        def __setitem__(self, *_):
            raise KeyboardInterrupt

    backlog.add("logs", b"1", None, 0.0)
    backlog._all["logs"].latest = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        backlog.add("logs", b"2", "a", 0.0)
    backlog._all["logs"].latest = {}
    backlog.add("logs", b"3", "b", 0.0)
    assert [event.body for event in backlog.take("logs", 0.0)] == [b"1", b"2", b"3"]
