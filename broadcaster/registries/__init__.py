"""Who is connected: the protocol that every registry speaks."""

from collections.abc import Collection, Iterator
from typing import Protocol

# No connection lives longer than two hours, so an entry of a little more can only be a leftover.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
ENTRY_LIFETIME = 2 * 3600 + 300  # seconds

PAGE_SIZE = 1_000  # connection ids


class Registry(Protocol):
    """Keeps connection ids and the channels that each listens to. Every method is safe to call from any thread.

    All methods but `close` raise `RegistryError` when the place where the entries live cannot be reached.
    """

    def add(
        self, connection_id: str, channels: Collection[str] | None = None, *, lifetime: float = ENTRY_LIFETIME
    ) -> None:
        """Record that a connection listens to `channels`, or to everything when that is None.

        What a connection listens to adds up over its registrations. Each one starts its `lifetime` (seconds) afresh.
        """

    def remove(self, connection_ids: Collection[str]) -> None:
        """Forget these connections with all their channels; unknown ones are passed over."""

    def pages(self, channel: str) -> Iterator[list[str]]:
        """Yield who listens to `channel` or to everything, each id once, in lists of at most 1,000.

        A connection that is added or removed meanwhile may be among them or not.
        """

    def count(self) -> int:
        """Return the number of connections."""

    def close(self) -> None:
        """Give back what the registry opened itself."""
