"""How fast requests may go out: a token bucket that also learns from throttling. No I/O, no clock."""

from collections import deque
from math import exp, inf

from ..forks import make_lock
from .defaults import DEFAULT_RATE

# AWS lets half a second's requests go at once; the source is in `defaults`.
BURST_SECONDS = 0.5

# One waits for the requests of so many seconds at once; waking up for each would cost more than sending it.
_GRANT_SECONDS = 0.004
_FIRST_PAUSE = 0.1  # seconds
_LONGEST_PAUSE = 2.0
_CALM_AFTER = 1.0  # seconds after a pause without throttling, after which the next pause is a first one again
_SLOWEST_SHARE = 0.005  # of the set rate
# Half a second's requests let go at once, and what got through counted as if in half a second: that is a share of the
# account's rate, whether its bucket was full or empty. A little less is safe, because some 429s are told too late.
_LATELY = BURST_SECONDS
_PASSED_SHARE = 0.85
# What one cuts off in proportion and gives back in equal parts becomes equal among processes that do not know of each
# other. 429s do hit in proportion to the rate, so each takes the same, and each second gives the same. What all of them
# send too much shrinks to a third in a third of a second, which is long beside the time that an answer takes.
_TAKEN_BY_429 = 3.0  # requests per second
_TAKEN_SHARE = 0.1  # of the rate at most
_GIVEN_BY_SECOND = 4.5  # requests per second
# Without a 429 for so many seconds the rate soars, since the ceiling may have gone up: all of it is back after 12 s.
# Sooner it would soar by chance: by the above a process hears 1.5 of them a second.
_QUIET = 4.5
_QUIET_POWER = 8
_LEAST_SHARE = 0.75  # of what surely got through: what slow readers get must not hold a broadcast down


class Pace:
    """Grants requests at no more than `rate` per second, fewer once the account's ceiling was met. Thread-safe.

    It learns that ceiling from what is throttled: goes on below it, comes back to it slowly, and finds out after a
    while whether it has gone up. Several processes that share an account come to shares of about the same size.

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
        self._rate_met = rate  # after the ceiling was met the last time, at `_met_at`
        self._met_at = -inf
        self._least_rate = 0.0
        self._passed_lately = self._granted_at = 0.0
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
            self._passed_lately = self._passed_lately * exp((self._granted_at - now) / _LATELY) + granted
            self._granted_at = now
            return granted

    def give_back(self, granted: int) -> None:
        """Return what was granted and not used."""
        with self._lock:
            self._tokens = min(self._burst, self._tokens + granted)
            self._passed_lately -= granted

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
            return max(self.paused_until, now) + missing / self._rate + 1e-6

    @property
    def is_reduced(self) -> bool:
        """Whether it is slower than it was set to be: the account's ceiling was met, and may be the reason of a 429."""
        return self._rate < self._full_rate

    def throttled(self, now: float, jitter: float) -> None:
        """Pause all and go on at the rate that got through: not one connection but everybody was throttled.

        What arrives during the pause was sent before it: it makes the estimate of that rate better, and nothing else.

        Args:
            jitter: 0 to 1, random, so that several processes do not come back at the same moment.
        """
        with self._lock:
            self._passed_lately -= 1
            if now >= self.paused_until:
                self._fill(now)
                is_calm = now - self.paused_until > _CALM_AFTER
                self._pause = _FIRST_PAUSE if is_calm else min(self._pause * 2, _LONGEST_PAUSE)
                self.paused_until = self._filled_at = now + self._pause * (0.5 + jitter / 2)
                self._tokens = 0.0
                self._met_at = now
            self._go_on(self._passed_rate(self._met_at), self._met_at)
            self._least_rate = self._rate * _LEAST_SHARE

    def ease(self, now: float) -> None:
        """Go on a little slower, without a pause: the ceiling was met, and some posts were throttled.

        The first time at the rate that got through. What a rate soared by since is lost, unless it was used.
        """
        with self._lock:
            if now < self.paused_until:
                return
            self._fill(now)
            rate = self._passed_rate(now)
            if self.is_reduced:
                given = _GIVEN_BY_SECOND * (now - self._met_at)
                taken = min(_TAKEN_BY_429, self._rate * _TAKEN_SHARE)
                rate = max(rate, self._rate_met + given - taken, self._least_rate)
            else:
                self._least_rate = rate * _LEAST_SHARE
            self._go_on(rate, now)
            self._tokens = min(self._tokens, 0.0)

    def _passed_rate(self, now: float) -> float:
        """Return a rate at which requests would go on getting through, by those that did lately."""
        return self._passed_lately * exp((self._granted_at - now) / _LATELY) / _LATELY * _PASSED_SHARE

    def _go_on(self, rate: float, met_at: float) -> None:
        """Let the rate grow from here."""
        self._met_at = met_at
        self._rate = self._rate_met = max(min(self._rate, rate), self._full_rate * _SLOWEST_SHARE)

    def _fill(self, now: float) -> None:
        if self._filled_at is None:
            self._filled_at = now
        passed = now - self._filled_at
        if passed <= 0:
            return
        self._filled_at = now
        self._tokens = min(self._burst, self._tokens + passed * self._rate)
        if self._rate < self._full_rate:
            since = now - self._met_at
            grown = _GIVEN_BY_SECOND * (since + (since / _QUIET) ** _QUIET_POWER)
            self._rate = min(self._full_rate, self._rate_met + grown)


class ThrottleWatch:
    """Tells one slow reader's 429 from a throttled account's, by who else was throttled lately in the same broadcast.

    It is everybody if of the latest sixteen answers half are 429, for at least six connections.
    """

    _SAMPLE = 8
    _WINDOW = 16
    _CONNECTIONS = 6
    # Slow readers explain one 429 in so many answers; so many more mean that the ceiling was met. Fewer do where it is
    # known to be near.
    _SOME = (10, 6)
    _SOME_NEAR = (400, 4)

    def __init__(self) -> None:
        self._latest: deque[tuple[int, str]] = deque(maxlen=self._SAMPLE)
        self._unexplained = 0.0
        self._number = 0  # of the answer that was counted last

    def is_everybody(self, connection_id: str, number: int) -> bool:
        """Record that a connection was throttled, in the answer of this number; return whether everybody is."""
        self._latest.append((number, connection_id))
        return (
            len(self._latest) == self._SAMPLE
            and number - self._latest[0][0] < self._WINDOW
            and len({throttled for _, throttled in self._latest}) >= self._CONNECTIONS
        )

    def is_some(self, number: int, *, is_near: bool) -> bool:
        """Record that not everybody was; return whether more of the latest answers were than slow readers explain.

        Args:
            is_near: whether the account's ceiling was met and is not forgotten yet.
        """
        answers, some = self._SOME_NEAR if is_near else self._SOME
        explained = (number - self._number) / answers
        self._unexplained = min(max(0.0, self._unexplained - explained) + 1, some)
        self._number = number
        return self._unexplained == some
