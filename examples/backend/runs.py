"""The runs that there are, for a page that comes late or has missed too much: as their events on `admin` left them.

Kept in this process's memory, as far as an example goes; an application has its runs in a database.
"""

import threading
import time
from typing import Any

from fastapi import APIRouter

from broadcaster import position

from .login import SignedIn

KEPT = 100
ENDINGS = {"run_cancelled": "cancelled", "run_rejected": "rejected"}

_runs: dict[str, dict[str, Any]] = {}  # by thread id, oldest first
_lock = threading.Lock()
router = APIRouter()


def change(event: dict[str, Any]) -> None:
    """Change a run by an admin event that is about to be published."""
    now = time.time() * 1000
    with _lock:
        thread = event["thread_id"]
        run = _runs.setdefault(thread, {"name": thread, "status": "running", "began": now, "steps": {}})
        run["heard"] = now
        status = event["status"] if event["type"] == "status_updated" else ENDINGS.get(event["type"])
        if status:
            run.update(status=status, ended=now)
        elif event["type"] == "run_started":
            run.update(name=event["run_name"], total=event.get("steps"))
        elif event["type"] == "workflow_ui_update":
            step = run["steps"].setdefault(event["event_id"], {"began": now})
            step.update(label=event["label"], kind=event["node_kind"], parent=event["parent_event_id"])
            step.update(phase=event["phase"], **({} if event["phase"] == "started" else {"ended": now}))
        if len(_runs) > KEPT:
            del _runs[next(iter(_runs))]


@router.get("/runs")
def snapshot(_: SignedIn) -> dict[str, Any]:
    """Return the last 100 runs, oldest first and times in milliseconds, and from which position on they change."""
    # A run changes before its event is published, and the position is read before the runs: no event is in neither.
    before = position("admin")._asdict()
    with _lock:
        runs = [
            {**run, "thread": thread, "steps": [(id_, dict(step)) for id_, step in run["steps"].items()]}
            for thread, run in _runs.items()
        ]
    return {"position": before, "runs": runs}
