"""End connections that have been idle for ten minutes or open for two hours."""

import asyncio
import heapq
from collections.abc import Callable

from ..clock import Clock
from ..limits import CONNECTION_LIFE, IDLE_TIMEOUT
from .table import GOING_AWAY, Close, Connection


class Lifetimes:
    """Watches connections with one timer for all of them.

    A message only notes its time on the connection. The timer looks at a connection when it would be over if nothing
    had been said since the last look, so 10,000 connections cost 10,000 looks in ten minutes, however much is said.
    """

    def __init__(self, clock: Clock, close: Callable[[Connection, Close], None]) -> None:
        self._clock = clock
        self._close = close
        self._looks: list[tuple[float, int, Connection]] = []  # a heap: when, a number to tell equals apart, whom
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        clock.on_advance(self._look)

    def watch(self, connection: Connection) -> None:
        """Begin to watch a connection that has just been opened; it is forgotten once it has ended."""
        connection.ends_at = self._clock.now() + CONNECTION_LIFE
        self._plan(connection)
        if self._timer is None:  # otherwise it is set for an earlier one
            self._set_timer()

    def stop(self) -> None:
        """Watch nothing any more."""
        self._looks.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _plan(self, connection: Connection) -> None:
        self._count += 1
        when = min(connection.last_active + IDLE_TIMEOUT, connection.ends_at)
        heapq.heappush(self._looks, (when, self._count, connection))

    def _look(self) -> None:
        now = self._clock.now()
        while self._looks and self._looks[0][0] <= now:
            _, _, connection = heapq.heappop(self._looks)
            if connection.close is not None:
                continue
            if now >= min(connection.last_active + IDLE_TIMEOUT, connection.ends_at):
                self._close(connection, GOING_AWAY)
            else:
                self._plan(connection)
        self._set_timer()

    def _set_timer(self) -> None:
        """Wake up for the first look, and no earlier."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._looks:
            seconds = self._clock.real_seconds_until(self._looks[0][0])
            # Rounded up to a tenth of a second, so that connections of one burst are looked at together.
            self._timer = asyncio.get_running_loop().call_later(seconds + 0.1, self._look)
