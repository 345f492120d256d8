"""What history costs: CPU of a message, requests, readings, and DynamoDB's bill of a month.

CPU is beside the same broadcast without history, in processes that run side by side in one call, because machines are
shared: quote the ratios. The requests of DynamoDB are counted at a stand-in that answers after 5 ms (`bench.table`).
Public prices of us-east-1, September 2026: $0.625 for a million write units, of 1 KB each.
https://aws.amazon.com/dynamodb/pricing/on-demand/
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles

from broadcaster import MemoryRegistry, Registry
from broadcaster.history.choose import History
from broadcaster.history.dynamodb import DynamoDBHistory
from broadcaster.registries.dynamodb import DynamoDBRegistry
from broadcaster.registries.redis import RedisRegistry

from . import cost
from .contenders import ROOT, environment
from .few import Process, running_redis
from .few_sender import DATA
from .message import REGION
from .reconnect import MISSED, reconnections
from .rows import Row, show
from .sink import HOW_TO_GET, missing, running

MUST = {"memory": 1.1, "redis": 1.4, "dynamodb": 1.6}
WRITE_PRICE = 0.625 / 1e6
KEPT = 2_000
EVENTS_A_MONTH = 6_200_000
WORKERS = 4
RATE = 50  # messages a second of each


def main() -> int:
    """Print the promised figures; the exit status says whether all is as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=8.0, help="that the workers of one channel append")
    parser.add_argument("--runs", type=int, default=cost.RUNS_A_DAY)
    parser.add_argument("--worker", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return append_at_a_rate(options.worker, options.seconds)
    if gone := missing():
        print(f"{' and '.join(gone)} not found; {HOW_TO_GET} redis-server", file=sys.stderr)
        return 1
    os.environ.update(environment())
    rows = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        sink = stack.enter_context(running(folder))
        redis = stack.enter_context(running_redis(folder))
        for registry, must in MUST.items():
            with contextlib.ExitStack() as pair:
                before, after = (Process(f"{face} {registry}", sink, redis) for face in ("sync", "history"))
                pair.callback(before.close)
                pair.callback(after.close)
                ratio = compare(before, after, options.rounds)
            rows.append(Row(f"append and broadcast to 5 beside broadcast, {registry}", ratio, "x", must, must))
        places: dict[str, Registry] = {"memory": MemoryRegistry(), "redis": RedisRegistry(redis)}
        url = stack.enter_context(table())
        places["dynamodb"] = DynamoDBRegistry("connections", region=REGION, endpoint_url=url, scope="bench")
        for name, place in places.items():
            ms, megabytes = reading(place)
            rows.append(Row(f"reading {KEPT:,} of {KEPT:,}, {name}", ms, "ms", 10, 10))
            rows.append(Row(f"the same, {name}", megabytes, "MB", 5, 5))
    for workers, must in ((1, 1.05), (WORKERS, 2.0)):
        what = f"requests a message, dynamodb, {workers} at {RATE} a second"
        rows.append(Row(what, requests(workers, options.seconds), "", must, must))
    took = quantiles(reconnections(100), n=20)[-1] * 1000
    rows.append(Row(f"reconnect with {MISSED} missed, to the last one, 95 of 100", took, "ms", 150, 60))
    day = cost.load(options.runs, cost.HOURS, 1)
    units = cost.send(day, {"logs": 1.0, "*": 0.1}).units
    dollars = units / len(day) * EVENTS_A_MONTH * WRITE_PRICE
    rows.append(Row(f"DynamoDB, {EVENTS_A_MONTH / 1e6:.1f} million events published", dollars, "$", 1, 1))
    show(rows)
    return int(any(row.verdict == "MISSED" for row in rows))


def compare(without: Process, with_history: Process, rounds: int) -> float:
    """Return how much more CPU a broadcast to five takes with history: the median of ratios of neighbouring rounds."""
    ratios = []
    for number in range(-1, rounds):
        costs = [process.run(5, 150) for process in (without, with_history)]
        if number >= 0:
            ratios.append(costs[1] / costs[0])
    return median(ratios)


def reading(registry: Registry) -> tuple[float, float]:
    """Return the ms of CPU and the MB of memory of reading all that is kept."""
    history = History({"logs": KEPT}, 3_600, registry)
    for number in range(KEPT):
        message = {"channel": "logs", "event": "log", "data": DATA, "id": f"{number:016x}"}
        history.append("logs", json.dumps(message, separators=(",", ":")).encode(), token=str(number))
    times = []
    for _ in range(9):
        before = time.process_time()
        answer = history.read("logs", rewind=KEPT, limit=KEPT)
        times.append(time.process_time() - before)
        if len(answer["messages"]) != KEPT:
            raise RuntimeError(f"{len(answer['messages'])} messages were read")
        del answer
    tracemalloc.start()
    history.read("logs", rewind=KEPT, limit=KEPT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    registry.close()
    return median(times) * 1000, peak / 1e6


def requests(workers: int, seconds: float) -> float:
    """Return how many requests one message takes where so many processes append to one channel at once."""
    with table() as url:
        command = [sys.executable, "-m", "bench", "history", "--worker", url, "--seconds", str(seconds)]
        processes = [
            subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
            for _ in range(workers)
        ]
        messages = sum(int(process.communicate()[0]) for process in processes)
        with urllib.request.urlopen(url, timeout=10) as answered:  # noqa: S310 - our own, on loopback
            return int(answered.read()) / messages


def append_at_a_rate(url: str, seconds: float) -> int:
    """Append messages to one channel as a backend of several threads does, and print how many."""
    registry = DynamoDBRegistry("connections", region=REGION, endpoint_url=url, scope="bench")
    history = DynamoDBHistory(registry, lifetime=3_600)
    message = json.dumps({"channel": "logs", "event": "log", "data": DATA, "id": "0" * 16}).encode()
    worker = time.monotonic_ns()
    began, count = time.monotonic(), 0
    with ThreadPoolExecutor(16) as threads:
        appended = []
        while time.monotonic() - began < seconds:
            token = f"{worker}-{count}"
            appended.append(threads.submit(history.append, "logs", message, events=1, keep=KEPT, token=token))
            count += 1
            time.sleep(max(0.0, began + count / RATE - time.monotonic()))
        for each in appended:
            each.result()
    print(count)
    return 0


@contextlib.contextmanager
def table() -> Iterator[str]:
    """Run the stand-in for DynamoDB."""
    command = [sys.executable, "-m", "bench.table"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline() if process.stdout else 0)}"
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main())
