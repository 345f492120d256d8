"""When to look whether a channel without a history has an epoch from before, to end it.

The Lambda's bundle takes this module too.
"""

import time

_LOOK_AGAIN_AFTER = 60.0  # seconds: other processes may still number some messages, until all have the same settings
_MOST_KEPT = 10_000  # channels


class Endings:
    """Remembers which channels were looked at lately."""

    def __init__(self) -> None:
        self._looked: dict[str, float] = {}

    def is_due(self, channel: str) -> bool:
        """Return whether the channel was not looked at for a minute."""
        looked = self._looked.get(channel)
        return looked is None or time.monotonic() - looked >= _LOOK_AGAIN_AFTER

    def note(self, channel: str) -> None:
        """Record that the channel has been looked at, and its epoch ended if there was one."""
        if len(self._looked) >= _MOST_KEPT:
            self._looked.clear()
        self._looked[channel] = time.monotonic()
