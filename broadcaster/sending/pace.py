"""How fast requests may go out: a token bucket that also learns from throttling. No I/O, no clock."""

from collections import deque
from math import inf

from ..forks import make_lock
from .defaults import DEFAULT_RATE

# AWS lets half a second's requests go at once; the source is in `defaults`.
BURST_SECONDS = 0.5

# One waits for the requests of so many seconds at once; waking up for each would cost more than sending it.
_GRANT_SECONDS = 0.004
_FIRST_PAUSE = 0.1  # seconds
_LONGEST_PAUSE = 2.0
_SLOWEST_SHARE = 0.02  # of the set rate
_RECOVERY_SHARE = 0.1  # of the set rate, gained back in each second without throttling
_CALM_AFTER = 5.0  # seconds without throttling after which the next pause is a first one again


class Pace:
    """Grants requests at no more than `rate` per second, fewer after everybody was throttled. Thread-safe.

    All broadcasts of one sender share one, because AWS counts them together.

    Args:
        rate: requests per second; `math.inf` for no limit.
    """

    def __init__(self, rate: float = DEFAULT_RATE) -> None:
        self._lock = make_lock()
        self._full_rate = rate
        self._burst = max(1.0, rate * BURST_SECONDS)
        self._tokens = self._burst
        self._filled_at: float | None = None
        self._rate = rate
        self._throttled_at = -inf
        self._pause = _FIRST_PAUSE
        self.paused_until = -inf

    def grant(self, wanted: int, now: float) -> int:
        """Return how many of the wanted requests may go out now; the rest has to wait until `next_grant`."""
        with self._lock:
            if now < self.paused_until:
                return 0
            if self._full_rate == inf:
                return wanted
            self._fill(now)
            granted = min(wanted, int(self._tokens))
            self._tokens -= granted
            return granted

    def give_back(self, granted: int) -> None:
        """Return what was granted and not used."""
        with self._lock:
            self._tokens = min(self._burst, self._tokens + granted)

    def next_grant(self, now: float) -> float:
        """Return the time at which one more request may go out; `now` or earlier if it may at once."""
        with self._lock:
            if self._full_rate == inf:
                return self.paused_until
            self._fill(now)
            if self._tokens >= 1:
                return max(self.paused_until, now)
            missing = max(1.0, self._rate * _GRANT_SECONDS) - self._tokens
            # A hair later than exact, so that rounding cannot leave the caller a moment before a whole token.
            return max(self.paused_until, now + missing / self._rate + 1e-6)

    def throttled(self, now: float, jitter: float) -> None:
        """Pause all and go on at half the rate: not one connection but everybody was throttled.

        What arrives during the pause was sent before it and changes nothing.

        Args:
            jitter: 0 to 1, random, so that several processes do not come back at the same moment.
        """
        with self._lock:
            if now < self.paused_until:
                return
            if self._full_rate < inf:
                self._fill(now)
                self._rate = max(self._rate / 2, self._full_rate * _SLOWEST_SHARE)
                self._tokens = min(self._tokens, self._rate * BURST_SECONDS)
            calm = now - self._throttled_at > _CALM_AFTER
            self._pause = _FIRST_PAUSE if calm else min(self._pause * 2, _LONGEST_PAUSE)
            self._throttled_at = now
            self.paused_until = now + self._pause * (0.5 + jitter / 2)

    def _fill(self, now: float) -> None:
        if self._filled_at is None:
            self._filled_at = now
        passed = now - self._filled_at
        if passed <= 0:
            return
        self._filled_at = now
        self._tokens = min(self._burst, self._tokens + passed * self._rate)
        self._rate = min(self._full_rate, self._rate + passed * self._full_rate * _RECOVERY_SHARE)


class ThrottleWatch:
    """Tells one slow reader's 429 from a throttled account's, by who else was throttled lately in the same broadcast.

    It is everybody if of the latest sixteen answers half are 429, for at least six connections.
    """

    _SAMPLE = 8
    _WINDOW = 16
    _CONNECTIONS = 6

    def __init__(self) -> None:
        self._latest: deque[tuple[int, str]] = deque(maxlen=self._SAMPLE)

    def is_everybody(self, connection_id: str, number: int) -> bool:
        """Record that a connection was throttled, in the answer of this number; return whether everybody is."""
        self._latest.append((number, connection_id))
        return (
            len(self._latest) == self._SAMPLE
            and number - self._latest[0][0] < self._WINDOW
            and len({throttled for _, throttled in self._latest}) >= self._CONNECTIONS
        )
