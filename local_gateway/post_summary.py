"""The log with one line a second for all posts together, instead of one for each."""

import asyncio
from collections import Counter

from .event_log import EventLog, Stream
from .lambdas.process import Outcome

SECONDS = 1.0


class PostSummary(EventLog):
    """Writes posts together, a second after the first of them, and everything else as it happens.

    Used from the gateway's event loop alone.
    """

    def __init__(self, stream: Stream | None, *, is_coloured: bool = False) -> None:
        super().__init__(stream, is_coloured=is_coloured)
        self._begin()

    def event(
        self,
        route: str,
        connection_id: str,
        said: str,
        *,
        seconds: float,
        billed: int,
        outcome: Outcome | None = None,
        is_error: bool = False,
    ) -> None:
        """Count a post; write any other event."""
        if route != "POST":
            super().event(
                route, connection_id, said, seconds=seconds, billed=billed, outcome=outcome, is_error=is_error
            )
            return
        if not self._statuses:
            asyncio.get_running_loop().call_later(SECONDS, self._write_posts)
        self._statuses[said] += 1
        self._connections.add(connection_id)
        self._seconds += seconds
        self._billed += billed

    def _begin(self) -> None:
        self._statuses: Counter[str] = Counter()
        self._connections: set[str] = set()
        self._seconds = 0.0
        self._billed = 0

    def _write_posts(self) -> None:
        """Write the number of connections, how many posts had which status, their mean duration and messages billed."""
        super().event(
            "POST",
            f"{len(self._connections)} connections" if len(self._connections) > 1 else "1 connection",
            ", ".join(f"{status}: {number}" for status, number in sorted(self._statuses.items())),
            seconds=self._seconds / self._statuses.total(),
            billed=self._billed,
            is_error=any(status != "200" for status in self._statuses),
        )
        self._begin()
