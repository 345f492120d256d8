"""A process that takes posts on loopback and says when each came; those to connections that it is told of hang.

Prints its port. For each line on its input it prints what it has received since, for each post `[when, connection id,
data of events]`, `when` in seconds of the system's monotonic clock.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from typing import Any

from .contenders import ROOT


class Receiver:
    """That process, seen from a bench.

    Args:
        hanging: connection ids whose posts are never answered; `*` for all.
    """

    def __init__(self, *hanging: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.receiver", *hanging],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = f"http://127.0.0.1:{self._ask()}/production"

    def received(self) -> list[Any]:
        """Return what has come since this was called last."""
        print(file=self._process.stdin, flush=True)
        received: list[Any] = self._ask()
        return received

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _ask(self) -> Any:
        return json.loads(self._process.stdout.readline() if self._process.stdout else "null")


class _Connection(asyncio.Protocol):
    received: list[tuple[float, str, bytes]] = []  # noqa: RUF012 - of all connections
    hanging: set[str] = set()  # noqa: RUF012

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].partition(b"\r")[0]) if end else 0
        if not end or len(rest) < length:
            return
        self._buffer = rest[length:]
        connection_id = head.split(b" ", 2)[1].rpartition(b"/")[2].decode().replace("%3D", "=")
        if connection_id not in self.hanging and "*" not in self.hanging:
            self.received.append((time.monotonic(), connection_id, rest[:length]))
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")  # type: ignore[attr-defined]


def _report() -> str:
    received = _Connection.received[:]
    _Connection.received.clear()
    told = []
    for at, connection_id, body in received:
        frame = json.loads(body)
        told.append([at, connection_id, [event["data"] for event in frame.get("events") or [frame]]])
    return json.dumps(told)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=2_048)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(_report(), flush=True)


if __name__ == "__main__":
    _Connection.hanging = set(sys.argv[1:])
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve())
