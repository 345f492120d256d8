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
_EASED_SHARE = 0.6  # of the rate is left where some, not all, were throttled
_FEEDBACK = 0.08  # seconds in which answers still tell of posts from before the last change
_LATELY = 0.1  # seconds over which it is averaged how fast requests really go out
# So long after the ceiling was met it is the likely reason of any 429. Not longer: what slow readers get must not hold
# a broadcast down for ever.
_SCARCE_SECONDS = 5.0
# The rate grows again by a step that itself grows exponentially: by little near the ceiling that was met, and back to
# all of it in seconds should that have gone up. The step does not depend on the rate: what one cuts off in proportion
# and gives back in equal parts becomes equal among processes that do not know of each other.
_STEP = 0.0015  # of the set rate
_STEP_GROWTH = 2.0  # in the exponent, each second
_GUESS_GROWTH = 0.15  # of the rate, in each second beside the step, where the rate is only an estimate
_LONGEST_GROWTH = 20.0  # seconds, by when any rate is the set one again


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
        self._rate_met = self._throttled_rate = rate  # after and before the ceiling was met the last time, at `_met_at`
        self._met_at = self._scarce_since = -inf
        self._is_guess = True
        self._granted_lately = self._granted_at = 0.0
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
            self._granted_lately = self._granted_lately * exp((self._granted_at - now) / _LATELY) + granted
            self._granted_at = now
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

    @property
    def is_reduced(self) -> bool:
        """Whether it is slower than it was set to be, so that the account is the likely reason of any 429."""
        return self._rate < self._full_rate

    def is_scarce(self, now: float) -> bool:
        """Return whether the account's ceiling was met lately."""
        return now - self._scarce_since < _SCARCE_SECONDS

    def throttled(self, now: float, jitter: float, share: float = 0.5) -> None:
        """Pause all and go on at the rate that got through: not one connection but everybody was throttled.

        What arrives during the pause was sent before it: it makes the estimate of that rate better, and nothing else.

        Args:
            jitter: 0 to 1, random, so that several processes do not come back at the same moment.
            share: of the latest answers that were throttled.
        """
        with self._lock:
            if now < self.paused_until:
                self._go_on(self._throttled_rate * (1 - share), self._met_at)
                return
            self._fill(now)
            self._throttled_rate = self._real_rate(now)
            self._go_on(self._throttled_rate * (1 - share), now)
            self._is_guess = True
            self._tokens = 0.0
            self._scarce_since = now
            is_calm = now - self.paused_until > _CALM_AFTER
            self._pause = _FIRST_PAUSE if is_calm else min(self._pause * 2, _LONGEST_PAUSE)
            self.paused_until = now + self._pause * (0.5 + jitter / 2)

    def ease(self, now: float) -> None:
        """Go on slower, without a pause: the ceiling was met, and some posts were throttled."""
        with self._lock:
            if now < max(self.paused_until, self._met_at) + _FEEDBACK:
                return
            self._fill(now)
            self._go_on(self._real_rate(now) * _EASED_SHARE, now)
            self._is_guess = False
            self._tokens = min(self._tokens, 0.0)
            if not self.is_scarce(now):
                self._scarce_since = now

    def _real_rate(self, now: float) -> float:
        """Return the requests per second of late: with tokens left it is not the rate that held them back."""
        lately = self._granted_lately / _LATELY * exp((self._granted_at - now) / _LATELY)
        return min(self._rate, lately) if self._tokens >= 1 and lately else self._rate

    def _go_on(self, rate: float, met_at: float) -> None:
        """Let the rate grow from here."""
        self._met_at = met_at
        self._rate = self._rate_met = max(rate, self._full_rate * _SLOWEST_SHARE)

    def _fill(self, now: float) -> None:
        if self._filled_at is None:
            self._filled_at = now
        passed = now - self._filled_at
        if passed <= 0 or self._full_rate == inf:
            return
        self._filled_at = now
        self._tokens = min(self._burst, self._tokens + passed * self._rate)
        if self._rate < self._full_rate:
            since = min(now - self._met_at, _LONGEST_GROWTH)
            step = self._full_rate * _STEP * (exp(_STEP_GROWTH * since) - 1)
            guess = self._rate_met * _GUESS_GROWTH * since if self._is_guess else 0.0
            self._rate = min(self._full_rate, self._rate_met + guess + step)


class ThrottleWatch:
    """Tells one slow reader's 429 from a throttled account's, by who else was throttled lately in the same broadcast.

    It is everybody if of the latest sixteen answers half are 429, for at least six connections.
    """

    _SAMPLE = 8
    _WINDOW = 16
    _CONNECTIONS = 6
    _SHARE_OF = 128  # answers
    # So many in so many answers mean that the ceiling was met; fewer do where it is known to be near.
    _SOME = (6, 48)
    _SOME_NEAR = (3, 64)

    def __init__(self) -> None:
        self._latest: deque[tuple[int, str]] = deque(maxlen=self._SAMPLE)
        self._numbers: deque[int] = deque(maxlen=self._SHARE_OF)

    def is_everybody(self, connection_id: str, number: int) -> bool:
        """Record that a connection was throttled, in the answer of this number; return whether everybody is."""
        self._latest.append((number, connection_id))
        self._numbers.append(number)
        return (
            len(self._latest) == self._SAMPLE
            and number - self._latest[0][0] < self._WINDOW
            and len({throttled for _, throttled in self._latest}) >= self._CONNECTIONS
        )

    def is_some(self, number: int, *, is_near: bool) -> bool:
        """Return whether more of the latest answers were 429 than a few slow readers explain.

        Args:
            is_near: whether the account's ceiling was met lately.
        """
        some, answers = self._SOME_NEAR if is_near else self._SOME
        return len(self._numbers) >= some and number - self._numbers[-some] < answers

    def share(self, number: int) -> float:
        """Return the share of the latest answers that were 429; a little below 1 if all were."""
        return sum(number - throttled < self._SHARE_OF for throttled in self._numbers) / (self._SHARE_OF + 1)
