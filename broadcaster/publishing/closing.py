"""Closes the publishers of a process when it ends, within two seconds altogether."""

import time
import weakref

from ..cheap_typing import TYPE_CHECKING
from ..process_end import call_at_end

if TYPE_CHECKING:
    from .publisher import Publisher

SECONDS = 2.0

_publishers: "weakref.WeakSet[Publisher]" = weakref.WeakSet()


def close_at_end(publisher: "Publisher") -> None:
    """Have a publisher closed when this process ends; called in each process in which it sends."""
    _publishers.add(publisher)
    call_at_end(_close_all)


def _close_all(**_: object) -> None:
    end = time.monotonic() + SECONDS
    for publisher in list(_publishers):
        publisher.close(max(0.0, end - time.monotonic()))
