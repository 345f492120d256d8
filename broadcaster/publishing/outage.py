"""A time in which nothing can be sent: one warning when it begins, one line when it is over, or nothing waits."""

from collections.abc import Callable
from math import inf

from ..log import logger

_FIRST_PAUSE = 0.1  # seconds; each further one is twice as long
_LONGEST_PAUSE = 10.0


class Outage:
    """Says when to try again. Not thread-safe.

    Args:
        what: cannot be used, for the log: `the registry`.
        lost: returns how many events have been lost so far.
        random: returns 0 to 1.

    Attributes:
        until: when to try again; in the past if there is no outage.
    """

    def __init__(self, what: str, lost: Callable[[], int], random: Callable[[], float]) -> None:
        self.until = -inf
        self._what = what
        self._lost = lost
        self._random = random
        self._since: float | None = None
        self._tries = 0
        self._lost_before = 0

    @property
    def is_on(self) -> bool:
        """Whether something failed and nothing has succeeded since."""
        return self._since is not None

    def begin(self, error: Exception, now: float) -> float:
        """Record that something failed; return when to try again: after 0.1 seconds, then later, at most after 10."""
        self.note(error, now)
        pause = min(_FIRST_PAUSE * 2**self._tries, _LONGEST_PAUSE) * (0.5 + self._random() / 2)
        self._tries = min(self._tries + 1, 10)
        self.until = now + pause
        return self.until

    def note(self, error: object, now: float) -> None:
        """Record that something failed, and say so unless it was said before."""
        if self._since is None:
            self._since = now
            self._lost_before = self._lost()
            logger().warning("Events wait, because %s cannot be used: %s. It is tried again", self._what, error)

    def end(self, now: float) -> None:
        """Record that something succeeded."""
        if self._since is None:
            return
        lost = self._lost() - self._lost_before
        logger().warning(
            "Events are sent again, after %.1f seconds without %s; %d were lost", now - self._since, self._what, lost
        )
        self.until, self._since, self._tries = -inf, None, 0

    def leave(self) -> None:
        """Say what was lost so far: nothing waits any more, and so nobody will see the end."""
        lost = self._lost() - self._lost_before
        if self._since is not None and lost:
            logger().warning("%d events were lost while %s could not be used", lost, self._what)
            self._lost_before += lost
