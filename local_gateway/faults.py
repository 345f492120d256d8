"""What can be made to go wrong on purpose, so that a client and a backend can be tried against it."""

import difflib
import math
import random
from dataclasses import dataclass, field
from typing import Any

from .throttle import TokenBucket

# developerguide/limits.html: one bucket per account and Region for every request, message and call to @connections.
ACCOUNT_RATE = 10_000.0  # requests a second
ACCOUNT_BURST = 5_000.0  # requests
# developerguide/apigateway-execution-service-websocket-limits-table.html; the size of its bucket is not documented, a
# second's worth is inferred.
HANDSHAKE_RATE = 500.0  # new connections a second

_SHARES = ("lost_disconnects", "half_open", "post_errors")
_DELAYS = ("half_open_delay", "cold_start", "lambda_delay", "reorder")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass
class Faults:
    """The faults in force; all of them are off unless set, and may be changed while the gateway runs.

    Shares are between 0 (never) and 1 (always). Delays are in seconds of real time.
    """

    lost_disconnects: float = 0.0  # share of closed connections whose $disconnect is not invoked
    half_open: float = 0.0  # share of clients that are taken to have vanished as soon as they are connected
    half_open_delay: float = 0.0  # how long a post to such a client takes, before it is answered with 200
    post_errors: float = 0.0  # share of calls to @connections that are answered with 500
    cold_start: float = 0.0  # added to the start of each Lambda environment
    lambda_delay: float = 0.0  # added before each event reaches its function
    reorder: float = 0.0  # each MESSAGE event is held back for a random time up to this
    account: TokenBucket | None = None  # the account's throttle
    handshakes: TokenBucket | None = None  # the account's throttle of new connections
    chance: random.Random = field(default_factory=random.Random)  # give a seeded one to repeat a run

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a fault.

        Raises:
            AttributeError: there is no fault of that name.
            ValueError: it is no share or no delay.
        """
        if name not in self.__dataclass_fields__:
            close = difflib.get_close_matches(name, self.__dataclass_fields__, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(self.__dataclass_fields__)}"
            raise AttributeError(f"there is no fault {name!r}; {hint}")
        if name in _SHARES and not (_is_number(value) and 0 <= value <= 1):
            raise ValueError(f"{name} is {value!r}; it takes a share between 0 (never) and 1 (always)")
        if name in _DELAYS and not (_is_number(value) and 0 <= value < math.inf):
            raise ValueError(f"{name} is {value!r}; it takes seconds, 0 or more")
        super().__setattr__(name, value)

    def throttle_account(self, rate: float = ACCOUNT_RATE, burst: float = ACCOUNT_BURST) -> None:
        """Throttle handshakes, messages and calls to `@connections`, which share one bucket."""
        self.account = TokenBucket(rate, burst)

    def throttle_handshakes(self, rate: float = HANDSHAKE_RATE) -> None:
        """Throttle new connections."""
        self.handshakes = TokenBucket(rate, rate)

    def strikes(self, share: float) -> bool:
        """Tell whether a fault with this share happens now."""
        return share > 0 and self.chance.random() < share

    def is_throttled(self) -> bool:
        """Tell whether the account's throttle refuses one more request; takes a token if not."""
        return self.account is not None and not self.account.take()
