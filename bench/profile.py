"""Where the microseconds of one message go.

The whole is the engine's CPU per message, 200 bytes, answered at once. TLS and the kernel are what a bare loop of
Python's sockets takes for the same bytes (`senders.bare_loop`), in rounds that take turns with the engine's. The other
parts are timed alone, with the very objects that the engine uses. The best of several rounds counts, because whatever
disturbs only adds; the loop is what remains.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from math import inf
from pathlib import Path

from broadcaster.http1 import AnswerReader
from broadcaster.sending.fan_out import FanOut
from broadcaster.sending.pace import Pace
from broadcaster.signing import ConnectionSigner

from . import message
from .contenders import PythonSender
from .sink import HOW_TO_GET, missing, running

_ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 22:58:43 GMT\r\nContent-Length: 0\r\n"
    b"Connection: keep-alive\r\nx-amzn-RequestId: 7ad47416c349d5a051afbf046f00d244\r\n"
    b"x-amz-apigw-id: L0SM9cOFvHcEJpQ=\r\n\r\n"
)
_COUNT = 20_000


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    if gone := missing():
        print(f"{' and '.join(gone)} not found; {HOW_TO_GET}", file=sys.stderr)
        return 1
    ids = message.connection_ids(_COUNT)
    parts = {"signing": _sign(ids), "parsing the answer": _parse(ids), "decisions": _decide(ids)}
    whole, parts["TLS, sockets, the kernel"] = _whole()
    print(f"{'':28}{'µs':>7}{'share':>8}")
    for name, cost in (*parts.items(), ("the loop: what remains", whole - sum(parts.values())), ("all of it", whole)):
        print(f"{name:28}{cost:7.1f}{cost / whole:8.0%}")
    return 0


def _best(once: Callable[[], None]) -> float:
    """Return the µs of CPU for one message in the cheapest of several rounds."""
    rounds = []
    for _ in range(7):
        before = time.process_time()
        once()
        rounds.append(time.process_time() - before)
    return min(rounds) / _COUNT * 1e6


def _sign(ids: list[str]) -> float:
    signer = ConnectionSigner(
        message.CREDENTIALS,
        host="localhost:8443",
        region=message.REGION,
        base_path="/now",
        method="POST",
        body=message.body(200),
        now=time.time(),
    )

    def once() -> None:
        head = signer.head
        for connection_id in ids:
            head(connection_id)

    return _best(once)


def _parse(ids: list[str]) -> float:
    reader = AnswerReader()

    def once() -> None:
        feed = reader.feed
        for _ in ids:
            feed(_ANSWER)

    return _best(once)


def _decide(ids: list[str]) -> float:
    answer = AnswerReader().feed(_ANSWER)

    def once() -> None:
        fan_out = FanOut([ids], url="", pace=Pace(inf), deadline=inf, random=lambda: 0.5)
        while (connection_id := fan_out.take(0.0)) is not None:
            if answer is not None:
                fan_out.answered(connection_id, answer, 0.0)

    return _best(once)


def _whole() -> tuple[float, float]:
    """Return what the engine takes for one message, and what a bare loop takes."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, running(Path(folder)) as sink, ExitStack() as stack:
        senders = [PythonSender(name, sink) for name in ("engine", "bare_loop")]
        for sender in senders:
            stack.callback(sender.close)
            sender.run("now", 200, _COUNT)  # opens the connections
        rounds = [[sender.run("now", 200, 4_000) for sender in senders] for _ in range(20)]
    engine, bare = (min(run.cpu / run.messages for run in runs) * 1e6 for runs in zip(*rounds, strict=True))
    return engine, bare


if __name__ == "__main__":
    sys.exit(main())
