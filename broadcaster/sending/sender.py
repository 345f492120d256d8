"""The seam between a broadcaster and what carries its posts: the `Sender` protocol, its settings and its replies.

Two senders drive the same decisions (`fan_out.py`). The engine (`engine/`) is the fast one and needs nothing but the
standard library. The boto3 sender (`boto3_sender.py`) is for what the engine does not speak: HTTP proxies.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from ..cheap_typing import TYPE_CHECKING, NamedTuple, Protocol
from ..results import BroadcastResult
from .defaults import DEFAULT_ATTEMPTS, DEFAULT_CONCURRENCY, DEFAULT_DEADLINE, DEFAULT_RATE, DEFAULT_TIMEOUT

if TYPE_CHECKING:
    from .fan_out import FanOut, HasStatus, OnOutcome


class Settings(NamedTuple):
    """The knobs of a sender, checked and with their defaults filled in.

    Attributes:
        concurrency: requests in flight at most, for each broadcast.
        timeout: seconds for one request, and as many for opening a connection.
        attempts: posts to one connection at most.
        deadline: seconds without anybody reached after which a broadcast gives up.
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
        on_outcome: "OnOutcome | None" = None,
    ) -> BroadcastResult:
        """Post the body to every connection id of the pages; return when each has its outcome.

        Pages are read as they are needed, in the calling thread.

        Args:
            on_stale: gets the ids of connections that are gone, at most 1,000 at a time; must not raise.
            stop: asked several times a second whether to give up; the rest then counts as failed, except for pages
                that were not read.
            deadline: seconds for the whole broadcast, whoever is reached, instead of the sender's own.
            on_outcome: gets each target with its outcome as soon as that is known, in any thread; see `FanOut`.

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
