"""CPU per message, side by side, in rounds that take turns.

Wall time on a shared machine says more about its other users, so the figure is the CPU time (user and system) of the
sending process. The senders take turns so that a busy moment hits all of them. They run on one core, nginx on another.
"""

import argparse
import os
import platform
import ssl
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

from . import fresh
from .contenders import Contender, PythonSender, Run, Wrk
from .rows import Row, show
from .sink import HOW_TO_GET, Sink, missing, nginx, running

ENGINE, WRK = "this engine", "wrk, signs nothing"
# label: (module in `senders`, messages in one run)
PYTHON_SENDERS = {
    ENGINE: ("engine", 12_000),
    "libcurl multi (pycurl)": ("curl_multi", 4_000),
    "aiohttp, our signing": ("aiohttp_tasks", 2_000),
    "aiobotocore, 64 tasks": ("aiobotocore_tasks", 320),
    "boto3, 32 threads": ("boto3_threads", 320),
    "boto3 in a loop": ("boto3_loop", 120),
}


class Case(NamedTuple):
    """One kind of message and of answer."""

    stage: str
    size: int

    def __str__(self) -> str:
        size = f"{self.size} B" if self.size < 1024 else f"{self.size // 1024} KB"
        return f"{size}, answers {'at once' if self.stage == 'now' else 'after 10 ms'}"


CASES = (Case("now", 200), Case("later", 200), Case("now", 10_240), Case("later", 10_240))
Figures = dict[Case, dict[str, list[Run]]]


def main() -> int:
    """Measure, print the tables and the figures that have been promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rounds of fewer messages: does it work?")
    parser.add_argument("--rounds", type=int, help="(default: 7, and 3 for large messages)")
    parser.add_argument("--messages", type=int, help="of the engine in one run (default: 12,000); others send less")
    parser.add_argument("--only", metavar="WORD", action="append", help="only senders whose name has this word in it")
    options = parser.parse_args()
    if gone := missing():
        print(f"{' and '.join(gone)} not found; {HOW_TO_GET}", file=sys.stderr)
        return 1
    rounds = options.rounds or (2 if options.quick else 7)
    share = (options.messages or (4_000 if options.quick else 12_000)) / 12_000
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, running(Path(folder)) as sink:
        print(_about_this_machine())
        figures = _measure(sink, Path(folder), rounds, share, options.only or [""])
        show(_promised(figures) + fresh.measure(sink, Path(folder), is_quick=options.quick))
    return 0


def _measure(sink: Sink, folder: Path, rounds: int, share: float, only: list[str]) -> Figures:
    figures: Figures = {case: {} for case in CASES}
    with ExitStack() as stack:
        contenders: dict[str, tuple[Contender, int]] = {}
        if any(word in WRK for word in only):
            contenders[WRK] = Wrk(sink, folder), 0
        for label, (module, count) in PYTHON_SENDERS.items():
            if any(word in label for word in only):
                contenders[label] = PythonSender(module, sink), max(20, int(count * share))
        for contender, _ in contenders.values():
            stack.callback(contender.close)
        for case in CASES:
            if case.size > 1024:
                rounds = min(rounds, 3)
            for number in range(-1, rounds):  # the round before the first opens connections and is not counted
                for label, (contender, count) in contenders.items():
                    if number >= 0 or label != WRK:
                        _say(f"{case}: round {number + 1} of {rounds}, {label}")
                        run = _counted(contender, case, count, sink, 64 if label == WRK else 0)
                        if number >= 0:
                            figures[case].setdefault(label, []).append(run)
            _say("")
            _print_case(case, figures[case])
    return figures


def _counted(contender: Contender, case: Case, count: int, sink: Sink, in_flight: int) -> Run:
    """Run it and hold its count against the sink's; wrk stops with requests in flight that it does not count."""
    before = sink.requests()
    run = contender.run(*case, count)
    arrived = sink.requests() - before
    if not run.messages <= arrived <= run.messages + in_flight:
        raise RuntimeError(f"{contender} says that it has sent {run.messages} messages, and nginx has read {arrived}")
    return run


def _print_case(case: Case, runs: dict[str, list[Run]]) -> None:
    columns = f"{'min':>9}{'median':>9}{'max':>9}{'to this engine':>17}{'messages/s':>13}"
    print(f"\n{case}: CPU µs per message\n\n{'':24}{columns}")
    for label, each in runs.items():
        costs = sorted(run.cpu / run.messages * 1e6 for run in each)
        ratio = f"{_ratio(runs, label, ENGINE):.2f}" if ENGINE in runs else ""
        speed = median(run.messages / run.wall for run in each)
        print(f"{label:24}{costs[0]:9.1f}{median(costs):9.1f}{costs[-1]:9.1f}{ratio:>17}{speed:13,.0f}")


def _ratio(runs: dict[str, list[Run]], label: str, to: str) -> float:
    """Return how many times the CPU of the other one it takes, by the medians."""
    cost = {name: median(run.cpu / run.messages for run in runs[name]) for name in (label, to)}
    return cost[label] / cost[to]


def _least_ratio(runs: dict[str, list[Run]], label: str, to: str) -> float:
    """Return the same by the cheapest runs: those that were disturbed least."""
    cost = {name: min(run.cpu / run.messages for run in runs[name]) for name in (label, to)}
    return cost[label] / cost[to]


def _promised(figures: Figures) -> list[Row]:
    now, later = figures[CASES[0]], figures[CASES[1]]
    rows = []
    for case, runs in ((CASES[0], now), (CASES[1], later)):
        answers = str(case).partition(", ")[2]
        for name, top, bottom, must, aim in (
            ("engine to wrk", ENGINE, WRK, 2.0, 1.3),
            ("boto3 in a loop to engine", "boto3 in a loop", ENGINE, 35, 60),
            ("boto3 with 32 threads to engine", "boto3, 32 threads", ENGINE, 30, 50),
        ):
            if top not in runs or bottom not in runs:
                continue
            by_median, by_least = _ratio(runs, top, bottom), _least_ratio(runs, top, bottom)
            note = f"by the cheapest runs {by_least:.2f}"
            rows.append(Row(f"{name}, {answers}", by_median, "", must, aim, is_floor=must > 2, note=note))
    speeds = [run.messages / run.wall for run in later.get(ENGINE, [])]
    if speeds:
        per_second = max(run.messages / run.cpu for run in later[ENGINE])
        note = f"median {median(speeds):,.0f}; one second of CPU carries {per_second:,.0f}"
        rows.append(Row("messages/s on one core, answers after 10 ms", max(speeds), "/s", 10_000, 20_000, True, note))
    return rows


def _about_this_machine() -> str:
    server = subprocess.run([str(nginx()), "-v"], capture_output=True, text=True, check=False).stderr.strip()
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, {server.removeprefix('nginx version: ')}, "
        f"{os.cpu_count()} cores, load {load}; TLS, session token of 900 characters"
    )


def _say(what: str) -> None:
    """Show what is going on, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{what:70.70}", end="" if what else "\r", file=sys.stderr, flush=True)
