"""The seam between a broadcaster and what carries its posts: the `Sender` protocol, and which one to make.

Two senders drive the same decisions (`decisions.py`). The engine (`engine.py`) is the fast one and needs nothing but
the standard library. The boto3 sender (`boto3_sender.py`) is for what the engine does not speak: HTTP proxies.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf

from ..endpoint import Endpoint
from ..errors import ConfigurationError
from ..results import BroadcastResult
from .defaults import DEFAULT_ATTEMPTS, DEFAULT_CONCURRENCY, DEFAULT_DEADLINE, DEFAULT_RATE, DEFAULT_TIMEOUT

TYPE_CHECKING = False  # as type checkers know it, without importing typing
if TYPE_CHECKING:
    from typing import NamedTuple, Protocol

    from .decisions import FanOut, HasStatus
else:
    from ..named_tuple import NamedTuple

    Protocol = object


class Settings(NamedTuple):
    """The knobs of a sender, checked and with their defaults filled in.

    Attributes:
        concurrency: requests in flight at most, for each broadcast.
        timeout: seconds for one request, and as many for opening a connection.
        attempts: posts to one connection at most.
        deadline: seconds for one broadcast.
        rate: requests per second over all broadcasts of this sender; `math.inf` for no limit.
        verify: whether the server's certificate is checked, or the CA bundle to check it with; as in boto3.
    """

    concurrency: int = DEFAULT_CONCURRENCY
    timeout: float = DEFAULT_TIMEOUT
    attempts: int = DEFAULT_ATTEMPTS
    deadline: float = DEFAULT_DEADLINE
    rate: float = DEFAULT_RATE
    verify: bool | str = True


class Reply(NamedTuple):
    """What became of one single request.

    Attributes:
        status: of the answer; None if none came.
        reason: why there is none, or what the service said of an error; empty after a success.
    """

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = {}
    reason: str = ""


class Sender(Protocol):
    """Carries posts to `@connections`. All methods are thread-safe and usable after a fork."""

    def broadcast(
        self,
        pages: Iterable[Sequence[str]],
        body: bytes,
        *,
        on_stale: Callable[[list[str]], None],
        stop: Callable[[], bool] | None = None,
        deadline: float | None = None,
    ) -> BroadcastResult:
        """Post the body to every connection id of the pages; return when each has its outcome.

        Pages are read as they are needed, in the calling thread.

        Args:
            on_stale: gets the ids of connections that are gone, at most 1,000 at a time; must not raise.
            stop: asked several times a second whether to give up; the rest then counts as failed, except for pages
                that were not read.
            deadline: seconds after which to give up, instead of the sender's own.

        Raises:
            RefusedError: nobody was reached and nobody could be.
            ConfigurationError: there are no credentials.
        """

    def request(self, method: str, connection_id: str, body: bytes = b"") -> Reply:
        """Send one request about one connection (POST, GET or DELETE); repeated like the posts of a broadcast.

        Raises:
            RefusedError: it was refused for a reason that has nothing to do with the connection.
            ConfigurationError: there are no credentials.
        """

    def close(self) -> None:
        """Send no more and close the connections; broadcasts that are under way still end well. Twice is fine."""


def make_sender(
    endpoint: Endpoint,
    *,
    kind: str | None = None,
    concurrency: int | None = None,
    timeout: float | None = None,
    attempts: int | None = None,
    deadline: float | None = None,
    rate: float | None = None,
    verify: bool | str = True,
) -> Sender:
    """Return the sender for an endpoint: the engine, or boto3's where a proxy is in force.

    Args:
        kind: `"engine"` or `"boto3"` to choose oneself.
        rate: by default just under AWS's quota of 10,000 requests a second; without limit for plain `http`, which
            is never AWS but a local gateway.

    Raises:
        ConfigurationError: a setting makes no sense.
    """
    if rate is None:
        rate = DEFAULT_RATE if endpoint.scheme == "https" else inf
    settings = Settings(
        concurrency=_check_count("concurrency", DEFAULT_CONCURRENCY if concurrency is None else concurrency),
        timeout=_check_positive("timeout", DEFAULT_TIMEOUT if timeout is None else timeout, "seconds"),
        attempts=_check_count("attempts", DEFAULT_ATTEMPTS if attempts is None else attempts),
        deadline=_check_positive("deadline", DEFAULT_DEADLINE if deadline is None else deadline, "seconds"),
        rate=_check_positive("rate", rate, "requests per second, or math.inf"),
        verify=_check_verify(verify),
    )
    if kind is None:
        kind = "boto3" if is_proxied(endpoint) else "engine"
    if kind == "boto3":
        from .boto3_sender import Boto3Sender

        return Boto3Sender(endpoint, settings)
    if kind == "engine":
        from .engine import Engine

        return Engine(endpoint, settings)
    raise ConfigurationError(f"sender {kind!r} is neither 'engine' nor 'boto3'")


def to_reply(fan_out: "FanOut", last: "HasStatus | None") -> Reply:
    """Return what became of a fan-out of one single request, whose last answer this is.

    Raises:
        RefusedError: it was refused for a reason that has nothing to do with the connection.
    """
    failures = fan_out.result().failures
    reason = failures[0].reason if failures else ""
    if last is None or (failures and failures[0].status is None):
        return Reply(None, reason=reason)
    return Reply(last.status, last.body, last.headers, reason)


def is_proxied(endpoint: Endpoint, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether requests to the endpoint have to go through a proxy, as boto3 would see it.

    The environment decides (HTTPS_PROXY, HTTP_PROXY, NO_PROXY in either case), on Windows and macOS also the system's
    settings. A server on this machine is never reached through a proxy.
    """
    if endpoint.host in ("localhost", "127.0.0.1", "::1"):
        return False
    has_system_settings = sys.platform in ("win32", "darwin")
    variable = f"{endpoint.scheme}_proxy"
    if not has_system_settings and not any(name.lower() == variable for name in environ):
        return False  # the usual case, without the cost of importing urllib.request
    from urllib.request import getproxies, proxy_bypass

    return endpoint.scheme in getproxies() and not proxy_bypass(endpoint.authority)


def _check_count(name: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"{name} {value!r} is not a whole number from 1 up")
    return value


def _check_positive(name: str, value: float, unit: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise ConfigurationError(f"{name} {value!r} is not a number above 0 ({unit})")
    return value


def _check_verify(verify: bool | str) -> bool | str:
    if isinstance(verify, bool):
        return verify
    path = os.fspath(verify)
    if not os.path.exists(path):  # noqa: PTH110 - pathlib costs 6 ms to import
        raise ConfigurationError(f"verify {path!r} is not there; give True, False or the path of a CA bundle")
    return path
