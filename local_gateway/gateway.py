"""The gateway as a whole: one port with a WebSocket API's stage and its management API."""

import asyncio
import contextlib
import errno
import secrets
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

from .clock import Clock
from .connections import SOCKET_BUFFER, ConnectionTable
from .environment import RoleCredentials, lambda_environment, provided_packages
from .errors import AddressError
from .event_log import EventLog
from .faults import Faults
from .integration import Integrations
from .interpreter import find_python, own_python
from .lambda_pool import LambdaPool
from .lambda_process import LambdaProcess
from .lifecycle import Lifecycle
from .management import ManagementApi, RefusedError, forbidden
from .source import Source
from .template import Function, Route, WebSocketApi

_BACKLOG = 1024  # connections that the system accepts before we do; a burst of clients fills it
_RECYCLE_EVERY = 30.0  # seconds between looks for environments that have been idle for long


@dataclass(frozen=True)
class Settings:
    """What can be set beside the template."""

    host: str = "127.0.0.1"
    port: int = 0  # 0: the system chooses
    environment: Mapping[str, str] = field(default_factory=dict)  # added to every function's own
    speed: float = 1.0  # of the clock for idle time and connection life
    buffer_limit: int = SOCKET_BUFFER  # bytes that may wait for one slow client
    is_serial: bool = False  # handle one connection's messages one after the other
    recycle_after: int | None = None  # events per Lambda environment


class Gateway:
    """Serves one API. `start`, then use the addresses, then `stop`; or `async with`."""

    def __init__(
        self,
        api: WebSocketApi,
        settings: Settings | None = None,
        *,
        faults: Faults | None = None,
        log: EventLog | None = None,
    ) -> None:
        self.api = api
        self.settings = settings or Settings()
        self.faults = faults or Faults()
        self.clock = Clock(self.settings.speed)
        self.connections = ConnectionTable()
        self.port = 0
        self._log = log or EventLog(None)
        self._workspace = tempfile.TemporaryDirectory(prefix="local-gateway-", ignore_cleanup_errors=True)
        self._provided = provided_packages()
        self._role = RoleCredentials(
            f"ASIA{secrets.token_hex(8).upper()}", secrets.token_hex(20), secrets.token_hex(40)
        )
        self._pools: dict[str, LambdaPool] = {}
        self._integrations = Integrations(lambda route: self._pools[route.function.arn])
        self._lifecycle = Lifecycle(
            lambda: self.api,
            self.connections,
            self._integrations,
            clock=self.clock,
            faults=self.faults,
            log=self._log,
            buffer_limit=self.settings.buffer_limit,
            is_serial=self.settings.is_serial,
        )
        self._management = ManagementApi(
            self.connections,
            authorize=_require_authorization,
            close=self._lifecycle.close,
            now=self.clock.now,
            faults=self.faults,
            log=self._log,
        )
        self._runner: web.ServerRunner | None = None
        self._background: list[asyncio.Task[None]] = []

    @property
    def websocket_url(self) -> str:
        return f"ws://{self._authority}/{self.api.stage}"

    @property
    def connections_url(self) -> str:
        """The address to give to SDKs as the endpoint of the management API."""
        return f"http://{self._authority}/{self.api.stage}"

    async def start(self) -> None:
        """Listen, and begin to start one environment for each function.

        Raises:
            AddressError: the address is taken or cannot be listened on.
            AssemblyError: a function's code cannot be read.
        """
        listener = self._listen()
        self.port = listener.getsockname()[1]
        for function in self.api.functions:
            self._pools[function.arn] = self._make_pool(function)
        server = web.Server(self._handle, access_log=None, auto_decompress=False)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, listener, backlog=_BACKLOG).start()
        self._background = [asyncio.create_task(self._warm()), asyncio.create_task(self._recycle())]

    async def stop(self) -> None:
        """Close every connection, stop listening, and end every process. May be called again."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._lifecycle.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))
        await self._integrations.close()
        self._workspace.cleanup()

    async def __aenter__(self) -> "Gateway":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def _authority(self) -> str:
        host = self.settings.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        parts = [unquote(part) for part in path.split("/")[1:]]
        if parts[0] != self.api.stage:
            return forbidden().response()
        if len(parts) == 3 and parts[1] == "@connections":
            return await self._management.handle(request, parts[2])
        if len(parts) == 1 or (len(parts) == 2 and not parts[1]):
            return await self._lifecycle.handle(request, query)
        return forbidden().response()

    def _listen(self) -> socket.socket:
        host, port = self.settings.host, self.settings.port
        try:
            return socket.create_server(
                (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=_BACKLOG
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise AddressError(f"port {port} is taken on {host}; give another, or --port 0 for any") from None
            raise AddressError(f"{host} port {port} cannot be listened on: {error.strerror or error}") from None
        except OverflowError:
            raise AddressError(f"port {port} does not exist; a port is between 0 and 65535") from None

    def _make_pool(self, function: Function) -> LambdaPool:
        source = Source(function, Path(self._workspace.name))
        python = find_python(function.runtime)
        if python is None:
            python = own_python()
            self._log.warn(
                f"function {function.name} names {function.runtime}, which was not found here;"
                f" it runs on Python {sys.version.split()[0]}"
            )

        async def start() -> LambdaProcess:
            return await LambdaProcess.start(
                function,
                python=python,
                root=source.root,
                version=source.look(),
                environment=lambda_environment(
                    function,
                    root=source.root,
                    region=self.api.deployment.region,
                    management_url=self.connections_url,
                    credentials=self._role,
                    extra=self.settings.environment,
                ),
                provided=self._provided,
                log=self._log.output,
            )

        return LambdaPool(start, source.look, self.faults, recycle_after=self.settings.recycle_after)

    async def _warm(self) -> None:
        """Start one environment per function, so that a handler that does not import is known now."""
        for problem in await asyncio.gather(*(pool.warm() for pool in self._pools.values())):
            if problem is not None:
                self._log.warn(problem)

    async def _recycle(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(_RECYCLE_EVERY)
                for pool in self._pools.values():
                    pool.recycle()


def _require_authorization(request: web.BaseRequest, body: bytes) -> None:
    if "Authorization" not in request.headers:
        raise RefusedError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")


__all__ = ["Gateway", "Route", "Settings"]
