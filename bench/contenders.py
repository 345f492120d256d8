"""The processes that send: a Python one for each of `senders`, and wrk."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple, Protocol, TextIO, cast

from . import message
from .sink import Sink, pin

ROOT = Path(__file__).parents[1]
_WRK_CONNECTIONS = 64
_WRK_SECONDS = 2


class Run(NamedTuple):
    """What sending some messages took, in seconds of CPU (user and system) and of the clock."""

    messages: int
    cpu: float
    wall: float


class Contender(Protocol):
    """One that sends."""

    def run(self, stage: str, size: int, count: int) -> Run:
        """Send so many messages of so many bytes and return what that took."""

    def close(self) -> None:
        """End its process."""


class PythonSender:
    """A process that runs one of `senders`; it lives, with its connections, from run to run."""

    def __init__(self, name: str, sink: Sink) -> None:
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", name, sink.url, str(sink.authority)],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._open_pipes()

    def _open_pipes(self) -> None:
        self._orders, self._results = cast(TextIO, self._process.stdin), cast(TextIO, self._process.stdout)

    def run(self, stage: str, size: int, count: int) -> Run:
        """See `Contender.run`."""
        print(json.dumps({"stage": stage, "size": size, "count": count}), file=self._orders, flush=True)
        line = self._results.readline()
        if not line:
            raise RuntimeError(f"the sender {self._name} has ended; its error is above")
        return Run(**json.loads(line))

    def close(self) -> None:
        """See `Contender.close`."""
        self._process.communicate()


class Wrk:
    """wrk with one thread and 64 connections. It sends the same bytes over and over: what others sign it has signed."""

    def __init__(self, sink: Sink, folder: Path) -> None:
        self._sink, self._script = sink, folder / "wrk.lua"

    def run(self, stage: str, size: int, count: int) -> Run:
        """See `Contender.run`; wrk counts seconds and not messages, so `count` says nothing here."""
        body = message.body(size)
        signer = message.HeaderSigner(self._sink.url.removeprefix("https://"), stage, body)
        lines = [
            f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in signer.headers("x").items()
        ]
        lines += ['wrk.method = "POST"', f"wrk.body = [==[{body.decode()}]==]"]
        self._script.write_text("\n".join(lines))
        url = self._sink.url + message.path(stage, "L0SM9c000000000=")
        command = ["wrk", "-t1", f"-c{_WRK_CONNECTIONS}", f"-d{_WRK_SECONDS}s", "-s", str(self._script), url]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: pin(last=False))
        output = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        counted = re.search(r"(\d+) requests in", output)
        if process.returncode or not counted or "Non-2xx" in output or "Socket errors" in output:
            raise RuntimeError(output)
        return Run(int(counted[1]), usage.ru_utime + usage.ru_stime, time.perf_counter() - started)

    def close(self) -> None:
        """See `Contender.close`."""


def environment() -> dict[str, str]:
    """Return an environment with the bench's keys and without what would lead a sender elsewhere or slow it down."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PYTHON", "REQUESTS_CA_", "SSL_CERT_")) and not name.lower().endswith("_proxy")
    }
    keys = {"AWS_ACCESS_KEY_ID": message.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": message.SECRET_KEY}
    return {**kept, **keys, "AWS_SESSION_TOKEN": message.TOKEN, "AWS_EC2_METADATA_DISABLED": "true"}
