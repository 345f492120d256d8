"""A simulated workflow engine: the traffic of a team whose runs are made of language-model steps.

One thread plays all runs on a clock of its own, which can be turned faster, and publishes as an engine would that
reports on its work: one call for each event. Nothing of it runs in the API's event loop.
"""

import heapq
import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from .workflow import Event, play

MAX_SPEED = 50.0
RUN_EVERY = 10.0  # seconds between the beginnings of two runs, at speed 1
BEHIND = 0.25  # seconds that the clock may be ahead of the work
PAUSE_AFTER_FAILURE = 1.0  # seconds

log = logging.getLogger(__name__)


class Simulation:
    """Plays runs while it is started; none begins by itself until a speed is set.

    Args:
        publish: gets channel, event and data, in the engine's thread; may take its time, and may fail.
        chance: what the runs are made from; give a seeded one to repeat them.
    """

    def __init__(
        self, publish: Callable[[str, str, dict[str, Any]], None], chance: random.Random | None = None
    ) -> None:
        self._publish = publish
        self._chance = chance or random.Random()  # noqa: S311 - nothing secret
        self._condition = threading.Condition()
        self._due: list[tuple[float, int, Event | None, Iterator[Event]]] = []  # a heap, by the engine's clock
        self._order = itertools.count()
        self._clock = 0.0  # seconds
        self._looked = time.monotonic()
        self._next_run = 0.0  # on the engine's clock
        self._speed = 0.0
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._is_stopping = False
        self._looked = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="simulation", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Return once the event that is being published is out; runs end where they are."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()

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
            self._condition.notify()

    def begin_run(self, name: str | None = None) -> str:
        """Begin a run now, also while the engine is off, and return its thread id without waiting for anything."""
        with self._condition:
            self._advance()
            thread_id = self._begin(name)
            self._condition.notify()
        return thread_id

    def _begin(self, name: str | None = None) -> str:
        thread_id = uuid4().hex[:6]
        self._schedule(play(thread_id, name, self._chance), self._clock)
        return thread_id

    def _schedule(self, run: Iterator[Event], begin: float) -> None:
        event = next(run, None)
        if event is not None:
            heapq.heappush(self._due, (begin + event.after, next(self._order), event, run))

    @property
    def _pace(self) -> float:
        """How fast the clock goes: what is under way when the engine is switched off ends at the speed of life."""
        return self._speed or (1.0 if self._due else 0.0)

    def _advance(self) -> None:
        now = time.monotonic()
        self._clock += (now - self._looked) * self._pace
        self._looked = now

    def _work(self) -> None:
        while True:
            with self._condition:
                event = self._wait()
            if event is None:
                return
            try:
                self._publish(event.channel, event.name, {**event.data, "timestamp": time.time()})
            except Exception as error:
                # An engine outlives what it only reports to.
                log.warning("an event was not published: %s", error)
                with self._condition:
                    self._condition.wait_for(lambda: self._is_stopping, PAUSE_AFTER_FAILURE)

    def _wait(self) -> Event | None:
        """Wait for the next event and take it; None when the engine is to stop."""
        while not self._is_stopping:
            self._advance()
            if self._speed and self._next_run <= self._clock:
                self._begin()
                self._next_run = self._clock + RUN_EVERY * self._chance.uniform(0.6, 1.4)
            times = [self._due[0][0]] if self._due else []
            if self._speed:
                times.append(self._next_run)
            if self._due and self._due[0][0] <= self._clock:
                due, _, event, run = heapq.heappop(self._due)
                # A publisher that cannot keep up slows the engine down; the work does not pile up.
                self._clock = min(self._clock, due + BEHIND * self._pace)
                self._schedule(run, due)
                return event
            self._condition.wait((min(times) - self._clock) / self._pace if times else None)
        return None
