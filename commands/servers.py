"""One of the programs that `dev.py run` consists of: started, watched, stopped."""

import contextlib
import functools
import re
import shutil
import subprocess
import sys
import threading
from typing import BinaryIO, cast

from .set_up import PYTHON, ROOT, Stop, environment


class Server:
    """A server of ours: a process that prints its addresses first.

    `lines` is how many lines it prints when it is ready. What it prints later goes to `log` or, without one, to the
    terminal. A server with a port keeps it when it is started again, also if it was free to choose one.
    """

    def __init__(
        self, name: str, arguments: list[str], *, lines: int, log: BinaryIO | None, port: int | None = None
    ) -> None:
        self.name = name
        self._command = [str(PYTHON), *arguments]
        self._lines = lines
        self._log = log
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str, **variables: str) -> list[str]:
        """Start it, with further arguments and variables; return its first lines.

        Raise Stop if it ends before it has printed them.
        """
        self._start_as_before = functools.partial(self.start, *arguments, **variables)
        port = [] if self._port is None else ["--port", str(self._port)]
        self._process = subprocess.Popen(
            [*self._command, *arguments, *port],
            cwd=ROOT,
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        output = cast(BinaryIO, self._process.stdout)
        first_lines = [output.readline().decode().strip() for _ in range(self._lines)]
        if not all(first_lines):
            self._process.wait(10)
            raise Stop(f"{self.name} did not start" + (f"; {self._log.name} says why" if self._log else ""))
        if self._port == 0 and (number := re.search(r":(\d+)", first_lines[0])):
            self._port = int(number[1])
        threading.Thread(target=shutil.copyfileobj, args=(output, self._log or sys.stdout.buffer), daemon=True).start()
        return first_lines

    def start_again(self) -> None:
        """Start it as before; if it ends at once, `exit_code` says so."""
        with contextlib.suppress(Stop):
            self._start_as_before()

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self._process.kill()
