"""How far a broadcast goes: the library's own decisions against a simulated service, on a simulated clock.

The service has the account's bucket of requests (10,000 a second and 5,000 at once, or a quarter of that, as in newer
Regions) and answers after 10 to 30 ms. The processes share it without knowing of each other; each sends one event to
every viewer at the same moment. One viewer in a hundred is gone (410), one in a thousand reads slowly (429 the first
time). `quota alone` is the time that the bucket would take if nothing were lost; `connect`, what the viewers need to
come back after a cut, at 500 handshakes a second.
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
"""

import argparse
import heapq
import itertools
import random
import sys
from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from broadcaster.sending.defaults import DEFAULT_DEADLINE
from broadcaster.sending.fan_out import FanOut
from broadcaster.sending.pace import Pace

PRICE = 1.00 / 1e6  # dollars for a message
HANDSHAKES = 500  # new connections a second
LATENCY = (0.01, 0.03)  # seconds
PAGE = 1_000
STALE_EVERY, SLOW_EVERY = 100, 1_000  # viewers

# Viewers of each process, processes, requests a second.
CASES = (
    (1_000, 1, 10_000),
    (10_000, 1, 10_000),
    (100_000, 1, 10_000),
    (200_000, 1, 10_000),
    (1_000_000, 1, 10_000),
    (30_000, 4, 10_000),
    (10_000, 16, 10_000),
    (1_000, 1, 2_500),
    (20_000, 1, 2_500),
    (50_000, 1, 2_500),
    (20_000, 4, 2_500),
    (5_000, 16, 2_500),
)
HEAD = (
    f"{'viewers':>10}{'processes':>10}{'quota':>8}{'last':>9}{'quota alone':>13}{'ratio':>7}{'first':>8}{'used':>6}"
    f"{'429 a post':>12}{'failed':>8}{'reads':>7}{'$ an event':>12}{'connect':>9}"
)


class Answer(NamedTuple):
    """What the decisions see of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes


OK, GONE, THROTTLED = Answer(200, {}, b""), Answer(410, {}, b""), Answer(429, {}, b"")


class Service:
    """The account's bucket, so many requests a second and half of that at once, and viewers who are not all well."""

    def __init__(self, quota: float) -> None:
        self._quota, self._tokens, self._at = quota, quota / 2, 0.0
        self._slow: set[tuple[int, str]] = set()  # who was refused once

    def post(self, process: int, connection_id: str, now: float) -> Answer:
        """Answer a post; the processes' viewers are other people."""
        self._tokens = min(self._quota / 2, self._tokens + (now - self._at) * self._quota)
        self._at = now
        if self._tokens < 1:
            return THROTTLED
        self._tokens -= 1
        number = int(connection_id)
        if number % STALE_EVERY == 7:
            return GONE
        if number % SLOW_EVERY == 9 and (process, connection_id) not in self._slow:
            self._slow.add((process, connection_id))
            return THROTTLED
        return OK


class Told(NamedTuple):
    """What became of a case."""

    last: float  # seconds until every process was done
    first: float  # until the first was
    posts: int
    throttled: int
    failed: int
    reads: int  # of the registry


class Simulation:
    """So many processes, each with one event for so many viewers; a process has one wake-up pending at most."""

    def __init__(self, viewers: int, processes: int, quota: int, seed: int = 1) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - nothing secret
        self._service = Service(quota)
        self._events: list[tuple[float, int, int, str, Answer | None]] = []
        self._order = itertools.count()
        self._posts = self._throttled = self._reads = 0
        self._wakes = [inf] * processes
        self._done = [0.0] * processes
        self._fan_outs = [
            FanOut(
                self._pages(viewers),
                url="https://simulated",
                pace=Pace(),
                deadline=DEFAULT_DEADLINE,
                patience=DEFAULT_DEADLINE,
                random=self._chance.random,
            )
            for _ in range(processes)
        ]

    def run(self) -> Told:
        """Go on until every process is done."""
        for process in range(len(self._fan_outs)):
            self._go_on(process, 0.0)
        while self._events:
            now, _, process, connection_id, answer = heapq.heappop(self._events)
            if answer is not None:
                self._fan_outs[process].answered(connection_id, answer, now)
            elif now >= self._wakes[process]:
                self._wakes[process] = inf
            if not self._done[process]:
                self._go_on(process, now)
        failed = sum(len(fan_out.failures) for fan_out in self._fan_outs)
        return Told(max(self._done), min(self._done), self._posts, self._throttled, failed, self._reads)

    def _pages(self, viewers: int) -> Iterator[list[str]]:
        for page in range(0, viewers, PAGE):
            self._reads += 1
            yield [str(number) for number in range(page, min(page + PAGE, viewers))]

    def _go_on(self, process: int, now: float) -> None:
        fan_out = self._fan_outs[process]
        if now >= fan_out.deadline and not fan_out.is_done:
            fan_out.give_up(now, [])
        while (connection_id := fan_out.take(now)) is not None:
            answer = self._service.post(process, connection_id, now)
            self._posts += 1
            self._throttled += answer is THROTTLED
            self._push(now + self._chance.uniform(*LATENCY), process, connection_id, answer)
        if fan_out.is_done:
            self._done[process] = now
            return
        wake = max(fan_out.wake_at(now), now + 1e-4)
        if wake < self._wakes[process]:
            self._wakes[process] = wake
            self._push(wake, process, "", None)

    def _push(self, when: float, process: int, connection_id: str, answer: Answer | None) -> None:
        heapq.heappush(self._events, (when, next(self._order), process, connection_id, answer))


def judge(told: Told, viewers: int, processes: int, quota: int) -> tuple[str, list[str]]:
    """Return a case's line, and what of it is not as it must be."""
    requests = viewers * processes
    alone = max(requests - quota / 2, 0) / quota + LATENCY[1]
    ratio, share = told.last / alone, told.throttled / told.posts
    used = min(1.0, requests / (told.last * quota + quota / 2))
    line = (
        f"{viewers:10,}{processes:10}{quota:8,}{told.last:8.2f}s{alone:12.2f}s{ratio:7.2f}{told.first:7.1f}s{used:6.0%}"
        f"{share:12.4f}{told.failed:8,}{told.reads:7,}{viewers * PRICE:12.4f}{viewers / HANDSHAKES:8,.0f}s"
    )
    musts = {
        # Below a second it is the round trips that count, not the quota.
        "slow": alone < 1 or ratio <= (1.08 if processes == 1 else 1.15),
        "unfair": told.first >= 0.8 * told.last,
        "429": share < 0.02,
        "failed": not told.failed,
    }
    return line, [name for name, is_met in musts.items() if not is_met]


def main() -> int:
    """Print the table; the exit status says whether all is as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=1_000_000, help="only cases of so many posts at most")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(HEAD, flush=True)
    is_met = True
    for case in CASES:
        if case[0] * case[1] > options.most:
            continue
        line, missed = judge(Simulation(*case, options.seed).run(), *case)
        is_met = is_met and not missed
        print(line + (f"  MISSED: {', '.join(missed)}" if missed else ""), flush=True)
    return int(not is_met)


if __name__ == "__main__":
    sys.exit(main())
