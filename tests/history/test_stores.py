"""What every store keeps to."""

import os
import threading
from collections import deque

import pytest

from broadcaster.history import Position, Rewind
from broadcaster.history.memory import MemoryHistory


def append(store, name, *, events=1, keep=100, channel="logs"):
    return store.append(channel, f'{{"id":"{name}"}}'.encode(), events=events, keep=keep, token=str(name))


def read(store, since=None, rewind=None, limit=1_000, channel="logs"):
    return store.read(channel, since=since, rewind=rewind, limit=limit)


def texts(*names):
    return [f'{{"id":"{name}"}}' for name in names]


def test_everybody_has_a_position_before_the_first_message(store):
    newest, numbers, found = read(store)
    assert (newest.seq, numbers, found) == (0, [], [])
    assert read(store).newest == newest
    assert append(store, "a") == Position(newest.epoch, 1)
    assert read(store, since=newest) == (Position(newest.epoch, 1), [1], texts("a"))


def test_messages_are_numbered_from_one_without_a_hole(store):
    epochs, numbers = zip(*[append(store, name) for name in range(5)], strict=True)
    assert (len(set(epochs)), numbers) == (1, (1, 2, 3, 4, 5))
    assert read(store, since=Position(epochs[0], 2)).numbers == [3, 4, 5]
    assert read(store, since=Position(epochs[0], 5)).numbers == []
    assert read(store, since=Position(epochs[0], 9)).numbers == []
    assert read(store, since=Position("other", 2)).numbers == []


def test_the_oldest_are_read_first_where_there_are_more_than_asked_for(store):
    for name in range(5):
        epoch, _ = append(store, name)
    assert read(store, since=Position(epoch, 1), limit=2) == (Position(epoch, 5), [2, 3], texts(1, 2))
    assert read(store, rewind=Rewind(events=4), limit=2).numbers == [2, 3]


def test_an_append_that_is_repeated_is_one_message(store):
    first = append(store, "a")
    second = append(store, "b")
    assert append(store, "a") == first
    assert append(store, "b") == second
    assert read(store, rewind=Rewind(events=9)).texts == texts("a", "b")


def test_in_memory_a_signal_handler_may_append_in_the_middle_of_an_append():
    store = MemoryHistory(lifetime=60)
    append(store, "first")
    kept = store._channels["logs"]
    handled = []

    class Interrupted(deque):
        def append(self, message):
            super().append(message)  # as a handler runs, after a call
            kept._messages = deque(self)
            handled.append(append(store, "handled"))

    kept._messages = Interrupted(kept._messages)
    position = append(store, "outer")
    assert (position.seq, handled[0].seq) == (2, 3)
    assert append(store, "outer") == position
    assert read(store, rewind=Rewind(events=9)).texts == texts("first", "outer", "handled")


def test_so_many_events_are_kept_as_the_channel_says(store):
    for name in range(10):
        epoch, _ = append(store, name, events=3, keep=10)
    # Four messages of three events each: three would be nine events.
    assert read(store, since=Position(epoch, 0)).numbers == [7, 8, 9, 10]
    append(store, "large", events=50, keep=10)
    assert read(store, since=Position(epoch, 0)).numbers[-1] == 11
    for name in range(20, 25):
        append(store, name, keep=1)
    assert read(store, since=Position(epoch, 0)).numbers == [16]


@pytest.mark.parametrize(
    ("events", "numbers"), [(0, []), (1, [5]), (2, [4, 5]), (4, [4, 5]), (5, [3, 4, 5]), (99, [1, 2, 3, 4, 5])]
)
def test_rewinding_counts_events(store, events, numbers):
    for name, count in enumerate([1, 1, 3, 3, 1]):
        append(store, name, events=count)
    assert read(store, rewind=Rewind(events=events)).numbers == numbers


def test_the_largest_numbers_that_are_allowed_ask_for_all(store):
    newest = append(store, "a")
    assert read(store, rewind=Rewind(events=2**53 - 1), limit=2**53 - 1).numbers == [1]
    assert read(store, rewind=Rewind(seconds=99_999_999 * 3_600)).numbers == [1]
    assert read(store, since=Position(newest.epoch, 2**53 - 1)).numbers == []


def test_rewinding_over_many_messages_reads_them_all(store):
    for name in range(250):
        append(store, name, keep=1_000)
    assert read(store, rewind=Rewind(events=240)).numbers == list(range(11, 251))
    assert read(store, rewind=Rewind(events=900)).numbers == list(range(1, 251))
    assert read(store, rewind=Rewind(seconds=300)).numbers == list(range(1, 251))


def test_channels_have_histories_of_their_own(store):
    logs, admin = append(store, "a"), append(store, "a", channel="admin")
    assert logs.epoch != admin.epoch
    assert (logs.seq, admin.seq) == (1, 1)
    assert read(store, rewind=Rewind(events=9), channel="runs").numbers == []


def test_what_was_forgotten_is_never_continued(place):
    store = place.make()
    before = append(store, "a")
    place.forget()
    after = append(store, "a")  # perhaps a repetition, whose first copy is gone
    assert after.epoch != before.epoch
    assert after.seq == 1
    assert read(store, since=before).texts == []


def test_an_epoch_that_was_ended_is_never_continued(place):
    store, other = place.make(), place.make()
    store.end("logs")
    before = [append(store, name) for name in "ab"][-1]
    for _ in range(2):
        other.end("logs")
    assert read(store, since=before).newest.epoch != before.epoch
    assert read(store, rewind=Rewind(events=9)).texts == []
    after = append(store, "c")
    assert after == Position(read(other).newest.epoch, 1)
    assert read(other, since=before._replace(seq=1)).texts == []
    other.end("logs")
    assert append(store, "d").epoch not in (before.epoch, after.epoch)


def test_an_epoch_without_a_message_ends_too(place):
    store = place.make()
    before = read(store).newest
    store.end("logs")
    assert append(store, "a").epoch != before.epoch


def test_whoever_reads_what_was_forgotten_and_whoever_appends_agree_on_the_epoch(place):
    store = place.make()
    before = append(store, "a")
    place.forget()
    newest = read(store, since=before).newest
    assert newest.seq == 0
    assert append(place.make(), "b") == Position(newest.epoch, 1)


def test_many_at_once_get_numbers_of_their_own(place):
    positions = []

    def work(name):
        store = place.make()
        positions.extend(append(store, f"{name}-{number}") for number in range(25))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({position.epoch for position in positions}) == 1
    assert sorted(position.seq for position in positions) == list(range(1, 101))


def test_any_text_comes_back_as_it_was(store):
    message = '{"data":"it\'s \\"ä\\"\\n€😀\\u2028\\u0001"}'.encode()
    store.append("logs", message, events=1, keep=10, token="a")
    assert read(store, rewind=Rewind(events=1)).texts == [message.decode()]


# ------------------------------------------------------------------------------------------------------------ in memory


def test_messages_in_memory_are_kept_for_their_lifetime_and_the_number_for_longer(clock):
    store = MemoryHistory(lifetime=60, clock=clock)
    first = append(store, "a")
    clock.now += 40
    second = append(store, "b")
    clock.now += 40
    third = append(store, "c")
    assert read(store, since=Position(first.epoch, 0)).numbers == [2, 3]
    assert read(store, rewind=Rewind(seconds=45)).numbers == [2, 3]
    assert read(store, rewind=Rewind(seconds=10)).numbers == [3]
    clock.now += 3_600
    assert read(store, since=third).newest == third
    assert second < append(store, "d") == Position(first.epoch, 4)
    clock.now += 90_000
    assert read(store).newest.epoch != first.epoch


def test_channels_in_memory_that_nobody_uses_give_their_memory_back(clock):
    store = MemoryHistory(lifetime=60, clock=clock)
    for number in range(100):
        append(store, "a", channel=f"run-{number}")
    clock.now += 90_000
    append(store, "a")
    assert len(store._channels) == 1
    append(store, "a", channel="quiet")
    clock.now += 121
    append(store, "b")
    assert [len(kept._messages) for kept in store._channels.values()] == [1, 0]
    assert [len(kept._tokens) for kept in store._channels.values()] == [1, 0]
    del store._channels["quiet"]
    for number in range(100):
        append(store, number)
        clock.now += 1
    [kept] = store._channels.values()
    assert len(kept._tokens) <= 62


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_begins_an_epoch_of_its_own():
    store = MemoryHistory(lifetime=60)
    before = append(store, "a")
    child = os.fork()
    if child == 0:
        os._exit(0 if append(store, "b").epoch != before.epoch else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert append(store, "b") == Position(before.epoch, 2)
