"""Who is connected: the protocol that every registry speaks.

| registry | for | module |
|---|---|---|
| `MemoryRegistry` | a backend of one process | `memory` |
| `RedisRegistry` | several processes or machines | `redis` |
| `DynamoDBRegistry` | the same without a server, and shared with the Lambda | `dynamodb` |

`make_registry` in `choose` makes one from a URL. Importing this package imports neither redis-py nor boto3.
"""

from collections.abc import Collection, Iterator

from ..cheap_typing import Protocol
from .lifetime import ENTRY_LIFETIME

__all__ = ["ENTRY_LIFETIME", "PAGE_SIZE", "ConfigurableRegistry", "Registry"]

PAGE_SIZE = 1_000  # connection ids


class Registry(Protocol):
    """Keeps connection ids and the channels that each listens to. Every method is safe to call from any thread.

    Ids and channel names are taken as they are given; `Broadcaster` checks them first. All methods but `close` raise
    `RegistryError` when the place where the entries live cannot be reached, after a few seconds of trying; the next
    call tries afresh.
    """

    def add(
        self, connection_id: str, channels: Collection[str] | None = None, *, lifetime: float = ENTRY_LIFETIME
    ) -> None:
        """Record that a connection listens to `channels`, or to everything when that is None; none at all is no change.

        What a connection listens to adds up over its registrations. Each starts the `lifetime` (seconds) of what it
        names afresh. An entry is never listed for more than a second beyond its lifetime. When this raises, a part may
        have been recorded; calling it again is safe.

        Raises:
            InvalidArgumentError: the connection would listen to more channels than one may.
        """

    def remove(self, connection_ids: Collection[str]) -> None:
        """Forget these connections with all their channels; unknown ones are ignored.

        When this raises, a part may have been forgotten; calling it again is safe.
        """

    def pages(self, channel: str) -> Iterator[list[str]]:
        """Yield who listens to `channel` or to everything, each id once, in non-empty lists of at most 1,000.

        Whoever was added before the first page was asked for, and neither removed nor expired since, is among them.
        One that is added or removed meanwhile may be or not. The registry may be written while it is read.
        """

    def count(self) -> int:
        """Return the number of connections that are registered for anything."""

    def close(self) -> None:
        """Give back what the registry opened itself; what was passed in stays open. More than once is fine."""


class ConfigurableRegistry(Registry, Protocol):
    """A registry that takes from its broadcaster what is not its own to know. One of your own need not."""

    def take_defaults(self, *, scope: str, max_channels: int) -> None:
        """Adopt what the broadcaster knows, where nothing else was given.

        Args:
            scope: keeps the connections of one API and stage apart from all others.
            max_channels: how many channels one connection may add up to; `add` refuses more.

        Raises:
            ConfigurationError: the registry has taken another scope before.
        """
