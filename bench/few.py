"""What a broadcast costs that nobody, one, five or fifty people see: the usual case, where fixed costs outweigh all.

One log line of 150 bytes. The figure is the CPU time (user and system, all threads) of the sending process for one
broadcast: reading the registry, encoding, signing, posting over TLS. Beside it boto3 does the same in the plainest way:
one post after another, for DynamoDB after two Queries. Redis is a real one, DynamoDB's answers are canned (`sink`).
"""

import argparse
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import cast

from .contenders import ROOT, Wrk, environment
from .rows import Row, show
from .sink import HOW_TO_GET, VIEWERS, Sink, missing, running

REGISTRIES = ("memory", "redis", "dynamodb")
BOTO3_POSTS, BOTO3_ALL = "boto3, posts alone", "boto3, two Queries and posts"
# What is promised, as boto3's cost divided by ours: registry, viewers, boto3 doing what, must, aim.
PROMISES = (
    ("memory", 1, BOTO3_POSTS, 7, 10),
    ("memory", 5, BOTO3_POSTS, 22, 30),
    ("redis", 5, BOTO3_POSTS, 10, 14),
    ("dynamodb", 1, BOTO3_ALL, 8, 13),
    ("dynamodb", 5, BOTO3_ALL, 15, 25),
)
Costs = dict[str, dict[int, list[float]]]  # contender: viewers: µs of CPU for one broadcast, round by round


class Process:
    """A sending process (`few_sender`); it lives, with its connections, from round to round."""

    def __init__(self, kind: str, sink: Sink, redis: str) -> None:
        variables = {
            "AWS_CA_BUNDLE": str(sink.authority),
            "AWS_ENDPOINT_URL_DYNAMODB": sink.url,
            "AWS_REGION": "us-east-1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.few_sender", kind, f"{sink.url}/now", redis],
            cwd=ROOT,
            env=environment() | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, viewers: int, count: int) -> float:
        """Return the µs of CPU for one of so many broadcasts."""
        print(json.dumps([viewers, count]), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError("a sender has ended; its error is above")
        return cast(float, json.loads(line)) / count * 1e6

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def main() -> int:
    """Measure and print the tables; the exit status says whether all is as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of broadcasts in a round")
    parser.add_argument("--only", metavar="WORD", action="append", help="only senders whose name has this word in it")
    options = parser.parse_args()
    if gone := [*missing(), *(() if shutil.which("redis-server") else ("redis-server",))]:
        print(f"{' and '.join(gone)} not found; {HOW_TO_GET} redis-server", file=sys.stderr)
        return 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        sink = stack.enter_context(running(folder))
        redis = stack.enter_context(running_redis(folder))
        kinds = {f"{face}, {registry}": f"{face} {registry}" for face in ("sync", "asyncio") for registry in REGISTRIES}
        kinds |= {BOTO3_POSTS: "boto3 memory", BOTO3_ALL: "boto3 dynamodb"}
        if options.only:
            kinds = {label: kind for label, kind in kinds.items() if any(word in label for word in options.only)}
        processes = {label: Process(kind, sink, redis) for label, kind in kinds.items()}
        for process in processes.values():
            stack.callback(process.close)
        costs = _measure(processes, options.rounds, options.share)
        wrk = Wrk(sink, folder).run("now", 200, 0)
    _print(costs)
    print(f"\nwrk, one request, signs nothing: {wrk.cpu / wrk.messages * 1e6:.0f} µs")
    rows = _promised(costs)
    show(rows)
    return int(any(row.verdict == "MISSED" for row in rows))


def _measure(processes: dict[str, Process], rounds: int, share: float) -> Costs:
    costs: Costs = {label: {viewers: [] for viewers in VIEWERS} for label in processes}
    for number in range(-1, rounds):  # the round before the first opens connections and is not counted
        for viewers in VIEWERS:
            for label, process in processes.items():
                count = max(3, int(share * 100 / (1 + viewers / 2) * (1 if label.startswith("boto3") else 5)))
                cost = process.run(viewers, count)
                if number >= 0:
                    costs[label][viewers].append(cost)
    return costs


def _print(costs: Costs) -> None:
    print(f"CPU µs for one broadcast, median\n\n{'viewers':30}" + "".join(f"{viewers:>10}" for viewers in VIEWERS))
    for label, by_viewers in costs.items():
        print(f"{label:30}" + "".join(f"{median(by_viewers[viewers]):10,.0f}" for viewers in VIEWERS))


def _promised(costs: Costs) -> list[Row]:
    rows = []
    for face in ("sync", "asyncio"):
        for registry, viewers, boto3, must, aim in PROMISES:
            ours = f"{face}, {registry}"
            if ours not in costs or boto3 not in costs:
                continue
            ratio = median(costs[boto3][viewers]) / median(costs[ours][viewers])
            if face == "sync":
                rows.append(Row(f"{boto3} to {ours}, {viewers}", ratio, "x", must, aim, is_floor=True))
            else:
                print(f"{boto3} to {ours}, {viewers}: {ratio:.1f} x")
    return rows


@contextlib.contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Run a Redis that keeps nothing, and hand over its URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    sys.exit(main())
