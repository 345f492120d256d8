"""The promise of the history, against real stores: nobody is told that nothing is missing when something is.

Publishers in two processes whose answers get lost, posts that are lost or come in any order, messages that expire and
are removed in any order, clocks that step, and clients that read in small parts; each step of which may have any other
between it and the next.
"""

import json
from collections import deque
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from broadcaster.history import Position, Slice
from broadcaster.history.memory import MemoryHistory
from broadcaster.history.recovery import history_answer
from tests.history.conftest import LIFETIME, MemoryPlace

_runs = count()

KEEP = 6  # events
SKEW = 300  # seconds that a clock may be wrong: further off, AWS refuses its requests
CLIENTS = st.integers(0, 1)
STORES = st.integers(0, 1)  # of two processes


class Client:
    def __init__(self):
        self.position = None  # what it has taken in, as (epoch, seq)
        self.inbox = []  # posts under way to it
        self.has_to_read = True


class Promise(RuleBasedStateMachine):
    """What is true is in `truth`: every message that was ever stored, in its order."""

    answer = staticmethod(history_answer)

    def __init__(self, place):
        super().__init__()
        place.begin()
        self.place = place
        self.stores = [place.make(), place.make()]
        self.truth = []
        self.times = []  # seconds since the beginning, of each message
        self.now = 0.0
        self.sizes = []  # events of each message
        self.index = {}  # of a position: how many messages there were up to it
        self.epoch = None
        self.ended = set()  # epochs after which messages without a number were sent
        self.lost = []  # messages whose publisher has had no answer
        self.clients = [Client(), Client()]
        self.run = next(_runs)  # so that no two messages of a shared store have the same name
        self.names = 0

    # publishers

    @rule(store=STORES, events=st.integers(1, 3))
    def publish(self, store, events):
        name = self.store_new()
        self.post(name, self.append(store, name, events))

    @rule(store=STORES, events=st.integers(1, 3))
    def publish_and_lose_the_answer(self, store, events):
        name = self.store_new()
        self.append(store, name, events)
        self.lost.append((store, name, events))

    @precondition(lambda self: self.lost)
    @rule(data=st.data())
    def publish_again_what_had_no_answer(self, data):
        store, name, events = self.lost.pop(data.draw(st.integers(0, len(self.lost) - 1)))
        self.post(name, self.append(store, name, events))

    @rule()
    def forget(self):
        self.place.forget()
        self.epoch = None
        self.lost.clear()  # whoever wanted to repeat them has long given up

    @rule(store=STORES)
    def send_without_a_number(self, store):
        """As a process does whose settings have no history for the channel."""
        self.stores[store].end("logs")
        self.ended.add(self.epoch)
        self.epoch = None
        self.truth.append(self.store_new())
        self.sizes.append(1)
        self.times.append(self.now)

    # time

    @precondition(lambda self: self.place.has_time)
    @rule(seconds=st.sampled_from([1, LIFETIME // 2, LIFETIME, 20 * LIFETIME]))
    def wait(self, seconds):
        self.place.wait(seconds)
        self.now += seconds
        self.lost.clear()

    @precondition(lambda self: self.place.has_time)
    @rule()
    def remove_what_has_expired(self):
        self.place.remove_expired()

    @precondition(lambda self: self.place.has_time)
    @rule(store=STORES, off=st.sampled_from([-SKEW, 0, SKEW]))
    def step_a_clock(self, store, off):
        self.place.clocks[store].off = off

    # the way to the clients

    @rule(number=CLIENTS, data=st.data(), is_lost=st.booleans())
    def deliver_some_post(self, number, data, is_lost):
        client = self.clients[number]
        if not client.inbox:
            return
        name, (epoch, seq) = client.inbox.pop(data.draw(st.integers(0, len(client.inbox) - 1)))
        if is_lost or client.position is None:
            return
        if epoch == client.position.epoch and seq == client.position.seq + 1:
            # It has (epoch, n) and hears (epoch, n + 1), so it has missed nothing.
            assert self.truth[self.index[client.position]] == name
            client.position = Position(epoch, seq)
        elif epoch != client.position.epoch or seq > client.position.seq:
            client.has_to_read = True

    @rule(store=STORES, number=CLIENTS, limit=st.integers(1, 3))
    def read(self, store, number, limit):
        client = self.clients[number]
        found = self.stores[store].read("logs", since=client.position, rewind=None, limit=limit)
        self.see(found.newest.epoch)
        answer = self.answer(client.position, found)
        names = [message["id"] for message in answer["messages"]]
        reached = Position(answer["epoch"], answer["seq"])
        if answer["recovered"]:
            start = self.index[client.position]
            assert names == self.truth[start : start + len(names)]
            assert self.index[reached] == start + len(names)
            assert answer["more"] == (start + len(names) < len(self.truth))
        else:
            assert not self.has_missed_nothing(client.position)
            assert self.index[reached] == len(self.truth)
        client.position = reached
        client.has_to_read = answer["more"]

    # what is true

    def store_new(self):
        self.names += 1
        return f"message-{self.run}-{self.names}"

    def append(self, store, name, events):
        message = json.dumps({"id": name}).encode()
        position = self.stores[store].append("logs", message, events=events, keep=KEEP, token=name)
        if position.epoch in self.ended and position in self.index:
            # Stored before the end, of which this process has not heard: the message has this number all the same.
            assert self.truth[self.index[position] - 1] == name
            return position
        self.see(position.epoch)
        if self.index.get(position) is None:
            self.truth.append(name)
            self.sizes.append(events)
            self.times.append(self.now)
            self.index[position] = len(self.truth)
        assert self.truth[self.index[position] - 1] == name
        assert position.epoch == self.epoch
        if name in self.truth[:-1] and self.truth[-1] == name:
            # It was stored twice: only right if the first one was forgotten.
            first = self.truth.index(name) + 1
            assert all(epoch != self.epoch for (epoch, seq), at in self.index.items() if at == first and seq)
        return position

    def see(self, epoch):
        if epoch != self.epoch:
            assert (epoch, 0) not in self.index, "an epoch was taken up again"
            self.epoch = epoch
            self.index[Position(epoch, 0)] = len(self.truth)

    def post(self, name, position):
        for client in self.clients:
            client.inbox.append((name, position))

    def has_missed_nothing(self, position):
        """Return whether all that came after a position must still be there."""
        if position is None or position.epoch != self.epoch:
            return False
        start = self.index[position]
        is_recent = all(at + LIFETIME - 2 * SKEW > self.now for at in self.times[start:])
        return is_recent and sum(self.sizes[start + 1 :]) < KEEP


def check(place, machine=Promise, **options):
    """Run the machine, each time without any messages at first."""
    options = {"max_examples": 80, "stateful_step_count": 40, **options}
    health = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        lambda: machine(place),
        settings=settings(deadline=None, suppress_health_check=health, database=None, **options),
    )


@pytest.mark.slow
def test_it_is_kept_by_every_store(place):
    check(place, max_examples=30 if place.has_time else 80)


# ----------------------------------------------------------------------------- that these tests would see a broken rule


class SameEpoch(MemoryHistory):
    """Goes on with an epoch that it has forgotten."""

    def append(self, channel, *arguments, **options):
        return super().append(channel, *arguments, **options)._replace(epoch="always")

    def read(self, channel, *, since, rewind, limit):
        if since is not None and since.epoch == "always" and channel in self._channels:
            since = since._replace(epoch=self._channels[channel]._epoch)
        found = super().read(channel, since=since, rewind=rewind, limit=limit)
        return found._replace(newest=found.newest._replace(epoch="always"))


class TwiceStored(MemoryHistory):
    """Takes a repeated append for another message."""

    def append(self, *arguments, token, **options):
        return super().append(*arguments, token=f"{token}-{id(object())}-{self._clock()}", **options)


class NumbersWithHoles(MemoryHistory):
    """Counts before it stores, and does not always store."""

    def append(self, channel, *arguments, **options):
        position = super().append(channel, *arguments, **options)
        if position.seq % 3 == 0:
            kept = self._channels[channel]
            kept._messages = deque(each for each in kept._messages if each[0] != position.seq)
        return position


class Credulous(Promise):
    """Takes the same epoch for proof enough."""

    @staticmethod
    def answer(since, found):
        answer = history_answer(since, found)
        return {**answer, "recovered": since is not None and since.epoch == found.newest.epoch}


class EpochWithoutNumber(Promise):
    """Takes up the newest epoch, and stays at its own number."""

    @staticmethod
    def answer(since, found):
        if since is not None:
            found = Slice(Position(since.epoch, found.newest.seq), *found[1:])
        return history_answer(since, found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("store", "machine"),
    [
        (SameEpoch, Promise),
        (TwiceStored, Promise),
        (NumbersWithHoles, Promise),
        (MemoryHistory, Credulous),
        (MemoryHistory, EpochWithoutNumber),
    ],
)
def test_a_broken_rule_is_seen(store, machine):
    # Without the search for the shortest way to it. Some are seen after a few examples, or after hundreds by bad luck.
    options = {"max_examples": 5_000, "phases": [Phase.generate], "report_multiple_bugs": False, "print_blob": False}
    with pytest.raises((AssertionError, KeyError)):
        check(MemoryPlace(store), machine, **options)
