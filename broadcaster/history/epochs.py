"""Names of epochs: as good as never the same twice on one channel, and sorted by when they began."""

import os
import time


def new_epoch() -> str:
    """
    Return the millisecond in which it was made, in 11 hexadecimal digits, and 5 more at random.

    What hears of two epochs and cannot read the store knows by the order which of them is over. The store itself does
    not rely on it, for clocks may differ.
    """
    return f"{time.time_ns() // 1_000_000:011x}{os.urandom(3).hex()[1:]}"
