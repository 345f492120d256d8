"""The functions behind the routes, each with its pool of execution environments."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..event_log import EventLog
from ..faults import Faults
from ..template.api import Function, Route, WebSocketApi
from .capacity import Capacity
from .environment import GatewayAddress, RoleCredentials, lambda_environment, provided_packages
from .interpreter import find_python, own_python
from .pool import LambdaPool
from .process import Endpoint, LambdaProcess
from .source import Source

_RECYCLE_EVERY = 30.0  # seconds between looks for environments that have been idle for long


class Functions:
    """Starts and keeps what runs the functions of an API.

    Args:
        address: gives where a function finds the gateway.
        role: the credentials that a function gets.
        extra: variables to add to every function's environment.
        workspace: a folder for what has to be unpacked.
        sources: folders whose files stand in for those of the assets.
        recycle_after: number of events after which an environment is replaced.
        concurrency: executions at once over all functions, beyond which events are refused; `None` lets them wait.
    """

    def __init__(
        self,
        *,
        address: Callable[[], GatewayAddress],
        role: RoleCredentials,
        extra: Mapping[str, str],
        workspace: Path,
        sources: Sequence[Path],
        recycle_after: int | None,
        concurrency: int | None,
        faults: Faults,
        log: EventLog,
    ) -> None:
        self._address = address
        self._role = role
        self._extra = extra
        self._workspace = workspace
        self._sources = sources
        self._recycle_after = recycle_after
        self._capacity = Capacity(concurrency)
        self._faults = faults
        self._log = log
        self._provided = provided_packages()
        self._pools: dict[str, tuple[Function, LambdaPool]] = {}  # by the function's ARN
        self._retired: list[LambdaPool] = []  # of functions as they were before a change of the template
        self._background: set[asyncio.Task[None]] = set()

    def start(self, api: WebSocketApi) -> None:
        """Serve the functions of `api`, and end environments from time to time.

        Raises:
            AssemblyError: a function's code cannot be read.
        """
        self.use(api)
        self._spawn(self._recycle())

    def use(self, api: WebSocketApi) -> None:
        """Serve the functions of `api`: those that are unchanged go on, the others end when what they run has ended.

        One environment of each new function is started at once, so that a handler that does not import is told now.

        Raises:
            AssemblyError: a function's code cannot be read; nothing has changed then.
        """
        kept, made = {}, {}
        for function in api.functions:
            known = self._pools.get(function.arn)
            if known is not None and known[0] == function:
                kept[function.arn] = known
            else:
                made[function.arn] = (function, self._make_pool(function, api))
        self._retired += [pool for arn, (_, pool) in self._pools.items() if arn not in kept]
        self._pools = {**kept, **made}
        for _, pool in made.values():
            self._spawn(self._warm(pool))

    def pool_of(self, route: Route) -> LambdaPool:
        """Return the pool that runs a route's events."""
        return self._pools[route.function.arn][1]

    async def close(self) -> None:
        """End every process."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        pools = [*self._retired, *(pool for _, pool in self._pools.values())]
        await asyncio.gather(*(pool.close() for pool in pools))

    def _make_pool(self, function: Function, api: WebSocketApi) -> LambdaPool:
        source = Source(function, self._workspace, self._sources)
        python = find_python(function.runtime)
        if python is None:
            python = own_python()
            self._log.warn(
                f"function {function.name} names {function.runtime}, which was not found here;"
                f" it runs on Python {sys.version.split()[0]}"
            )
        running_on = python

        async def start() -> LambdaProcess:
            return await LambdaProcess.start(
                function,
                python=running_on,
                root=source.root,
                version=source.look(),
                environment=lambda_environment(
                    function,
                    root=source.root,
                    region=api.deployment.region,
                    address=self._address(),
                    credentials=self._role,
                    extra=self._extra,
                ),
                provided=self._provided,
                endpoint=Endpoint(api.host, self._address().host, self._address().port),
                log=self._log.output,
            )

        return LambdaPool(
            start,
            source.look,
            self._faults,
            capacity=self._capacity,
            concurrency=function.concurrency,
            recycle_after=self._recycle_after,
        )

    async def _warm(self, pool: LambdaPool) -> None:
        problem = await pool.warm()
        if problem is not None:
            self._log.warn(problem)

    async def _recycle(self) -> None:
        while True:
            await asyncio.sleep(_RECYCLE_EVERY)
            for _, pool in self._pools.values():
                pool.recycle()
            for pool in self._retired:
                pool.recycle(idle_life=0.0)
            for pool in [pool for pool in self._retired if pool.is_quiet]:
                self._retired.remove(pool)
                await pool.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
