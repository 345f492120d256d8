"""When to read the lists from before registries kept deployments apart: for one life of a connection, and no longer."""

from .. import ENTRY_LIFETIME

# A process of the older version may register connections until this one has taken its place.
_LIFE = ENTRY_LIFETIME + 300  # seconds: 2 hours and 10 minutes
_PAUSE = 60  # seconds


class Unscoped:
    """Tells whether there may be connections in the lists without a scope. Does no I/O.

    Args:
        now: when this process began, in seconds.
    """

    __slots__ = ("_has_some", "_look_at", "_until")

    def __init__(self, now: float) -> None:
        self._until = now + _LIFE
        self._look_at = now
        self._has_some = True

    def is_to_be_looked_for(self, now: float) -> bool:
        """Return whether to look if there are any, and to say so to `found`: at first, and then once a minute."""
        return self._look_at <= now < self._until

    def found(self, has_some: bool, now: float) -> None:
        """Record whether there were any."""
        self._has_some = has_some
        self._look_at = now + _PAUSE

    def are_read(self, now: float) -> bool:
        """Return whether to read them now, and to remove from them what is removed."""
        return self._has_some and now < self._until
