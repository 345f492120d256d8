"""The gateway for tests, in a thread of its own, with clients, a clock to move and faults to set.

`LocalGateway` is what the pytest fixtures give; it works as well without pytest:

    with LocalGateway(template="cdk.out") as gateway, gateway.connect() as client:
        client.send({"action": "ping"})
        assert client.receive().json() == {"type": "pong"}
"""

import asyncio
import concurrent.futures
import difflib
import inspect
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiohttp

from ..errors import ArgumentError, AssemblyError
from ..event_log import EventLog
from ..faults import Faults
from ..gateway import Gateway, Settings
from ..template.api import read_api
from .client import Client, HandshakeRefusedError
from .handler_api import EVERY_ROUTE, api_of_handler

_Result = TypeVar("_Result")
_LOG_LINES_IN_ERROR = 5
_START_WAIT = 30.0  # seconds until it listens; no function is waited for


class MonkeyPatch(Protocol):
    """What is used of pytest's fixture of that name."""

    def setenv(self, name: str, value: str) -> None: ...
    def delenv(self, name: str, raising: bool = True) -> None: ...


class LocalGateway:
    """A gateway on a port of its own, and in a thread of its own. Methods may be called from any thread.

    Serves a synthesized stack (`template`: the folder `cdk.out`, or one template file) or one handler (`handler`:
    `folder/module.function`, a function, or "broadcaster" for the one that this library deploys; `source`: a module's
    text). Relative paths start from `root`.

    Args:
        routes: with a handler, the keys that lead to it; all but `$connect` and `$disconnect` have a route response.
        timeout: with a handler, its own, in seconds.
        memory: with a handler, in MB.
        api, stage, region: which API and stage of the template, if it has several; its region, if it names none.
        faults: those in force from the start; they may be changed later in `faults`.
        settings: fields of `local_gateway.gateway.Settings`, e.g. `environment={"NAME": "value"}`, `is_unsigned=True`.

    Raises:
        GatewayError: what is to be served is wrong or missing.
    """

    def __init__(
        self,
        *,
        template: str | Path | None = None,
        handler: str | Callable[[Any, Any], Any] | None = None,
        source: str | None = None,
        root: Path | None = None,
        routes: Sequence[str] = EVERY_ROUTE,
        timeout: float = 10.0,
        memory: int = 256,
        api: str | None = None,
        stage: str | None = None,
        region: str | None = None,
        faults: Faults | None = None,
        **settings: Any,
    ) -> None:
        self._settings = _settings(settings)
        if sum(given is not None for given in (template, handler, source)) != 1:
            raise AssemblyError("the gateway serves one of template=, handler= and source=; give exactly one of them")
        root = root or Path.cwd()
        if template is not None:
            self._read = partial(read_api, root / template, api=api, stage=stage, region=region)
        else:
            self._read = partial(
                api_of_handler,
                handler,
                source=source,
                routes=routes,
                stage=stage or "production",
                region=region or "us-east-1",
                timeout=timeout,
                memory=memory,
                root=root,
            )
        self._faults = faults or Faults()
        self._lines = _Lines()
        self._clients: list[Client] = []
        self._gateway = Gateway(
            self._read(), self._settings, faults=self._faults, log=EventLog(self._lines), read_again=self._read
        )
        self._started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="local-gateway", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._stopped: asyncio.Event
        self._session: aiohttp.ClientSession

    def start(self) -> "LocalGateway":
        """Listen; returns itself.

        Raises:
            GatewayError: the address is taken, or a function's code cannot be read.
        """
        self._thread.start()
        self._started.result(_START_WAIT)
        return self

    def stop(self) -> None:
        """Close all clients and end all that was started. May be called again."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join()

    @property
    def faults(self) -> Faults:
        """The faults in force; its fields may be set at any time."""
        return self._faults

    @property
    def websocket_url(self) -> str:
        """What clients connect to."""
        return self._gateway.websocket_url

    @property
    def connections_url(self) -> str:
        """What SDKs take as the endpoint of the management API."""
        return self._gateway.connections_url

    @property
    def function_urls(self) -> Mapping[str, str]:
        """The addresses of the template's function URLs, by their logical ids."""
        return self._gateway.function_urls

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a backend's SDK finds the gateway, with credentials that it accepts."""
        credentials, region = self._gateway.credentials, self._gateway.api.deployment.region
        return {
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            **({"AWS_SESSION_TOKEN": credentials.token} if credentials.token else {}),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": self.connections_url,
        }

    def set_environment(self, monkeypatch: MonkeyPatch) -> None:
        """Set `environment` for a test, and hide the developer's own profile and session from it."""
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)

    @property
    def log(self) -> str:
        """One line for each event so far, and what the functions printed."""
        return "".join(self._lines.written)

    def connect(
        self, query: str = "", *, headers: Mapping[str, str] | None = None, subprotocols: Sequence[str] = ()
    ) -> Client:
        """Connect a client; returns once `$connect` has let it in.

        Args:
            query: what follows the `?` of the address.

        Raises:
            HandshakeRefusedError: it was not let in.
        """
        url = self.websocket_url + (f"?{query}" if query else "")
        return self._call(self._connect(url, headers or {}, subprotocols))

    def advance(self, *, hours: float = 0.0, minutes: float = 0.0, seconds: float = 0.0) -> None:
        """Move the clock of idle time (10 minutes) and connection life (2 hours); what is over then ends at once."""

        async def move() -> None:
            self._gateway.clock.advance(hours * 3600 + minutes * 60 + seconds)

        self._call(move())

    def __enter__(self) -> "LocalGateway":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run something in the gateway's loop."""
        if not self._thread.is_alive():
            work.close()
            raise RuntimeError("the gateway is not running; start it, or use it as a context manager")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        try:
            await self._gateway.start()
        except BaseException as error:
            await self._gateway.stop()
            self._started.set_exception(error)
            return
        # No limit of connections: each client holds one.
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as self._session:
            self._started.set_result(None)
            await self._stopped.wait()
            await self._gateway.stop()  # which closes the clients with 1001

    async def _connect(self, url: str, headers: Mapping[str, str], subprotocols: Sequence[str]) -> Client:
        try:
            socket = await self._session.ws_connect(url, headers=headers, protocols=subprotocols, max_msg_size=0)
        except aiohttp.WSServerHandshakeError as error:
            last = "".join(self._lines.written[-_LOG_LINES_IN_ERROR:])
            raise HandshakeRefusedError(
                error.status, f"the handshake was answered with {error.status}; the gateway's log ends with\n{last}"
            ) from None
        return Client(socket, self._call)


def _settings(given: Mapping[str, Any]) -> Settings:
    known = [*Settings.__dataclass_fields__, *inspect.signature(LocalGateway).parameters]
    for name in given:
        if name not in Settings.__dataclass_fields__:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}=?" if close else "docs/testing.md has those that there are"
            raise ArgumentError(f"there is no argument {name}=; {hint}")
    return Settings(**given)


class _Lines:
    """A stream that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, text: str) -> None:
        self.written.append(text)
