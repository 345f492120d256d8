"""The clock that idle time and connection life are measured on; it can run faster and be moved forward."""

import time
from collections.abc import Callable


class Clock:
    """Seconds that pass `speed` times as fast as real ones.

    Lambdas, their timeouts and the timestamps in events stay on real time: they meet the world outside.
    """

    def __init__(self, speed: float = 1.0, real: Callable[[], float] = time.monotonic) -> None:
        self.speed = speed
        self._real = real
        self._start = real()
        self._moved = 0.0
        self._on_advance: list[Callable[[], None]] = []

    def now(self) -> float:
        """Return the seconds since the clock was made."""
        return (self._real() - self._start) * self.speed + self._moved

    def real_seconds_until(self, when: float) -> float:
        """Return how long to wait, in real seconds, for this clock to show `when`."""
        return max(0.0, (when - self.now()) / self.speed)

    def advance(self, seconds: float) -> None:
        """Move the clock forward; whoever waits for a time that has now come is told."""
        self._moved += seconds
        for notify in self._on_advance:
            notify()

    def on_advance(self, notify: Callable[[], None]) -> None:
        """Have `notify` called after each move."""
        self._on_advance.append(notify)
