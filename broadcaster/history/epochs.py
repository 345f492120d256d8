"""Names of epochs: short, and as good as never the same twice on one channel."""

import os


def new_epoch() -> str:
    """Return 8 characters at random."""
    return os.urandom(4).hex()
