"""What may go to whom: never two messages under way to one connection, each in order, each batch ended once.

What goes to a connection with a key is the newest that it was to get. What it does not get has ended as missed, or, if
it got a newer one, as superseded.
"""

import json
import sys

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from broadcaster.messages import envelope
from broadcaster.publishing.backlog import BILLED_BYTES
from broadcaster.publishing.lanes import LANE_BYTES, PATIENCE, Batch, Lanes, batches_of
from broadcaster.publishing.ledger import Event
from broadcaster.results import Failure

VIEWERS = ["viewer-a", "viewer-b", "viewer-c", "viewer-d"]
MOST_EVENTS = 20
FAILURES = {"500": 500, "429": 429, "no answer": None, "413": 413, "gone": 410}


class LanesMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.ended = []
        self.lanes = Lanes(self.ended.append, most_events=MOST_EVENTS, max_age=30.0, random=lambda: 0.5)
        self.now = 0.0
        self.offered = []
        self.keys = {}  # of the events that a newer one supersedes, by number
        self.newest = {viewer: {} for viewer in VIEWERS}  # number by key
        self.unheard = {viewer: {} for viewer in VIEWERS}  # batch by number
        self.flights = []  # [flight, connection ids without an outcome]
        self.heard = {viewer: [] for viewer in VIEWERS}
        self.number = 0

    def take_off(self, flights):
        for flight in flights:
            for _, left in self.flights:
                assert not set(left) & set(flight.connection_ids), "two messages under way to one connection"
            for number in numbers_in(flight):
                for viewer in flight.connection_ids if number in self.keys else ():
                    assert number == self.newest[viewer][self.keys[number]], "a newer one waits"
            self.flights.append((flight, list(flight.connection_ids)))

    @rule(
        channel=st.sampled_from(["logs", "admin"]),
        keys=st.sampled_from([[None], [None, None, None], ["a"], ["b"], [None, "a"], ["a", None, "b"]]),
        size=st.integers(0, 40_000),
        kind=st.sampled_from(["shares", "shares", "alone", "numbered"]),
        viewers=st.sets(st.sampled_from(VIEWERS), min_size=1),
    )
    def offer(self, channel, keys, size, kind, viewers):
        made = []
        for key in keys:
            self.number += 1
            made.append(Event(b'"data":%d,"x":"%b"' % (self.number, b"x" * size), self.now, key))
        if kind == "numbered":
            batches = [Batch(channel, made, envelope(channel, [event.body for event in made]), shares=False)]
        else:
            batches = batches_of(channel, made, shares=kind == "shares")
            for event in made:
                if event.latest is not None:
                    number = number_of(event)
                    self.keys[number] = channel, event.latest
                    for viewer in viewers:
                        self.newest[viewer][channel, event.latest] = number
        self.offered += batches
        for viewer in viewers:
            self.unheard[viewer] |= {number_of(event): batch for batch in batches for event in batch.events}
        flight = self.lanes.offer(batches, sorted(viewers))
        assert self.lanes.events <= MOST_EVENTS
        self.take_off([flight] if flight else [])

    @rule(data=st.data(), outcome=st.sampled_from(["sent", "sent", "sent", *FAILURES]))
    def answer(self, data, outcome):
        if not self.flights:
            return
        flight, left = data.draw(st.sampled_from(self.flights))
        viewer = data.draw(st.sampled_from(left))
        left.remove(viewer)
        if not left:
            self.flights.remove((flight, left))
        if outcome == "sent":
            for number in numbers_in(flight):
                self.heard[viewer].append((flight.batches[0].channel, number))
                del self.unheard[viewer][number]
            self.lanes.settle(flight, viewer, None, self.now)
        else:
            if outcome == "gone":
                self.heard[viewer].clear()  # whoever comes under this id is somebody new
                self.unheard[viewer].clear()
            self.lanes.settle(flight, viewer, Failure(viewer, outcome, FAILURES[outcome]), self.now)

    @rule(data=st.data())
    def refuse_as_a_whole(self, data):
        if self.flights:
            flight, left = data.draw(st.sampled_from(self.flights))
            self.flights.remove((flight, left))
            assert self.lanes.has_under_way(flight)
            self.lanes.land(flight, self.now + 1.0)

    @rule(seconds=st.floats(0, 12))
    def go_on(self, seconds):
        self.now += seconds
        self.take_off(self.lanes.depart(self.now))

    @invariant()
    def each_hears_its_channels_in_order(self):
        for heard in self.heard.values():
            for channel in ("logs", "admin"):
                numbers = [number for where, number in heard if where == channel]
                assert numbers == sorted(set(numbers))

    @invariant()
    def bounds_hold(self):
        for lane in self.lanes._lanes.values():
            assert lane.size == sum(len(batch.body) for batch in lane.batches.values())
            assert len(lane.batches) <= 1 or lane.size <= LANE_BYTES + 131_072
        waiting = {id(batch): batch for lane in self.lanes._lanes.values() for batch in lane.batches.values()}.values()
        assert self.lanes.events == sum(len(batch.events) for batch in waiting)
        assert self.lanes.size == sum(len(batch.body) for batch in waiting)

    @rule()
    def look_for_room(self):
        """Some have no room where others are waited for; for those that have not answered for long nobody waits."""
        full = {viewer for viewer, lane in self.lanes._lanes.items() if lane.size > LANE_BYTES - BILLED_BYTES}
        has_room = self.lanes.have_room(VIEWERS, BILLED_BYTES, self.now)
        assert has_room or full
        assert not has_room or full < set(VIEWERS)
        self.now += PATIENCE
        assert self.lanes.have_room(VIEWERS, BILLED_BYTES, self.now) == (full < set(VIEWERS))

    @invariant()
    def nothing_ends_twice(self):
        assert len(self.ended) == len(set(map(id, self.ended)))

    def teardown(self):
        if not hasattr(self, "lanes"):
            return
        for _ in range(100_000):  # from now on everybody answers
            if not self.lanes:
                break
            for flight, left in self.flights:
                for viewer in left:
                    self.lanes.settle(flight, viewer, None, self.now)
                    for number in numbers_in(flight):
                        del self.unheard[viewer][number]
            self.flights.clear()
            self.now += 1.0
            self.take_off(self.lanes.depart(self.now))
        assert not self.lanes, "something waits for ever"
        assert set(map(id, self.offered)) == set(map(id, self.ended))
        for viewer, unheard in self.unheard.items():
            for number, batch in unheard.items():
                has_newer = number in self.keys and number < self.newest[viewer][self.keys[number]]
                assert batch.missed or (batch.is_superseded and has_newer)


def number_of(event):
    return int(event.body.split(b",")[0].removeprefix(b'"data":'))


def batches(number, key=None):
    return batches_of("logs", [Event(b'"data":%d' % number, 0.0, key)], shares=True)


def numbers_in(flight):
    frame = json.loads(flight.body)
    return [event["data"] for event in frame.get("events") or [frame]]


TestLanes = LanesMachine.TestCase
TestLanes.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_those_who_wait_for_the_same_get_it_in_one_flight():
    lanes = Lanes(lambda batch: None, most_events=MOST_EVENTS, max_age=30.0, random=lambda: 0.5)

    first = lanes.offer(batches(1), VIEWERS)
    assert lanes.offer(batches(2), VIEWERS) is None
    assert lanes.offer(batches(3), VIEWERS) is None
    for viewer in VIEWERS:
        lanes.settle(first, viewer, None, 0.0)
    [flight] = lanes.depart(0.0)
    assert sorted(flight.connection_ids) == VIEWERS
    assert numbers_in(flight) == [2, 3]


def test_of_several_that_wait_with_one_key_the_newest_goes_in_its_own_place():
    ended = []
    lanes = Lanes(ended.append, most_events=MOST_EVENTS, max_age=30.0, random=lambda: 0.5)
    first = lanes.offer(batches(1, "run"), VIEWERS)
    for number, key in (2, "run"), (3, None), (4, "run"), (5, "other"):
        assert lanes.offer(batches(number, key), VIEWERS) is None
    assert [(number_of(*batch.events), batch.is_superseded, batch.missed) for batch in ended] == [(2, True, None)]
    assert lanes.events == 3
    lanes.land(first, 1.0)
    assert [(number_of(*batch.events), batch.is_superseded) for batch in ended] == [(2, True), (1, True)]
    [flight] = lanes.depart(1.0)
    assert numbers_in(flight) == [3, 4, 5]


def test_what_fits_into_one_billed_message_goes_in_one_to_a_slow_connection_too_whatever_keys_it_has():
    events = [Event(b'"data":%d' % number, 0.0, f"cell {number}") for number in range(1_000, 3_330)]
    body = envelope("a-name-longer-than-the-events", [event.body for event in events])
    assert BILLED_BYTES - 100 < len(body) <= BILLED_BYTES
    lanes = Lanes(lambda batch: None, most_events=10_000, max_age=30.0, random=lambda: 0.5)
    flight = lanes.offer(batches_of("a-name-longer-than-the-events", events, shares=True), VIEWERS)
    lanes.land(flight, 1.0)
    [again] = lanes.depart(1.0)
    assert again.body == body


def test_to_drop_what_waits_for_hundreds_of_connections_looks_at_each_a_few_times():
    viewers = [f"viewer-{number}" for number in range(500)]
    ended = []
    lanes = Lanes(ended.append, most_events=MOST_EVENTS, max_age=30.0, random=lambda: 0.5)
    for number in range(MOST_EVENTS + 1):  # the first is under way
        lanes.offer(batches(number), viewers)
    calls = []
    sys.setprofile(lambda frame, kind, argument: calls.append(kind))
    try:
        lanes.offer(batches(MOST_EVENTS + 1), viewers)
    finally:
        sys.setprofile(None)
    assert [number_of(*batch.events) for batch in ended] == [1]
    assert lanes.events == MOST_EVENTS
    assert len(calls) < 50 * len(viewers)
