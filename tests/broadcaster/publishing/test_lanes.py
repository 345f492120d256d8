"""What may go to whom: never two messages under way to one connection, each in order, each batch ended once."""

import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from broadcaster.messages import envelope
from broadcaster.publishing.backlog import BILLED_BYTES
from broadcaster.publishing.lanes import LANE_BYTES, PATIENCE, Batch, Lanes
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
        self.flights = []  # [flight, connection ids without an outcome]
        self.heard = {viewer: [] for viewer in VIEWERS}
        self.gone = set()
        self.number = 0

    def take_off(self, flights):
        for flight in flights:
            for _, left in self.flights:
                assert not set(left) & set(flight.connection_ids), "two messages under way to one connection"
            self.flights.append((flight, list(flight.connection_ids)))

    @rule(
        channel=st.sampled_from(["logs", "admin"]),
        events=st.integers(1, 3),
        size=st.integers(0, 40_000),
        shares=st.booleans(),
        viewers=st.sets(st.sampled_from(VIEWERS), min_size=1),
    )
    def offer(self, channel, events, size, shares, viewers):
        made = []
        for _ in range(events):
            self.number += 1
            made.append(Event(b'"data":%d,"x":"%b"' % (self.number, b"x" * size), self.now, None))
        batch = Batch(channel, made, envelope(channel, [event.body for event in made]), shares=shares)
        self.offered.append((batch, sorted(viewers)))
        flight = self.lanes.offer(batch, sorted(viewers))
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
            frame = json.loads(flight.body)
            events = frame.get("events") or [frame]
            self.heard[viewer] += [(frame["channel"], event["data"]) for event in events]
            self.lanes.settle(flight, viewer, None, self.now)
        else:
            if outcome == "gone":
                self.heard[viewer].clear()  # whoever comes under this id is somebody new
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
            assert lane.size == sum(len(batch.body) for batch in lane.batches)
            assert len(lane.batches) <= 1 or lane.size <= LANE_BYTES + 131_072
        waiting = {id(batch): batch for lane in self.lanes._lanes.values() for batch in lane.batches}.values()
        assert self.lanes.events == sum(len(batch.events) for batch in waiting)
        assert self.lanes.size == sum(len(batch.body) for batch in waiting)

    @rule()
    def look_for_room(self):
        """Some have no room where others are waited for; for those that have not answered for long nobody waits."""
        full = {viewer for viewer, lane in self.lanes._lanes.items() if lane.size > LANE_BYTES - BILLED_BYTES}
        has_room = self.lanes.have_room(VIEWERS, self.now)
        assert has_room or full
        assert not has_room or full < set(VIEWERS)
        self.now += PATIENCE
        assert self.lanes.have_room(VIEWERS, self.now) == (full < set(VIEWERS))

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
            self.flights.clear()
            self.now += 1.0
            self.take_off(self.lanes.depart(self.now))
        assert not self.lanes, "something waits for ever"
        assert {id(batch) for batch, _ in self.offered} == set(map(id, self.ended))


TestLanes = LanesMachine.TestCase
TestLanes.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_those_who_wait_for_the_same_get_it_in_one_flight():
    lanes = Lanes(lambda batch: None, most_events=MOST_EVENTS, max_age=30.0, random=lambda: 0.5)

    def batch(number):
        return Batch("logs", [Event(b'"data":%d' % number, 0.0, None)], b"x" * 50, shares=True)

    first = lanes.offer(batch(1), VIEWERS)
    assert lanes.offer(batch(2), VIEWERS) is None
    assert lanes.offer(batch(3), VIEWERS) is None
    for viewer in VIEWERS:
        lanes.settle(first, viewer, None, 0.0)
    [flight] = lanes.depart(0.0)
    assert sorted(flight.connection_ids) == VIEWERS
    assert [event["data"] for event in json.loads(flight.body)["events"]] == [2, 3]
