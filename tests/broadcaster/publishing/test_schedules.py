"""Random schedules through the real publisher, to a server that misbehaves: what holds whatever happens."""

import json
import os
import time
from contextlib import nullcontext

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadcaster import Broadcaster, ClosedError, MemoryRegistry, MessageError, RegistryError
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
CHANNELS = ["logs", "admin", "alone", "kept"]
WINDOWS = {"logs": 0.1, "admin": 0.02, "alone": 0, "kept": 0.02}
QUEUE = 60
MOST_EVENT_BYTES = 40_000
DEEDS = ["hang", "500", "429", "403", "close", "reset", "413", "slowly", "200"]

channels = st.sampled_from(CHANNELS)
pauses = st.sampled_from([0.0, 0.03])  # seconds; the shorter windows end meanwhile
steps = st.one_of(
    st.tuples(st.just("publish"), channels, st.integers(1, 30), st.sampled_from([0, 0, 0, 3_000, MOST_EVENT_BYTES])),
    st.tuples(st.just("progress"), channels, st.integers(1, 10), st.sampled_from(["run:1", "run:2"]), pauses),
    st.tuples(st.just("mistake"), channels),
    st.tuples(st.just("misbehave"), st.sampled_from(VIEWERS), st.sampled_from(DEEDS)),
    st.tuples(st.just("lose the registry")),
    st.tuples(st.just("find the registry")),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.01, 0.1, 0.4])),
    st.tuples(st.just("flush"), st.sampled_from([0.0, 0.05])),
    st.tuples(st.just("fork")),
)
closes = st.tuples(st.just("close"), st.sampled_from([0.0, 0.3]))
schedules = st.lists(steps, min_size=5, max_size=20) | st.builds(
    lambda before, close, after: [*before, close, *after],
    st.lists(steps, min_size=5, max_size=15), closes, st.lists(steps, min_size=1, max_size=6),
)  # fmt: skip


class Unwell(MemoryRegistry):
    is_well = True

    def pages(self, channel):
        if not self.is_well:
            raise RegistryError("the registry is away")
        return super().pages(channel)


class Schedule:
    """Plays the steps, and looks after each whether what has to hold does."""

    def __init__(self, sender, max_age, is_strict):
        self.server = HostileServer()
        self.server.answer_after = 0.005
        self.deeds = dict.fromkeys(VIEWERS, "200")
        self.server.script = lambda connection_id, attempt: self.deeds.get(connection_id, "200")
        self.children = 0
        self.registry = Unwell()
        self.caster = Broadcaster(
            endpoint_url=self.server.endpoint.url, region="us-east-1", registry=self.registry, sender=sender,
            window=WINDOWS, queue=QUEUE, max_age=max_age, timeout=1.5, attempts=1, history={"kept": 1_000},
            strict=is_strict,
        )  # fmt: skip
        for viewer in VIEWERS:
            self.caster.register_connection(viewer)
        self.is_strict = is_strict
        self.is_closed = False
        self.accepted = []  # channel and key of each event, by its number
        self.refused = {"invalid": 0, "closed": 0}  # as far as it was not raised

    def play(self, step):
        match step:
            case "publish", channel, number, size:
                for _ in range(number):
                    self.publish(channel, "x" * size)
            case "progress", channel, number, key, pause:
                for _ in range(number):
                    self.publish(channel, "", key)
                    time.sleep(pause)
            case "mistake", channel:
                self.publish(channel, object())
            case "close", seconds:
                self.caster.close(seconds)
                self.is_closed = True
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
                self.children += 1
                assert in_child(self.be_a_child)

    def publish(self, channel, data, key=None):
        is_mistake = not isinstance(data, str)
        refusal = ClosedError if self.is_closed else MessageError if is_mistake else None
        with pytest.raises(refusal) if refusal and self.is_strict else nullcontext():
            self.caster.publish(channel, "log", [os.getpid(), len(self.accepted), data], latest=key)
        if refusal is None:
            self.accepted.append((channel, key))
        elif not self.is_strict:
            self.refused["closed" if self.is_closed else "invalid"] += 1

    def be_a_child(self):
        self.registry.remove(VIEWERS)  # to whom its parent may be sending
        self.registry.add(f"L0SM9cOFvHd{self.children}=")  # its own: what another one posts last may still be under way
        self.registry.is_well = True
        self.accepted, self.refused = [], {"invalid": 0, "closed": 0}
        for _ in range(3):
            self.publish("logs", "")
        self.caster.flush(0.5)
        self.check()
        return True

    def check(self):
        stats = self.caster.publisher_stats()
        ended = stats.events + stats.unwatched + stats.superseded + sum(stats.dropped.values())
        assert len(self.accepted) + sum(self.refused.values()) == stats.queued + ended
        assert stats.dropped["invalid"] == self.refused["invalid"]
        assert stats.dropped["closed"] >= self.refused["closed"]
        assert self.is_closed or not stats.dropped["closed"]
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
        self.play(("close", 0.0))
        end = time.monotonic() + 20.0
        while self.caster.publisher_stats().queued:
            assert time.monotonic() < end, self.caster.publisher_stats()
            time.sleep(0.01)
        self.check()
        stats = self.caster.publisher_stats()
        lost = sum(stats.dropped.values()) - sum(self.refused.values())
        newest = {where: number for number, where in enumerate(self.accepted) if where[1] is not None}
        wanted = {*newest.values(), *(number for number, (_, key) in enumerate(self.accepted) if key is None)}
        for viewer in VIEWERS:
            own = [(channel, data[1]) for channel, _, data in shown(self.server.bodies.get(viewer, []))]
            for channel in CHANNELS:
                numbers = [number for where, number in own if where == channel]
                assert numbers == sorted(numbers), "not in the order of their publication"
            assert stats.events <= len(own)
            assert len(wanted - {number for _, number in own}) <= lost + stats.unwatched
        self.check_messages()
        self.server.close()

    def check_messages(self):
        """What holds for each message as it was posted, also where a client would drop an event that it has already."""
        numbered = {}
        for viewer in VIEWERS:
            newest = {}
            for body in self.server.bodies.get(viewer, []):
                frame = json.loads(body)
                events = frame.get("events") or [frame]
                assert len(body) <= 32_768 or len(events) == 1
                before = dict(newest)
                for _, number, _ in (event["data"] for event in events):
                    channel, key = self.accepted[number]
                    if key is not None:
                        assert newest.get((channel, key), -1) <= number, "an older one of a key after a newer one"
                        assert newest.get((channel, key)) == before.get((channel, key)), "two of a key in one message"
                        newest[channel, key] = number
                if frame["channel"] == "kept":
                    position = frame["epoch"], frame["seq"]
                    assert numbered.setdefault(position, body) == body, "one number, two messages"


@pytest.mark.parametrize("sender", ["engine", "boto3"])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(schedules, st.sampled_from([0.5, 30.0]), st.booleans(), st.booleans())
def test_counts_order_and_bounds_hold_on_any_schedule(sender, steps, max_age, is_patient, is_strict):
    schedule = Schedule(sender, max_age, is_strict)
    for step in steps:
        schedule.play(step)
        schedule.check()
    schedule.end(is_patient)
