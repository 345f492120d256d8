"""What can be made to go wrong on purpose, so that a client and a backend can be tried against it."""

import random
from dataclasses import dataclass, field


@dataclass
class Faults:
    """The faults in force; all of them are off unless set, and may be changed while the gateway runs.

    Shares are between 0 (never) and 1 (always). Delays are in seconds of real time.
    """

    lost_disconnects: float = 0.0  # share of closed connections whose $disconnect is not invoked
    half_open: float = 0.0  # share of connections whose client is taken to have vanished once connected
    post_errors: float = 0.0  # share of calls to @connections that are answered with 500
    cold_start: float = 0.0  # added to the start of each Lambda environment
    lambda_delay: float = 0.0  # added before each event reaches its function
    reorder: float = 0.0  # each MESSAGE event is held back for a random time up to this
    chance: random.Random = field(default_factory=random.Random)  # give a seeded one to repeat a run

    def strikes(self, share: float) -> bool:
        """Whether a fault with this share happens now."""
        return share > 0 and self.chance.random() < share
