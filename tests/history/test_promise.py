"""The promise of the history, against real stores: nobody is told that nothing is missing when something is.

Publishers whose answers get lost, posts that are lost or come in any order, messages that are forgotten, and clients
that read in small parts, each step of which may have any other between it and the next.
"""

import json
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from broadcaster.history import Position, Slice
from broadcaster.history.memory import MemoryHistory
from broadcaster.history.recovery import history_answer

_runs = count()

KEEP = 6  # events
CLIENTS = st.integers(0, 1)


class Client:
    def __init__(self):
        self.position = None  # what it has taken in, as (epoch, seq)
        self.inbox = []  # posts under way to it
        self.has_to_read = True


class Promise(RuleBasedStateMachine):
    """What is true is in `truth`: every message that was ever stored, in its order."""

    answer = staticmethod(history_answer)

    def __init__(self, store, forget):
        super().__init__()
        self.store = store
        self.forget_all = forget
        self.truth = []
        self.sizes = []  # events of each message
        self.index = {}  # of a position: how many messages there were up to it
        self.epoch = None
        self.lost = []  # messages whose publisher has had no answer
        self.clients = [Client(), Client()]
        self.run = next(_runs)  # so that no two messages of a shared store have the same name
        self.names = 0

    # publishers

    @rule(events=st.integers(1, 3))
    def publish(self, events):
        name = self.store_new(events)
        self.post(name, self.append(name, events))

    @rule(events=st.integers(1, 3))
    def publish_and_lose_the_answer(self, events):
        name = self.store_new(events)
        self.append(name, events)
        self.lost.append((name, events))

    @precondition(lambda self: self.lost)
    @rule(data=st.data())
    def publish_again_what_had_no_answer(self, data):
        name, events = self.lost.pop(data.draw(st.integers(0, len(self.lost) - 1)))
        self.post(name, self.append(name, events))

    @rule()
    def forget(self):
        self.forget_all()
        self.epoch = None

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

    @rule(number=CLIENTS, limit=st.integers(1, 3))
    def read(self, number, limit):
        client = self.clients[number]
        found = self.store.read("logs", since=client.position, rewind=None, limit=limit)
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

    def store_new(self, events):
        self.names += 1
        return f"message-{self.run}-{self.names}"

    def append(self, name, events):
        message = json.dumps({"id": name}).encode()
        position = self.store.append("logs", message, events=events, keep=KEEP, token=name)
        self.see(position.epoch)
        if self.index.get(position) is None:
            self.truth.append(name)
            self.sizes.append(events)
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
        missed = self.sizes[self.index[position] :]
        return sum(missed[1:]) < KEEP


def check(make, machine=Promise, **options):
    """Run the machine; `make` returns a fresh store, and what makes it forget everything."""
    options = {"max_examples": 80, "stateful_step_count": 40, **options}
    health = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        lambda: machine(*make()),
        settings=settings(deadline=None, suppress_health_check=health, database=None, **options),
    )


def in_memory(kind=MemoryHistory):
    store = kind(lifetime=3_600)
    return store, store._channels.clear


def test_it_is_kept_by_every_store(place):
    def make():
        place.forget()
        return place.make(), place.forget

    check(make)


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
            self._channels[channel]._messages.pop()
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
    # Without the search for the shortest way to it.
    options = {"max_examples": 300, "phases": [Phase.generate], "report_multiple_bugs": False, "print_blob": False}
    with pytest.raises((AssertionError, KeyError)):
        check(lambda: in_memory(store), machine, **options)
