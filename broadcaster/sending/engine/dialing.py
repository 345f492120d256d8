"""How many connections to the service are worth opening, and what to make of those that cannot be. No I/O, no clock.

A *link* is one kept-alive connection between this process and the service, as opposed to the browsers' connections.
"""

from math import inf

# A TLS handshake costs as much CPU as 50 to 100 messages, so a link has to carry some to be worth it.
MESSAGES_PER_LINK = 40
# So many are opened for a handful of messages already, so that one that hangs does not hold up the others.
FIRST_LINKS = 8
# At a time: while these are shaking hands the open ones work, and perhaps no more are needed.
MOST_OPENING = 32
# A link that has waited longer than this for an answer, or to be open, does not count as one that gets work done.
STUCK_AFTER = 0.1  # seconds
SLOW_OPENING_AFTER = 0.3

_FIRST_BACKOFF = 0.1  # seconds; doubled each time
_LONGEST_BACKOFF = 1.0


def links_to_open(*, waiting: int, busy: int, moving: int, opening: int, room: int) -> int:
    """Return how many more links to open now.

    Args:
        waiting: messages that could be sent if there were a link for them.
        busy: links that wait for an answer, and have not for long.
        moving: links that work or can: free, answering in time, or about to be open.
        opening: links being opened, the slow ones too.
        room: how many more the concurrency allows.
    """
    useful = min(busy + waiting, max(FIRST_LINKS, -(-waiting // MESSAGES_PER_LINK)))
    return max(0, min(useful - moving, MOST_OPENING - opening, room))


class Dialing:
    """What opening links has come to lately: when it may be tried again, and whether there is no hope.

    Failures are counted in rounds: links that were being opened at the same time fail for the same reason.

    Args:
        rounds: in how many of them nothing may open before there is no hope.
    """

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._failed_rounds = 0
        self._round_began = -inf
        self._backoff = _FIRST_BACKOFF
        self._final = False
        self.next_at = -inf
        self.reason = ""

    def opened(self) -> None:
        """Record that a link has been opened: all is well."""
        self._failed_rounds = 0
        self._backoff = _FIRST_BACKOFF
        self._final = False
        self.reason = ""

    def failed(self, reason: str, began: float, now: float, *, untried: int = 0, is_final: bool = False) -> None:
        """Record that a link could not be opened.

        Args:
            began: when it was tried.
            untried: further addresses of the name that have not failed.
            is_final: trying again would give the same, e.g. a certificate that is not trusted.
        """
        self.reason = reason
        self._final = self._final or (is_final and not untried)
        if untried:
            return
        if began >= self._round_began:
            self._failed_rounds += 1
            self._round_began = now
            self.next_at = now + self._backoff
            self._backoff = min(self._backoff * 2, _LONGEST_BACKOFF)

    def start_over(self, now: float) -> None:
        """Count anew, after a pause: the caller has taken note that there was no hope, and wants to go on."""
        self._failed_rounds = 0
        self._final = False
        self.next_at = now + self._backoff

    @property
    def is_hopeless(self) -> bool:
        """Whether nothing could be opened in as many rounds as make sense."""
        return self._final or self._failed_rounds >= self._rounds
