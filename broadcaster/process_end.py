"""Has functions called when a process ends, however such a process ends."""

import atexit
import os
import sys
from collections.abc import Callable

# The modules of which forked children run the finalizers, and not what was registered with `atexit`.
_FINALIZING = ("multiprocessing.util", "billiard.util")

_registered: dict[Callable[..., None], int] = {}  # in which process


def call_at_end(function: Callable[..., None]) -> None:
    """Have a function called when this process ends; to be said in each process, and as often as one likes.

    Args:
        function: may be called more than once; takes and ignores what Celery's signals give.
    """
    if _registered.get(function) == os.getpid():
        return
    _registered[function] = os.getpid()
    atexit.register(function)
    for name in _FINALIZING:
        if name in sys.modules:
            sys.modules[name].Finalize(None, function, exitpriority=100)
    if "celery.signals" in sys.modules:  # its workers end with neither, but say so before
        sys.modules["celery.signals"].worker_process_shutdown.connect(function, weak=False)
