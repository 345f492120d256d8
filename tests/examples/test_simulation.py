"""The simulated engine: what a run says, how the speed is turned, and that it never holds anybody up."""

import random
import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.backend.simulation import MAX_RUNS, Simulation, TooManyRuns
from examples.backend.workflow import play

ENDS = ("completed", "failed", "cancelled")


@given(st.integers())
def test_a_run_is_five_to_ten_admin_events_and_some_two_hundred_lines(seed):
    events = list(play("abc123", None, random.Random(seed)))
    admin = [event.data for event in events if event.channel == "admin"]
    lines = [event.data for event in events if event.channel == "logs"]
    assert all(event.data["thread_id"] == "abc123" for event in events)
    assert all(event.after >= 0 for event in events)
    assert admin[0]["type"] == "run_started"
    if admin[-1]["type"] == "run_rejected":
        assert len(admin) == 3
        assert lines == []
        return
    assert 5 <= len(admin) <= 10
    assert admin[-1]["status"] in ENDS
    if admin[-1]["status"] == "completed":
        assert 190 <= len(lines) <= 260
    phases = Counter(data["event_id"] for data in admin if data["type"] == "workflow_ui_update")
    assert max(phases.values()) <= 2
    known = {data.get("event_id") for data in admin} | {None}
    assert all(data.get("parent_event_id") in known for data in admin)


class Published:
    """What the engine has published, and a way to wait for it."""

    def __init__(self):
        self.events = []
        self.failing = False
        self._condition = threading.Condition()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, channel, event, data):
        self.gate.wait(20)
        with self._condition:
            self.events.append(data)
            self._condition.notify_all()
        if self.failing:
            raise OSError("nobody is there")

    def wait_for(self, is_true):
        with self._condition:
            assert self._condition.wait_for(lambda: is_true(self.events), 60)

    def of(self, thread_id):
        return [data for data in self.events if data["thread_id"] == thread_id]


@pytest.fixture
def published():
    return Published()


@pytest.fixture
def engine(published):
    engine = Simulation(published, random.Random(7))
    engine.start()
    yield engine
    published.gate.set()
    engine.stop()


def is_over(events):
    return any(data.get("status") in ENDS or data["type"] == "run_rejected" for data in events if "type" in data)


def test_nothing_happens_until_it_is_asked_for(engine, published):
    first = engine.begin_run("by hand")
    published.wait_for(lambda events: len(events) >= 3)
    assert {data["thread_id"] for data in published.events} == {first}
    assert published.events[0]["run_name"] == "by hand"


def test_runs_begin_by_themselves_once_there_is_a_speed_and_go_on_to_their_end(engine, published):
    engine.speed = 50
    published.wait_for(lambda events: len({data["thread_id"] for data in events}) >= 5 and is_over(events))
    engine.speed = 0


def test_events_of_a_run_come_in_order_however_many_workers_there_are(engine, published):
    engine.speed = 50
    published.wait_for(lambda events: is_over(events) and len(events) > 500)
    engine.speed = 0
    for thread_id in {data["thread_id"] for data in published.events}:
        events = published.of(thread_id)
        assert events[0]["type"] == "run_started"
        assert [data["timestamp"] for data in events] == sorted(data["timestamp"] for data in events)


def test_a_publisher_that_hangs_holds_up_nobody_who_starts_a_run_or_turns_the_speed(engine, published):
    published.gate.clear()
    engine.speed = 50
    for _ in range(10):
        engine.begin_run()  # returns, although every worker is stuck or soon will be
    engine.speed = 1
    published.gate.set()
    published.wait_for(lambda events: len(events) >= 10)


def test_a_publisher_that_fails_does_not_end_the_engine(engine, published):
    published.failing = True
    engine.begin_run("while nobody is there")
    published.wait_for(lambda events: len(events) >= 1)
    published.failing = False
    engine.begin_run("after")
    published.wait_for(lambda events: any(data.get("run_name") == "after" for data in events))


def test_no_more_runs_begin_than_the_engine_takes(engine, published):
    published.gate.clear()  # none of them ends
    for _ in range(MAX_RUNS):
        engine.begin_run()
    with pytest.raises(TooManyRuns, match="200 simulated runs are under way"):
        engine.begin_run()


def test_a_speed_beyond_the_limits_is_refused(backend, cookie):
    for speed in (-1, 51, "fast"):
        assert backend.ask("PUT", "/simulation", {"speed": speed}, Cookie=cookie).status == 422


@pytest.mark.slow
def test_a_backend_can_be_started_with_traffic(simulating_backend):
    cookie = simulating_backend.sign_in()
    assert simulating_backend.ask("GET", "/simulation", Cookie=cookie).json == {"speed": 2}
