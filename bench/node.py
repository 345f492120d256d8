"""CPU per message of the Node.js library, beside AWS's own SDK for JavaScript with 50 posts in flight.

Both send the same message to 1,000 connections, in rounds that take turns, over connections that are kept. The figure
is the CPU time (user and system) of the sending process, which has one core; nginx answers on the other.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from .contenders import ROOT, Contender, PythonSender, Run, environment
from .rows import Row, show
from .sink import HOW_TO_GET, Sink, missing, pin, running

PACKAGE = ROOT / "node_broadcaster"
CONNECTIONS = 1_000
WARM_UP = 5  # broadcasts before the first that counts: V8 compiles what runs often
STAGES = {"now": "answers at once", "later": "answers after 10 ms"}


class NodeSender(PythonSender):
    """A process that runs node_worker.mjs."""

    def __init__(self, name: str, sink: Sink) -> None:
        self._name = name
        self._process = subprocess.Popen(
            ["node", "--no-warnings", str(Path(__file__).with_name("node_worker.mjs")), name, sink.url],
            env={**environment(), "NODE_EXTRA_CA_CERTS": str(sink.authority)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: pin(last=False),
        )
        self._open_pipes()


def main() -> int:
    """Measure, print the table and the figures that have been promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="(default: %(default)s)")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="(default: %(default)s)")
    options = parser.parse_args()
    if gone := missing():
        print(f"{' and '.join(gone)} not found; {HOW_TO_GET}", file=sys.stderr)
        return 1
    if not (PACKAGE / "node_modules/@aws-sdk/client-apigatewaymanagementapi").exists():
        print("AWS's SDK for JavaScript is not installed; run npm ci in node_broadcaster/", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, running(Path(folder)) as sink:
        version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        load = os.getloadavg()[0]
        print(f"Node {version}, {os.cpu_count()} cores, load {load:.1f}; TLS, session token of 900 characters")
        figures = _measure(sink, options.rounds, options.connections)
    rows = []
    for stage, about in STAGES.items():
        ours, theirs = figures[stage, "library"], figures[stage, "sdk"]
        note = f"by the cheapest runs {min(ours) / min(theirs):.3f}"
        what = f"library to SDK, {about}"
        rows.append(Row(what, median(ours) / median(theirs), "", 1 / 4, 1 / 8, note=note))
    show(rows)
    return 1 if any(row.verdict == "MISSED" for row in rows) else 0


def _measure(sink: Sink, rounds: int, connections: int) -> dict[tuple[str, str], list[float]]:
    """Return CPU µs per message by stage and sender, and print them."""
    senders: dict[str, Contender] = {name: NodeSender(name, sink) for name in ("library", "sdk")}
    figures: dict[tuple[str, str], list[float]] = {}
    print(f"\n{'CPU µs per message':44}{'min':>9}{'median':>9}{'max':>9}{'messages/s':>13}")
    for stage, about in STAGES.items():
        runs: dict[str, list[Run]] = {name: [] for name in senders}
        for number in range(-WARM_UP, rounds):
            for name, sender in senders.items():
                before = sink.requests()
                run = sender.run(stage, 150, connections)
                if sink.requests() - before != connections:
                    raise RuntimeError(f"nginx has read another number than the {connections} of {name}")
                if number >= 0:
                    runs[name].append(run)
        for name, each in runs.items():
            costs = figures[stage, name] = [run.cpu / run.messages * 1e6 for run in each]
            speed = median(run.messages / run.wall for run in each)
            label = f"{name}, {about}"
            print(f"{label:44}{min(costs):9.1f}{median(costs):9.1f}{max(costs):9.1f}{speed:13,.0f}")
    for sender in senders.values():
        sender.close()
    return figures
