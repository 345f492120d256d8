"""How many workers the backend has, as far as can be seen from beside it."""

import os
import sys
from pathlib import Path

from ...registries.several_processes import SERVERS, worker_sign

_WORDS = 3  # of a command line, in which a server's name is: `python -m gunicorn`


def find_workers() -> str | None:
    """Return what says that the backend has several workers: the environment, or a server that runs in this folder."""
    return worker_sign(argv=[]) or _running_server()


def _running_server() -> str | None:
    """Return a running server of Python's with several workers, wherever their number was written; Linux alone tells.

    Only one that was started in the folder that this process is in: others on the machine may be of other backends.
    """
    if not sys.platform.startswith("linux"):
        return None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = _command(process)
            server = _server_in(command)
            if server is None or not os.path.samefile(process / "cwd", "."):  # noqa: PTH121 - follows /proc's link
                continue
            for at in range(_WORDS):
                if sign := worker_sign({}, command[at:]):
                    return sign
            children = (process / "task" / process.name / "children").read_text().split()
            alike = sum(_server_in(_command(process.parent / child)) == server for child in children)
        except OSError:  # it has just ended, or is somebody else's
            continue
        if alike > 1:
            return f"{server} (process {process.name}) runs {alike} workers"
    return None


def _command(process: Path) -> list[str]:
    return (process / "cmdline").read_text(errors="replace").split("\0")


def _server_in(command: list[str]) -> str | None:
    """Return which server a process is, by the first words of its command line; gunicorn may write its own there."""
    names = [os.path.split(word)[1].partition(":")[0] for word in command[:_WORDS]]
    return next((name for name in names if name in SERVERS), None)
