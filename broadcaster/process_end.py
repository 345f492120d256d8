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
    # Another thread may be importing these: then this is none of their children.
    for name in _FINALIZING:
        if finalize := getattr(sys.modules.get(name), "Finalize", None):
            finalize(None, function, exitpriority=100)
    # Celery's workers end with neither, but say so before.
    if shutdown := getattr(sys.modules.get("celery.signals"), "worker_process_shutdown", None):
        shutdown.connect(function, weak=False)
