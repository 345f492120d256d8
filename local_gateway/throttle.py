"""Token buckets, as API Gateway throttles with."""

import time
from collections.abc import Callable, Mapping


class TokenBucket:
    """Lets `rate` requests a second through, and `burst` at once when it has been quiet.

    A rate of zero with a burst of zero lets nothing through, as a stage's throttle of 0 does.
    """

    def __init__(self, rate: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = burst
        self._now = now
        self._tokens = burst
        self._filled_at = now()

    def take(self) -> bool:
        """Take one token; `False` when there is none."""
        now = self._now()
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class StageThrottle:
    """The throttles that a stage sets for its routes.

    Args:
        limits: rate and burst by route key; those under `ALL` count for every route without its own.
    """

    ALL = "$default_route_settings"

    def __init__(self, limits: Mapping[str, tuple[float, float]]) -> None:
        self._limits = limits
        self._buckets: dict[str, TokenBucket] = {}

    def admits(self, route_key: str) -> bool:
        """Tell whether a request for this route may pass; routes do not share a bucket."""
        limit = self._limits.get(route_key) or self._limits.get(self.ALL)
        if limit is None:
            return True
        if route_key not in self._buckets:
            self._buckets[route_key] = TokenBucket(*limit)
        return self._buckets[route_key].take()
