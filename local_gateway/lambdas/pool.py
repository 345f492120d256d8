"""The execution environments of one function, like Lambda's: one event at a time in each, more when events wait."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from ..faults import Faults
from .capacity import Capacity
from .process import LambdaProcess, LambdaStartError, Outcome

# Starting more processes than this at once makes none of them ready sooner. An event that waits for one is handed to
# whichever environment is free first, so a burst of quick events is served by few processes and slow ones get one each.
_STARTING_AT_ONCE = 2 * (os.cpu_count() or 1)
# For so long an event waits for one of the environments that there are before another is started: a burst of quick
# events is over sooner than a process is ready. Seconds.
_PATIENCE = 0.02

# AWS documents neither figure; a few minutes of idleness and some hours of life are what users see.
IDLE_LIFE = 300.0  # seconds
LONGEST_LIFE = 7200.0  # seconds


class Invocation(NamedTuple):
    """One event on its way to a function."""

    event: Mapping[str, Any]
    request_id: str
    trace_id: str


class LambdaPool:
    """Runs events of one function.

    Args:
        start: makes a new environment.
        current_version: the version of the source, looked at before each event; environments of an older one are
            replaced.
        faults: delays to add.
        capacity: shared with the other functions' pools.
        concurrency: executions of this function at once, beyond which events are refused; `None` for no such limit.
        recycle_after: number of events after which an environment is replaced, `None` for no such limit.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[LambdaProcess]],
        current_version: Callable[[], int],
        faults: Faults,
        *,
        capacity: Capacity,
        concurrency: int | None = None,
        recycle_after: int | None = None,
    ) -> None:
        self._start = start
        self._current_version = current_version
        self._faults = faults
        self._capacity = capacity
        self._concurrency = concurrency
        self._recycle_after = recycle_after
        self._events = 0  # that run or wait
        self._idle: list[LambdaProcess] = []  # the last used at the end, so that the rest can grow old
        self._waiting: deque[asyncio.Future[LambdaProcess]] = deque()
        self._waiting_since = 0.0  # since when there has always been an event that waits
        self._check: asyncio.TimerHandle | None = None
        self._starting: set[asyncio.Task[str | None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._all: set[LambdaProcess] = set()
        self._version = current_version()
        self._is_closed = False
        capacity.share_with(self)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing runs, starts or waits."""
        return not self._all and not self._starting and not self._events

    async def warm(self) -> str | None:
        """Start one environment ahead of the first event; returns why it cannot be started, or `None`."""
        return await self._begin() if self._capacity.take() else None

    async def invoke(self, invocation: Invocation, *, queue_timeout: float) -> Outcome:
        """Run one event to its end. Never raises for what the function does.

        Args:
            queue_timeout: seconds after which an event is dropped that still waits for an environment.
        """
        if (self._concurrency is not None and self._events >= self._concurrency) or not self._capacity.admit():
            return Outcome(error="Rate exceeded: as many events run as the concurrency allows")
        self._events += 1
        try:
            return await self._invoke(invocation, queue_timeout)
        finally:
            self._events -= 1
            self._capacity.leave()

    async def _invoke(self, invocation: Invocation, queue_timeout: float) -> Outcome:
        if self._faults.lambda_delay:
            await asyncio.sleep(self._faults.lambda_delay)
        cold_start = None
        environment = self._take()
        if environment is None:
            began = time.monotonic()
            try:
                environment = await self._wait(queue_timeout)
            except (LambdaStartError, TimeoutError) as error:
                return Outcome(error=str(error), seconds=time.monotonic() - began)
            if environment.events == 0:
                cold_start = time.monotonic() - began
        try:
            outcome = await environment.invoke(
                invocation.event, request_id=invocation.request_id, trace_id=invocation.trace_id
            )
        except asyncio.CancelledError:
            self._end(environment)
            raise
        self._give(environment)
        return outcome if cold_start is None else outcome._replace(cold_start=cold_start)

    async def _wait(self, queue_timeout: float) -> LambdaProcess:
        """Wait in turn for an environment that gets free or is started.

        Raises:
            LambdaStartError: the one that was started for this event does not start.
            TimeoutError: none was free in time.
        """
        waiter: asyncio.Future[LambdaProcess] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._waiting_since = time.monotonic()
        self._waiting.append(waiter)
        self.start_more()
        try:
            await asyncio.wait({waiter}, timeout=queue_timeout)
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give(waiter.result())
            raise
        finally:
            waiter.cancel()
        if waiter.cancelled():
            raise TimeoutError(f"no process was free within {queue_timeout:g} s")
        return waiter.result()

    def recycle(self, idle_life: float = IDLE_LIFE) -> None:
        """End environments that have been idle or alive for long, in seconds."""
        now = time.monotonic()
        for environment in list(self._idle):
            if now - environment.last_used > idle_life or now - environment.started > LONGEST_LIFE:
                self._idle.remove(environment)
                self._end(environment)

    async def close(self) -> None:
        """End every environment, whatever it is doing, and wait until all have gone."""
        self._is_closed = True
        self._capacity.forget(self)
        if self._check is not None:
            self._check.cancel()
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        for waiter in self._waiting:
            waiter.cancel()
        await asyncio.gather(*self._ending, *(environment.kill() for environment in self._all))

    def _take(self) -> LambdaProcess | None:
        """Take a free environment with the current source; `None` if there is none."""
        self._version = self._current_version()
        while self._idle:
            environment = self._idle.pop()
            if environment.is_alive and environment.version == self._version:
                environment.thaw()
                return environment
            self._end(environment)
        return None

    def _give(self, environment: LambdaProcess) -> None:
        """Hand a free environment to the event that waits longest, or freeze it."""
        is_spent = self._recycle_after is not None and environment.events >= self._recycle_after
        is_old = environment.version != self._version
        is_over = is_spent or is_old or self._is_closed or not environment.is_alive
        if is_over or self._capacity.is_wanted_by_another(self):
            self._end(environment)
            self.start_more()
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(environment)
                return
        environment.freeze()
        self._idle.append(environment)

    @property
    def is_starving(self) -> bool:
        """Whether events wait and there is no environment that will take them."""
        return not self._all and not self._starting and any(not waiter.done() for waiter in self._waiting)

    def give_up_idle(self) -> bool:
        """End an environment that has nothing to do; returns whether there was one."""
        if not self._idle:
            return False
        self._end(self._idle.pop(0))
        return True

    def start_more(self) -> None:
        """Begin to start environments for the events that wait, a few at a time."""
        while self._waiting and self._waiting[0].done():  # nobody waits for it any more
            self._waiting.popleft()
        waited = time.monotonic() - self._waiting_since
        if self._all and self._waiting and waited < _PATIENCE:
            if self._check is None:
                self._check = asyncio.get_running_loop().call_later(_PATIENCE - waited, self._check_again)
            return
        while (
            len(self._starting) < min(_STARTING_AT_ONCE, len(self._waiting))
            and not self._is_closed
            and self._capacity.take()
        ):
            self._begin()

    def _check_again(self) -> None:
        self._check = None
        self.start_more()

    def _begin(self) -> asyncio.Task[str | None]:
        task = asyncio.create_task(self._start_one())
        self._starting.add(task)
        task.add_done_callback(self._started)
        return task

    def _started(self, task: asyncio.Task[str | None]) -> None:
        self._starting.discard(task)
        self.start_more()

    async def _start_one(self) -> str | None:
        """Start one environment for whichever event waits longest then; returns why it cannot be started."""
        try:
            environment = await self._add()
        except LambdaStartError as error:
            self._capacity.release()
            while self._waiting:
                waiter = self._waiting.popleft()
                if not waiter.done():
                    waiter.set_exception(error)
                    break
            return str(error)
        self._give(environment)
        return None

    async def _add(self) -> LambdaProcess:
        if self._faults.cold_start:
            await asyncio.sleep(self._faults.cold_start)
        environment = await self._start()
        self._all.add(environment)
        return environment

    def _end(self, environment: LambdaProcess) -> None:
        """End one environment in the background."""
        self._all.discard(environment)
        task = asyncio.create_task(self._kill(environment))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _kill(self, environment: LambdaProcess) -> None:
        await environment.kill()
        self._capacity.release()
