"""Names of epochs: as good as never the same twice on one channel, and sorted by when they began."""

import os
import time


def new_epoch() -> str:
    """Return the millisecond in which it is made, in 11 hexadecimal digits, and 5 more at random.

    A client that hears of two epochs and cannot read the store knows by their order which of them is over. The store
    does not rely on the order, because clocks may differ.
    """
    return f"{time.time_ns() // 1_000_000:011x}{os.urandom(3).hex()[1:]}"
