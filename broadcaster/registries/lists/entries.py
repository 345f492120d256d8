"""What a registry keeps of a connection, for people to look at: nothing that is sent needs it."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

EVERYTHING = "*"  # among channel names; no channel can have this name


class Entry(NamedTuple):
    """One connection as it is registered.

    Attributes:
        channels: names, and `*` for everything.
        expires: seconds since the epoch.
    """

    connection_id: str
    channels: frozenset[str]
    expires: float

    def listens_to(self, channel: str) -> bool:
        """Tell whether what is broadcast on `channel` is sent to this connection."""
        return channel in self.channels or EVERYTHING in self.channels


class ListsEntries(Protocol):
    """A registry that other processes see, and that can tell more than whom to send to."""

    def entries(self) -> list[Entry]:
        """Return every connection that has not expired, those first that registered longest ago.

        Raises:
            RegistryError: the place where the entries live cannot be reached.
        """


def merge(parts: Iterable[tuple[str, str, float]]) -> list[Entry]:
    """Return the entries of (connection id, channel, expires), those first that registered longest ago."""
    channels: dict[str, set[str]] = {}
    expires: dict[str, float] = {}
    for connection_id, channel, until in parts:
        channels.setdefault(connection_id, set()).add(channel)
        expires[connection_id] = max(until, expires.get(connection_id, 0.0))
    return [
        Entry(connection_id, frozenset(channels[connection_id]), expires[connection_id])
        for connection_id in sorted(channels, key=lambda each: (expires[each], each))
    ]
