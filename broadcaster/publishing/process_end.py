"""Ends the publishers of a process with it, within two seconds altogether, however such a process ends."""

import atexit
import os
import sys
import time
import weakref

from ..cheap_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .publisher import Publisher

SECONDS = 2.0

# The modules of which forked children run the finalizers, and not what was registered with `atexit`.
_FINALIZING = ("multiprocessing.util", "billiard.util")

_publishers: "weakref.WeakSet[Publisher]" = weakref.WeakSet()
_registered_in = -1  # the process


def close_at_end(publisher: "Publisher") -> None:
    """Have a publisher closed when this process ends; called in each process in which it sends."""
    global _registered_in
    _publishers.add(publisher)
    if _registered_in == os.getpid():
        return
    _registered_in = os.getpid()
    atexit.register(_close_all)
    for name in _FINALIZING:
        if name in sys.modules:
            sys.modules[name].Finalize(None, _close_all, exitpriority=100)
    if "celery.signals" in sys.modules:  # its workers end with neither, but say so before
        sys.modules["celery.signals"].worker_process_shutdown.connect(_close_all, weak=False)


def _close_all(**_: object) -> None:
    end = time.monotonic() + SECONDS
    for publisher in list(_publishers):
        publisher.close(max(0.0, end - time.monotonic()))
