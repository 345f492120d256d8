"""What a page that comes late, or comes back, has missed: the admin events of the last runs.

Kept in this process's memory, as far as an example goes; an application has its runs in a database.
"""

import threading
import time
from typing import Any

from fastapi import APIRouter

from .login import SignedIn

KEPT_RUNS = 100
KEPT_EVENTS = 50  # of one run, which has 5 to 10

Event = dict[str, Any]

_runs: dict[str, list[Event]] = {}
_lock = threading.Lock()
router = APIRouter()


def record(data: Event) -> None:
    """Keep an admin event. Call it before the broadcast: a page that asks in between may then hear it twice, which the
    events' own ids resolve, but never not at all."""
    entry = {"at": time.time(), "data": data}
    with _lock:
        events = _runs.setdefault(data["thread_id"], [])
        events.append(entry)
        del events[:-KEPT_EVENTS]
        while len(_runs) > KEPT_RUNS:
            del _runs[next(iter(_runs))]


@router.get("/runs")
def recent_runs(_: SignedIn) -> list[Event]:
    """List the admin events of the last 100 runs, oldest run first, each with the time in seconds since 1970."""
    with _lock:
        return [entry for entries in _runs.values() for entry in entries]
