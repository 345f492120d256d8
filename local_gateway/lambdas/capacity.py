"""How many events and processes the functions of one gateway have at once, whatever clients send."""

import os
from typing import Protocol

# Lambda would start a thousand; one process takes about 20 MB, and more than a few per core finish no sooner.
PROCESSES = max(8, 4 * (os.cpu_count() or 1))


class Pool(Protocol):
    """What shares the capacity."""

    @property
    def is_starving(self) -> bool:
        """Whether events wait and there is no process that will take them."""

    def give_up_idle(self) -> bool:
        """End a process that has nothing to do; returns whether there was one."""

    def start_more(self) -> None:
        """Start processes for what waits, if it may."""


class Capacity:
    """Bounds processes, and refuses events beyond a concurrency if one was given.

    Args:
        concurrency: executions at once over all functions, as an account's quota on AWS; `None` lets events wait for
            one of `PROCESSES` processes instead.
    """

    def __init__(self, concurrency: int | None = None) -> None:
        self._most_events = concurrency
        self._most_processes = PROCESSES if concurrency is None else concurrency
        self._events = 0
        self._processes = 0
        self._pools: dict[Pool, None] = {}  # in their order

    def share_with(self, pool: Pool) -> None:
        self._pools[pool] = None

    def forget(self, pool: Pool) -> None:
        self._pools.pop(pool, None)

    def admit(self) -> bool:
        """Count an event; `False` if it is refused."""
        if self._most_events is not None and self._events >= self._most_events:
            return False
        self._events += 1
        return True

    def leave(self) -> None:
        """Note that an event which was admitted has ended."""
        self._events -= 1

    def take(self) -> bool:
        """Take the place of one process; if all are taken, ask a pool to end an idle one, whose place is free later."""
        if self._processes < self._most_processes:
            self._processes += 1
            return True
        any(pool.give_up_idle() for pool in self._pools)
        return False

    def release(self) -> None:
        """Note that a process has gone, and let the pools have its place, one that has none first."""
        self._processes -= 1
        for pool in sorted(self._pools, key=lambda pool: not pool.is_starving):
            pool.start_more()

    def is_wanted_by_another(self, than: Pool) -> bool:
        """Tell whether all places are taken, and another pool waits without a process."""
        return self._processes >= self._most_processes and any(
            pool.is_starving for pool in self._pools if pool is not than
        )
