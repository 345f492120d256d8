"""The package's one logger, `broadcaster`: one INFO line per broadcast, DEBUG for what happens to single connections.

Importing logging costs 7 ms, and asking it whether anybody listens costs too. So lines below a warning are for those
who have imported logging themselves: nobody else can have asked for them.
"""

import sys

from .cheap_typing import TYPE_CHECKING
from .forks import importing, writing_logs

if TYPE_CHECKING:
    import logging

NAME = "broadcaster"
DEBUG, INFO, WARNING = 10, 20, 30  # logging's own, without importing it

_logger: "logging.Logger | None" = None


def logger() -> "logging.Logger":
    """Return the logger, for warnings and errors."""
    global _logger
    if _logger is None:
        with importing:
            import logging

        found = logging.getLogger(NAME)
        handle = found.handle

        def handle_before_forks(record: "logging.LogRecord") -> None:
            with writing_logs:
                handle(record)

        found.handle = handle_before_forks  # type: ignore[method-assign]
        _logger = found
    return _logger


def listening(level: int) -> "logging.Logger | None":
    """Return the logger if lines of this level are wanted; costs next to nothing where they are not.

    Args:
        level: `DEBUG` or `INFO`.
    """
    if _logger is None and "logging" not in sys.modules:
        return None
    found = logger()
    return found if found.isEnabledFor(level) else None
