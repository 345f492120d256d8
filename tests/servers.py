"""Servers of this project in processes of their own."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


@contextlib.contextmanager
def started(arguments, lines, environment):
    """Run a module as a server, with variables on top of ours, and hand over the first lines that it prints."""
    with subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield [process.stdout.readline().strip() for _ in range(lines)]
        finally:
            process.terminate()
