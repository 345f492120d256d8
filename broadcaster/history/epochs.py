"""Names of epochs: as good as never the same twice on one channel, and sorted by when they began."""

import os
import time


def new_epoch() -> str:
    """
    Return the second in which it was made, in 8 hexadecimal digits, and 6 more at random.

    What hears of two epochs and cannot read the store knows by the order which of them is over. The store itself does
    not rely on it, for clocks may differ.
    """
    return f"{int(time.time()):08x}{os.urandom(3).hex()}"
