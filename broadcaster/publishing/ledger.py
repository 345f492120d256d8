"""What became of the events that were published. No I/O, no lock: who owns it sees to that."""

from collections.abc import Iterable
from math import inf

from ..results import PublisherStats

# Why an event reached nobody, or not everybody who listened.
OVERFLOW = "overflow"  # too much was waiting, in all or for one connection
EXPIRED = "expired"  # it waited for longer than `max_age`
INVALID = "invalid"  # it is no event: its channel, name, data or size
REFUSED = "refused"  # API Gateway refuses this message
CLOSED = "closed"  # the broadcaster was closed, or the process ended, before it was sent

_REASONS = (OVERFLOW, EXPIRED, INVALID, REFUSED, CLOSED)


class Event:
    """One event that waits.

    Attributes:
        body: its members, as `messages.MessageEncoder.event` wrote them; empty once it was superseded.
        at: when it was published, on the publisher's clock.
        generation: of the flush that it belongs to; None before it was accepted and after it has ended.
    """

    __slots__ = ("at", "body", "generation", "latest")

    def __init__(self, body: bytes, at: float, latest: str | None) -> None:
        self.body = body
        self.at = at
        self.generation: int | None = None
        self.latest = latest


class Ledger:
    """Counts each event once when it is accepted and once when it has ended.

    Also when a signal handler's exception cuts a caller off in the middle: an event that is counted in for good would
    let no flush be true any more.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.queued = self.events = self.messages = self.bytes = self.unwatched = self.superseded = 0
        self.dropped = dict.fromkeys(_REASONS, 0)
        self._open: dict[int, int] = {}  # events that have not ended, by generation

    def accept(self, event: Event) -> None:
        """Count an event in."""
        before = self._open.get(self.generation, 0)
        self._open[self.generation] = before + 1
        self.queued += 1
        event.generation = self.generation

    def end(self, events: Iterable[Event], reason: str | None = None) -> None:
        """Count events out: as sent, or as dropped for this reason."""
        number = self._close(events)
        if reason is None:
            self.events += number
        else:
            self.dropped[reason] += number

    def end_unwatched(self, events: Iterable[Event]) -> None:
        """Count events out that nobody listened to."""
        self.unwatched += self._close(events)

    def end_superseded(self, events: Iterable[Event]) -> None:
        """Count events out in whose place newer ones go."""
        self.superseded += self._close(events)

    def refuse(self, reason: str) -> None:
        """Count an event that was never accepted."""
        self.dropped[reason] += 1

    def next_generation(self) -> int:
        """Begin a generation; return the one before."""
        self.generation += 1
        return self.generation - 1

    def open_since(self) -> float:
        """Return the first generation of which an event has not ended; infinity if all have."""
        return min(self._open, default=inf)

    def stats(self) -> PublisherStats:
        """Return the counts of now."""
        return PublisherStats(
            self.queued,
            self.events,
            self.messages,
            self.bytes,
            dict(self.dropped),
            self.unwatched,
            self.superseded,
        )

    def _close(self, events: Iterable[Event]) -> int:
        number = 0
        for event in events:
            if event.generation is None:
                continue
            left = self._open[event.generation] - 1
            if left:
                self._open[event.generation] = left
            else:
                del self._open[event.generation]
            event.generation = None
            self.queued -= 1
            number += 1
        return number
