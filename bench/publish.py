"""What publishing costs: the caller's time, the CPU of an event, how many go through, who waits for one that hangs.

The caller's time is beside `json.dumps` and `queue.put_nowait` of the same line; the CPU of an event, all threads of
the process counted, beside boto3 posting it to each viewer. Every figure is of processes that run side by side in one
call, because machines are shared: quote the ratios.
"""

import argparse
import contextlib
import json
import math
import os
import queue
import shutil
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from broadcaster import Broadcaster, MemoryRegistry, RegistryError

from .contenders import environment
from .few import Process, running_redis
from .few_sender import DATA
from .message import REGION, connection_ids
from .receiver import Receiver
from .rows import Row, show
from .sink import HOW_TO_GET, missing, running

EVENTS_A_SECOND = 1_000
VIEWERS = 5


def caller(calls: int) -> tuple[float, float]:
    """Return the median µs of `publish` of a log line in its caller, and of json.dumps and put_nowait."""
    caster = Broadcaster(endpoint_url="http://127.0.0.1:9/production", region=REGION, registry=MemoryRegistry())
    waiting: queue.Queue[str] = queue.Queue()
    rounds: list[tuple[float, float]] = []
    caster.publish("logs", "log", DATA)
    for _ in range(9):
        ours = _times(lambda: caster.publish("logs", "log", DATA), calls)
        theirs = _times(lambda: waiting.put_nowait(json.dumps(DATA)), calls)
        rounds.append((median(ours), median(theirs)))
        with waiting.mutex:
            waiting.queue.clear()
    caster.close(0.0)
    return median(ours for ours, _ in rounds), median(theirs for _, theirs in rounds)


def caller_in_trouble(trouble: str, calls: int) -> tuple[float, float]:
    """Return the 99.9th percentile, in µs, of `publish` and of a queue, one a millisecond, while something hangs."""
    receiver = Receiver("*")
    registry: MemoryRegistry = _Away() if trouble == "the registry is away" else MemoryRegistry()
    for connection_id in connection_ids(VIEWERS):
        registry.add(connection_id)
    with _slow_credentials() if trouble == "credentials take 5 s" else contextlib.nullcontext():
        caster = Broadcaster(endpoint_url=receiver.url, region=REGION, registry=registry)
        caster.publish("logs", "log", DATA)
        waiting: queue.Queue[str] = queue.Queue()
        ours, theirs = [], []
        for _ in range(calls):
            ours += _times(lambda: caster.publish("logs", "log", DATA), 1)
            theirs += _times(lambda: waiting.put_nowait(json.dumps(DATA)), 1)
            time.sleep(0.001)
        caster.close(0.0)
    receiver.close()
    return _share(ours, 0.999), _share(theirs, 0.999)


def sustained(rates: Sequence[int], seconds: float) -> tuple[int, int]:
    """Return the highest of these rates, in events a second, that four threads get through to one viewer without loss.

    And how many were lost at the lowest.
    """
    best, lost_at_lowest = 0, -1
    for rate in rates:
        receiver, registry = Receiver(), MemoryRegistry()
        registry.add(connection_ids(1)[0])
        caster = Broadcaster(endpoint_url=receiver.url, region=REGION, registry=registry)
        caster.publish("logs", "log", 0)
        caster.flush()
        threads = [threading.Thread(target=_publish_paced, args=(caster, rate // 4, seconds)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        is_out = caster.flush(5.0)
        lost = sum(caster.publisher_stats().dropped.values())
        caster.close(0.0)
        heard = sum(len(events) for _, _, events in receiver.received())
        receiver.close()
        lost_at_lowest = lost if lost_at_lowest < 0 else lost_at_lowest
        if lost or not is_out or heard < rate * seconds * 0.97:
            break
        best = rate
    return best, lost_at_lowest


def _publish_paced(caster: Broadcaster, rate: int, seconds: float) -> None:
    """Publish so many events a second, some every few milliseconds, as an application does."""
    began, number = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        for _ in range(int(passed * rate) - number):
            caster.publish("logs", "log", DATA)
            number += 1
        time.sleep(0.005)


def delivery(viewers: int, seconds: float) -> tuple[float, float]:
    """Return the 99th percentiles of the ms from `publish` to each of so many viewers: of all, and when one hangs.

    The two take turns, every half a second, so that both see the same machine; the one who hangs is not counted.
    """
    hanging = connection_ids(viewers)[0]
    with ExitStack() as stack:
        sides = []
        for receiver in (Receiver(), Receiver(hanging)):
            stack.callback(receiver.close)
            registry = MemoryRegistry()
            for connection_id in connection_ids(viewers):
                registry.add(connection_id)
            caster = Broadcaster(endpoint_url=receiver.url, region=REGION, registry=registry, rate=math.inf)
            stack.callback(caster.close, 0.0)
            caster.publish("logs", "log", -1)
            caster.flush(1.0)
            sides.append((receiver, caster, list[float]()))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _, caster, published in sides:
                published.append(time.monotonic())
                caster.publish("logs", "log", len(published) - 1)
                time.sleep(0.5)
        late: list[list[float]] = []
        for receiver, caster, published in sides:
            caster.flush(2.0)
            late.append(
                [
                    (at - published[number]) * 1e3
                    for at, connection_id, events in receiver.received()
                    for number in events
                    if number >= 0 and connection_id != hanging
                ]
            )
    return _share(late[0], 0.99), _share(late[1], 0.99)


def memory(events: int) -> float:
    """Return the MB that so many waiting events take."""
    caster = Broadcaster(endpoint_url="http://127.0.0.1:9/production", region=REGION, registry=_Away())
    caster.publish("logs", "log", DATA)
    time.sleep(0.5)
    tracemalloc.start()
    for number in range(events - 1):
        caster.publish(f"logs-{number % 10}", "log", DATA)
    caster.publisher_stats()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    caster.close(0.0)
    return size / 1e6


class _Away(MemoryRegistry):
    def pages(self, channel: str) -> Iterator[list[str]]:
        time.sleep(0.5)
        raise RegistryError("the registry is away")


@contextlib.contextmanager
def _slow_credentials() -> Iterator[None]:
    """Let credentials come from a process that takes five seconds, as boto3 finds it."""
    variables = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config")
        file.write_text("[default]\ncredential_process = sleep 5\n")
        os.environ["AWS_CONFIG_FILE"] = str(file)
        try:
            yield
        finally:
            del os.environ["AWS_CONFIG_FILE"]
            os.environ.update(variables)


def _times(call: Callable[[], object], calls: int) -> list[float]:
    clock, times = time.perf_counter_ns, []
    for _ in range(calls):
        before = clock()
        call()
        times.append((clock() - before) / 1e3)
    return times


def _share(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)] if values else 0.0


def cpu_of_an_event(rounds: int, seconds: int) -> dict[str, list[float]]:
    """Return the µs of CPU of one event to five viewers, round by round: by registry, and of boto3 posting each."""
    costs: dict[str, list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        sink = stack.enter_context(running(folder))
        redis = stack.enter_context(running_redis(folder))
        kinds = {"publish, redis": "publish redis", "publish, dynamodb": "publish dynamodb", "boto3": "boto3 memory"}
        processes = {label: Process(kind, sink, redis) for label, kind in kinds.items()}
        for process in processes.values():
            stack.callback(process.close)
        for number in range(-1, rounds):
            for label, process in processes.items():
                count = 50 if label == "boto3" else EVENTS_A_SECOND * seconds
                cost = process.run(VIEWERS, count)
                if number >= 0:
                    costs.setdefault(label, []).append(cost)
    return costs


def main() -> int:
    """Measure and print; the exit status says whether all is as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of calls, seconds and rounds")
    options = parser.parse_args()
    if gone := [*missing(), *(() if shutil.which("redis-server") else ("redis-server",))]:
        print(f"{' and '.join(gone)} not found; {HOW_TO_GET} redis-server", file=sys.stderr)
        return 1
    os.environ.update({name: value for name, value in environment().items() if name.startswith("AWS_")})
    share = options.share
    rows = []
    ours, theirs = caller(int(2_000 * share) or 1)
    print(f"publish {ours:.2f} µs in its caller, json.dumps and put_nowait {theirs:.2f} µs (medians)")
    rows.append(Row("publish to json.dumps and put_nowait", ours / theirs, "x", 1.5, 1.1))
    for trouble in ("every connection hangs", "the registry is away", "credentials take 5 s"):
        late, beside = caller_in_trouble(trouble, int(4_000 * share) or 1)
        rows.append(Row(f"99.9 % of publish, {trouble}", late / 1e3, "ms", 0.5, 0.2, note=f"queue: {beside / 1e3:.3f}"))
    rate, lost = sustained((30_000, 60_000, 100_000), 5 * share)
    note = f"{lost} lost at 30,000"
    rows.append(Row("events a second, 4 threads, 1 viewer", rate, "", 30_000, 100_000, is_floor=True, note=note))
    costs = cpu_of_an_event(max(1, int(5 * share)), max(1, int(3 * share)))
    for label in ("publish, redis", "publish, dynamodb"):
        ratio = median(costs["boto3"]) / median(costs[label])
        note = f"{median(costs[label]):.1f} µs"
        rows.append(Row(f"boto3 posting each to {label}, 5 viewers", ratio, "x", 100, 300, is_floor=True, note=note))
    without, with_one = delivery(1_000, 12 * share)
    note = f"{without:.0f} ms without"
    rows.append(Row("99 % of deliveries, one of 1,000 hangs: more", with_one - without, "ms", 20, 2, note=note))
    rows.append(Row("10,000 waiting events", memory(10_000), "MB", 10, 10))
    show(rows)
    return int(any(row.verdict == "MISSED" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
