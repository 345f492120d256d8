"""Which rows from before deployments were kept apart are still to be read: for one life of a connection, no longer."""

from collections.abc import Iterable

from .. import ENTRY_LIFETIME

# A process of the older version may register connections until this one has taken its place.
_LIFE = ENTRY_LIFETIME + 300  # seconds: 2 hours and 10 minutes
_PAUSE = 60  # seconds
_MOST_KNOWN = 10_000  # channels


class OldRows:
    """Remembers for a minute which old lists were empty, so that they cost next to nothing. Does no I/O. Thread-safe.

    Args:
        now: when this process began, in seconds.
    """

    __slots__ = ("_look_at", "_until")

    def __init__(self, now: float) -> None:
        self._until = now + _LIFE
        self._look_at: dict[str, float] = {}  # when to look again at a list that was empty

    def may_exist(self, now: float) -> bool:
        """Tell whether a connection may still be in such rows."""
        return now < self._until

    def to_be_read(self, channels: Iterable[str], now: float) -> list[str]:
        """Return of which of these channels the old list is to be read now."""
        if now >= self._until:
            return []
        return [channel for channel in channels if self._look_at.get(channel, now) <= now]

    def found_empty(self, channel: str, now: float) -> None:
        """Record that the old list of a channel had nobody in it."""
        if len(self._look_at) >= _MOST_KNOWN:
            self._look_at.clear()
        self._look_at[channel] = now + _PAUSE
