"""Random schedules through the real publisher, to a server that misbehaves: what holds whatever happens."""

import json
import os
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadcaster import Broadcaster, MemoryRegistry, RegistryError
from broadcaster.publishing.lanes import LANE_BYTES
from tests.broadcaster.conftest import HostileServer
from tests.broadcaster.publishing.received import shown
from tests.broadcaster.test_forks import in_child

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("aws_keys"),
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]
VIEWERS = [f"L0SM9cOFvHc{number}=" for number in range(3)]
CHILDS_VIEWER = "L0SM9cOFvHc9="
CHANNELS = ["logs", "admin", "alone"]
WINDOWS = {"logs": 0.1, "admin": 0.02, "alone": 0}
QUEUE = 60
MOST_EVENT_BYTES = 40_000
DEEDS = ["hang", "500", "429", "403", "close", "reset", "413", "slowly", "200"]

channels = st.sampled_from(CHANNELS)
steps = st.one_of(
    st.tuples(st.just("publish"), channels, st.integers(1, 30), st.sampled_from([0, 0, 0, 3_000, MOST_EVENT_BYTES])),
    st.tuples(st.just("latest"), channels, st.integers(1, 10)),
    st.tuples(st.just("mistake"), channels),
    st.tuples(st.just("misbehave"), st.sampled_from(VIEWERS), st.sampled_from(DEEDS)),
    st.tuples(st.just("lose the registry")),
    st.tuples(st.just("find the registry")),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.01, 0.1, 0.4])),
    st.tuples(st.just("flush"), st.sampled_from([0.0, 0.05])),
    st.tuples(st.just("fork")),
)


class Unwell(MemoryRegistry):
    is_well = True

    def pages(self, channel):
        if not self.is_well:
            raise RegistryError("the registry is away")
        return super().pages(channel)


class Schedule:
    """Plays the steps, and looks after each whether what has to hold does."""

    def __init__(self, sender, max_age):
        self.server = HostileServer()
        self.server.answer_after = 0.005
        self.deeds = dict.fromkeys((*VIEWERS, CHILDS_VIEWER), "200")
        self.server.script = lambda connection_id, attempt: self.deeds[connection_id]
        self.registry = Unwell()
        self.caster = Broadcaster(
            endpoint_url=self.server.endpoint.url, region="us-east-1", registry=self.registry, sender=sender,
            window=WINDOWS, queue=QUEUE, max_age=max_age, timeout=1.5, attempts=1,
        )  # fmt: skip
        for viewer in VIEWERS:
            self.caster.register_connection(viewer)
        self.published = 0
        self.mistakes = 0

    def play(self, step):
        match step:
            case "publish", channel, number, size:
                for _ in range(number):
                    self.published += 1
                    self.caster.publish(channel, "log", [os.getpid(), self.published, "x" * size])
            case "latest", channel, number:
                for _ in range(number):
                    self.published += 1
                    self.caster.publish(channel, "log", [os.getpid(), self.published, ""], latest="key")
            case "mistake", channel:
                self.mistakes += 1
                self.caster.publish(channel, "log", object())
            case "misbehave", viewer, deed:
                self.deeds[viewer] = deed
            case ("lose the registry",):
                self.registry.is_well = False
            case ("find the registry",):
                self.registry.is_well = True
            case "wait", seconds:
                time.sleep(seconds)
            case "flush", seconds:
                self.caster.flush(seconds)
            case ("fork",) if hasattr(os, "fork"):
                assert in_child(self.be_a_child)

    def be_a_child(self):
        for viewer in VIEWERS:  # to whom its parent may be sending
            self.caster.unregister_connection(viewer)
        self.caster.register_connection(CHILDS_VIEWER)
        self.registry.is_well = True
        for number in range(3):
            self.caster.publish("logs", "log", [os.getpid(), number, ""])
        self.caster.flush(0.5)
        stats = self.caster.publisher_stats()
        return stats.queued + stats.events + stats.unwatched + sum(stats.dropped.values()) == 3

    def check(self):
        stats = self.caster.publisher_stats()
        ended = stats.events + stats.unwatched + stats.superseded + sum(stats.dropped.values())
        assert self.published + self.mistakes == stats.queued + ended
        assert stats.dropped["invalid"] == self.mistakes
        assert self.server.most_at_once_to_one <= 1, "two messages in flight to one connection"
        if (publisher := self.caster._publisher) is not None:
            with publisher._mailbox.open() as backlog:
                assert backlog.count <= QUEUE
            if (courier := publisher._courier) is not None:
                for lane in list(courier._lanes._lanes.values()):
                    assert lane.size <= LANE_BYTES + 131_072

    def end(self, is_patient):
        self.registry.is_well = True
        if is_patient:
            self.deeds |= dict.fromkeys(VIEWERS, "200")
            assert self.caster.flush(60.0)
        self.caster.close(0.0)
        end = time.monotonic() + 20.0
        while self.caster.publisher_stats().queued:
            assert time.monotonic() < end, self.caster.publisher_stats()
            time.sleep(0.01)
        self.check()
        stats = self.caster.publisher_stats()
        lost = sum(stats.dropped.values()) - self.mistakes
        for viewer in VIEWERS:
            received = shown(self.server.bodies.get(viewer, []))
            own = [(channel, data[1]) for channel, _, data in received if data[0] == os.getpid()]
            for channel in CHANNELS:
                numbers = [number for where, number in own if where == channel]
                assert numbers == sorted(numbers), "not in the order of their publication"
            assert stats.events <= len(own)
            assert self.published - stats.superseded - stats.unwatched - len(own) <= lost
        for body in (body for bodies in self.server.bodies.values() for body in bodies):
            assert len(body) <= 32_768 or "events" not in json.loads(body)
        self.server.close()


@pytest.mark.parametrize("sender", ["engine", "boto3"])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=5, max_size=20), st.sampled_from([0.5, 30.0]), st.booleans())
def test_counts_order_and_bounds_hold_on_any_schedule(sender, steps, max_age, is_patient):
    schedule = Schedule(sender, max_age)
    for step in steps:
        schedule.play(step)
        schedule.check()
    schedule.end(is_patient)
