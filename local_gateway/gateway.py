"""The gateway as a whole: one port with a WebSocket API's stage and its management API."""

import errno
import re
import secrets
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

from .authority import server_context, write_trusted
from .clock import Clock
from .connections.expiry import Lifetimes
from .connections.lifecycle import Lifecycle
from .connections.table import SOCKET_BUFFER, ConnectionTable
from .errors import AddressError
from .event_log import EventLog
from .faults import Faults
from .function_urls.server import FunctionUrls
from .lambdas.environment import GatewayAddress, RoleCredentials
from .lambdas.functions import Functions
from .lambdas.integration import Integrations
from .management.api import Answer, Call, ManagementApi, RefusedError, forbidden
from .management.server import PostServer
from .management.sigv4 import Credentials, SignatureError, Verifier
from .template.api import WebSocketApi
from .template.current_api import CurrentApi
from .throttle import StageThrottle

_SEGMENT = re.compile(r"[^/?#]+")  # of a path
_BACKLOG = 1024  # connections that the system accepts before we do; a burst of clients fills it


@dataclass(frozen=True)
class Settings:
    """What can be set beside the template."""

    host: str = "127.0.0.1"
    port: int = 0  # 0: the system chooses
    credentials: Credentials | None = None  # that may call @connections, beside the functions; none: a fresh pair
    is_unsigned: bool = False  # take calls to @connections without a signature, or with any
    environment: Mapping[str, str] = field(default_factory=dict)  # added to every function's own
    sources: tuple[Path, ...] = ()  # folders whose files stand in for those of the assets
    speed: float = 1.0  # of the clock for idle time and connection life
    buffer_limit: int = SOCKET_BUFFER  # bytes that may wait for one slow client
    is_serial: bool = False  # handle one connection's messages one after the other
    recycle_after: int | None = None  # events per Lambda environment
    url_port: int = 0  # of the first function URL, the others above it; 0: the system chooses
    lambda_concurrency: int | None = None  # events at once, beyond which they are refused; none: they wait


class Gateway:
    """Serves one API. `start`, then use the addresses, then `stop`; or `async with`.

    `read_again` reads the API once more when its template has changed; without it, changes wait for a restart.
    """

    def __init__(
        self,
        api: WebSocketApi,
        settings: Settings | None = None,
        *,
        faults: Faults | None = None,
        log: EventLog | None = None,
        read_again: Callable[[], WebSocketApi] | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.credentials = self.settings.credentials or _fresh_credentials()
        self.faults = faults or Faults()
        self.clock = Clock(self.settings.speed)
        self.connections = ConnectionTable()
        self.port = 0
        self._domain_name = ""  # that events tell; one text for all connections
        self._log = log or EventLog(None)
        self._current = CurrentApi(api, read_again, self._use, self._log.warn)
        self._throttle = StageThrottle(api.throttles)
        self._workspace = tempfile.TemporaryDirectory(prefix="local-gateway-", ignore_cleanup_errors=True)
        # As on AWS, a function calls with temporary credentials of its own, so its requests must carry a token.
        self._role = RoleCredentials(
            f"ASIA{secrets.token_hex(8).upper()}", secrets.token_hex(20), secrets.token_hex(40)
        )
        self._verifier = Verifier([self.credentials, Credentials(*self._role)], region=api.deployment.region)
        self._trusted = Path(self._workspace.name) / "trusted.pem"
        self._functions = Functions(
            address=lambda: GatewayAddress(self.connections_url, self._reachable_host, self.port, self._trusted),
            role=self._role,
            extra=self.settings.environment,
            workspace=Path(self._workspace.name),
            sources=self.settings.sources,
            recycle_after=self.settings.recycle_after,
            concurrency=self.settings.lambda_concurrency,
            faults=self.faults,
            log=self._log,
        )
        self._integrations = Integrations(self._functions.pool_of)
        self._lifecycle = Lifecycle(
            self._current,
            self.connections,
            self._integrations,
            authority=lambda: self._domain_name,
            admits=self._admits,
            opened=lambda connection: self._lifetimes.watch(connection),
            clock=self.clock,
            faults=self.faults,
            log=self._log,
            buffer_limit=self.settings.buffer_limit,
            is_serial=self.settings.is_serial,
        )
        self._lifetimes = Lifetimes(self.clock, self._lifecycle.close)
        self._management = ManagementApi(
            self.connections,
            authorize=self._authorize,
            close=self._lifecycle.close,
            now=self.clock.now,
            faults=self.faults,
            log=self._log,
        )
        self._function_urls = FunctionUrls(self._current, self._integrations, self._log)
        self._runner: web.ServerRunner | None = None

    @property
    def api(self) -> WebSocketApi:
        """What is served now."""
        return self._current.api

    @property
    def websocket_url(self) -> str:
        return f"ws://{self._authority}/{self.api.stage}"

    @property
    def connections_url(self) -> str:
        """The address to give to SDKs as the endpoint of the management API."""
        return f"http://{self._authority}/{self.api.stage}"

    @property
    def function_urls(self) -> Mapping[str, str]:
        """The addresses of the template's function URLs, by their logical ids."""
        return self._function_urls.urls

    async def start(self) -> None:
        """Listen, and begin to start one environment for each function.

        Raises:
            AddressError: the address is taken or cannot be listened on.
            AssemblyError: a function's code cannot be read.
        """
        listener = self._listen()
        self.port = listener.getsockname()[1]
        self._domain_name = self._authority_of(self._reachable_host)
        try:
            write_trusted(self._trusted)
            self._functions.start(self.api)
        except BaseException:
            listener.close()
            raise
        self._runner = web.ServerRunner(
            PostServer(self._handle, self._answer, self._log.warn, self._tls()), shutdown_timeout=1.0
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener, backlog=_BACKLOG).start()
        try:
            await self._function_urls.start(self.settings.host, self.settings.url_port)
        except OSError as error:
            raise _address_error(error, self.settings.host, self.settings.url_port) from None

    async def stop(self) -> None:
        """Close every connection, stop listening, and end every process. May be called again."""
        self._lifetimes.stop()
        await self._lifecycle.stop()
        await self._function_urls.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._functions.close()
        await self._integrations.close()
        self._workspace.cleanup()

    async def __aenter__(self) -> "Gateway":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def _authority(self) -> str:
        return self._authority_of(self.settings.host)

    def _authority_of(self, host: str) -> str:
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    @property
    def _reachable_host(self) -> str:
        """The host to connect to from this machine."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.settings.host, self.settings.host)  # noqa: S104

    def _tls(self) -> ssl.SSLContext:
        at = self.api.deployment
        return server_context(
            self._reachable_host, "127.0.0.1", "::1", "localhost", f"*.execute-api.{at.region}.{at.url_suffix}"
        )

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        parts = [unquote(part) for part in path.split("/")[1:]]
        if not parts or parts[0] != self.api.stage:
            return forbidden().answer().response()
        if len(parts) == 3 and parts[1] == "@connections":
            return await self._management.handle(request, parts[2])
        if len(parts) == 1 or (len(parts) == 2 and not parts[1]):
            return await self._lifecycle.handle(request, query)
        return forbidden().answer().response()

    def _answer(self, call: Call) -> Answer | None:
        """Answer a post to a connection, if that can be done at once."""
        began = time.perf_counter()
        stage, _, rest = call.target[1:].partition("/")
        collection, _, segment = rest.partition("/")
        if stage != self.api.stage or collection != "@connections" or not _SEGMENT.fullmatch(segment):
            return None
        connection_id = segment.replace("%3D", "=")  # unquote alone would be a tenth of the work of a post
        connection_id = unquote(connection_id) if "%" in connection_id else connection_id
        if self._management.delay(connection_id):
            return None
        return self._management.answer(call, connection_id, began)

    def _authorize(self, call: Call) -> None:
        if self.settings.is_unsigned:
            return
        try:
            self._verifier.verify(call.method, call.target, call.headers, call.body)
        except SignatureError as error:
            raise RefusedError(403, error.error_type, error.message) from None

    def _admits(self, route_key: str) -> bool:
        return not self.faults.is_throttled() and self._throttle.admits(route_key)

    def _use(self, api: WebSocketApi) -> None:
        self._functions.use(api)
        self._throttle = StageThrottle(api.throttles)
        self._log.note("the template has changed and is in use")

    def _listen(self) -> socket.socket:
        host, port = self.settings.host, self.settings.port
        try:
            return socket.create_server(
                (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=_BACKLOG
            )
        except OSError as error:
            raise _address_error(error, host, port) from None
        except OverflowError:
            raise AddressError(f"port {port} does not exist; a port is between 0 and 65535") from None


def _address_error(error: OSError, host: str, port: int) -> AddressError:
    if error.errno == errno.EADDRINUSE:
        return AddressError(f"port {port} is taken on {host}; give another, or 0 for any")
    return AddressError(f"{host} port {port} cannot be listened on: {error.strerror or error}")


def _fresh_credentials() -> Credentials:
    return Credentials(f"LOCAL{secrets.token_hex(8).upper()}", secrets.token_hex(20))
