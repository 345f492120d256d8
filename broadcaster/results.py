"""What became of a broadcast, and of what was published."""

from .cheap_typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Failure(NamedTuple):
    """One connection that was not reached, although it may still be there."""

    connection_id: str
    reason: str
    status: int | None = None  # of the last HTTP answer, if there was one


class PublisherStats(NamedTuple):
    """The counts of a publisher since its process began.

    Every event that was published is counted once: it is queued, sent to everybody who listened, unwatched, superseded
    or dropped.

    Attributes:
        queued: events that wait, or are under way.
        events: events that were sent to everybody who listened and was still there.
        messages: posts that API Gateway accepted, one for each message and connection.
        bytes: of these posts.
        dropped: events that somebody who listened did not receive, by the first reason: `overflow`, `expired`,
            `invalid`, `refused`, `closed`.
        unwatched: events on channels that nobody listened to.
        superseded: events in whose place a newer one of the same `latest` was sent, to all who listened or to some.
    """

    queued: int
    events: int
    messages: int
    bytes: int
    dropped: dict[str, int]
    unwatched: int
    superseded: int


class BroadcastResult(dict[str, int]):
    """Equals, prints and serialises as `{'sent': 1, 'failed': 0, 'stale': 0}`; every target is in exactly one of them.

    Attributes:
        failures: one `Failure` for each connection counted in `failed`.
    """

    __slots__ = ("failures",)

    def __init__(
        self, sent: int = 0, failed: int = 0, stale: int = 0, *, failures: list[Failure] | None = None
    ) -> None:
        super().__init__(sent=sent, failed=failed, stale=stale)
        self.failures = failures or []

    @property
    def sent(self) -> int:
        """Connections that API Gateway accepted the message for."""
        return self["sent"]

    @property
    def failed(self) -> int:
        """Connections that could not be reached; they stay registered."""
        return self["failed"]

    @property
    def stale(self) -> int:
        """Connections that are gone (HTTP 410); they have left the registry."""
        return self["stale"]

    @classmethod
    def __get_pydantic_core_schema__(cls, _: object, handler: "Callable[[object], object]") -> object:
        """Let pydantic see the dict that this is, so that a FastAPI endpoint may return it."""
        return handler(dict[str, int])

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (self["sent"], self["failed"], self["stale"], self.failures)


def _restore(sent: int, failed: int, stale: int, failures: list[Failure]) -> BroadcastResult:
    return BroadcastResult(sent, failed, stale, failures=failures)
