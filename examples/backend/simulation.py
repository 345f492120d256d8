"""A simulated workflow engine: the traffic of a team whose runs are made of language-model steps.

A few workers play all runs on a clock of their own, which can be turned faster, and publish as an engine would that
reports on its work: one call for each event, in order within a run. Nothing of it runs in the API's event loop.
"""

import heapq
import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import uuid4

from .workflow import Event, play

MAX_SPEED = 50.0
WORKERS = 4
MAX_RUNS = 200  # under way at once
RUN_EVERY = 10.0  # seconds between the beginnings of two runs, at speed 1
BEHIND = 0.25  # seconds that the clock may be ahead of the work
PAUSE_AFTER_FAILURE = 1.0  # seconds

log = logging.getLogger(__name__)


class TooManyRuns(Exception):
    """As many runs are under way as the engine takes, in a sentence."""


class Due(NamedTuple):
    """An event that waits in the heap, and the run that it is of."""

    at: float  # on the engine's clock
    order: int
    event: Event
    run: Iterator[Event]


class Simulation:
    """Plays runs while it is started; none begins by itself until a speed is set.

    Args:
        publish: gets channel, event and data, in a thread of the engine's; may take its time, and may fail.
        chance: what the runs are made from; give a seeded one to repeat them.
    """

    def __init__(
        self, publish: Callable[[str, str, dict[str, Any]], None], chance: random.Random | None = None
    ) -> None:
        self._publish = publish
        self._chance = chance or random.Random()  # noqa: S311 - nothing secret
        self._condition = threading.Condition()
        self._due: list[Due] = []  # a heap
        self._order = itertools.count()
        self._clock = 0.0  # seconds
        self._looked = time.monotonic()
        self._next_run = 0.0  # on the engine's clock
        self._speed = 0.0
        self._under_way = 0  # runs
        self._is_stopping = False
        self._workers: list[threading.Thread] = []

    def start(self) -> None:
        self._is_stopping = False
        self._looked = time.monotonic()
        self._workers = [threading.Thread(target=self._work, name=f"engine-{n}", daemon=True) for n in range(WORKERS)]
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Return once the events that are being published are out; runs end where they are."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()
        for worker in self._workers:
            worker.join()

    @property
    def speed(self) -> float:
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        with self._condition:
            self._advance()
            if not self._speed:
                self._next_run = self._clock
            self._speed = speed
            self._condition.notify_all()

    def begin_run(self, name: str | None = None) -> str:
        """Begin a run now, also while the engine is off, and return its thread id without waiting for anything.

        Raises:
            TooManyRuns: `MAX_RUNS` are under way.
        """
        with self._condition:
            if self._under_way >= MAX_RUNS:
                raise TooManyRuns(f"{MAX_RUNS} simulated runs are under way; wait until some of them have ended")
            self._advance()
            thread_id = self._begin(name)
            self._condition.notify_all()
        return thread_id

    def _begin(self, name: str | None = None) -> str:
        thread_id = uuid4().hex[:6]
        self._under_way += 1
        self._schedule(play(thread_id, name, self._chance), self._clock)
        return thread_id

    def _schedule(self, run: Iterator[Event], begin: float) -> None:
        event = next(run, None)
        if event is None:
            self._under_way -= 1
        else:
            heapq.heappush(self._due, Due(begin + event.after, next(self._order), event, run))

    @property
    def _pace(self) -> float:
        """How fast the clock goes: what is under way when the engine is switched off ends at the speed of life."""
        return self._speed or (1.0 if self._under_way else 0.0)

    def _advance(self) -> None:
        now = time.monotonic()
        self._clock += (now - self._looked) * self._pace
        self._looked = now

    def _work(self) -> None:
        while True:
            with self._condition:
                due = self._wait()
            if due is None:
                return
            channel, name, data = due.event[1:]
            try:
                self._publish(channel, name, {**data, "timestamp": time.time()})
            except Exception as error:
                # An engine outlives what it only reports to.
                log.warning("an event was not published: %s", error)
                with self._condition:
                    self._condition.wait_for(lambda: self._is_stopping, PAUSE_AFTER_FAILURE)
            with self._condition:
                # Only now, so that no other worker overtakes.
                self._schedule(due.run, due.at)
                self._condition.notify()

    def _wait(self) -> Due | None:
        """Wait for the next event and take it; None when the engine is to stop."""
        while not self._is_stopping:
            self._advance()
            if self._speed and self._next_run <= self._clock:
                if self._under_way < MAX_RUNS:
                    self._begin()
                self._next_run = self._clock + RUN_EVERY * self._chance.uniform(0.6, 1.4)
            if self._due and self._due[0].at <= self._clock:
                due = heapq.heappop(self._due)
                # A publisher that cannot keep up slows the engine down; the work does not pile up.
                self._clock = min(self._clock, due.at + BEHIND * self._pace)
                return due
            times = [self._due[0].at] if self._due else []
            if self._speed:
                times.append(self._next_run)
            self._condition.wait((min(times) - self._clock) / self._pace if times else None)
        return None
