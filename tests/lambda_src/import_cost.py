"""Print what importing the Lambda's handler costs in CPU time, over a bare interpreter; and what comes later.

Later come the first push, where the backend registers connections, the first subscription, where the gateway does, or
of the other function, `publisher.handler`, the first event that somebody listens to.

    python tests/lambda_src/import_cost.py [path of a python, e.g. of 3.12]

The bundle is laid out as it is deployed. Without bytecode is the truth of a cold start: the deployed bundle has none
and its folder is read-only, so every cold start compiles the sources.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARY_MODULES = (
    "authorization",
    "aws/address",
    "aws/at_once",
    "aws/environment",
    "aws/json_service",
    "aws/kept_connections",
    "aws/partitions",
    "aws/retries",
    "channels",
    "compact_json",
    "connections",
    "errors",
    "history/dynamodb_jobs",
    "history/dynamodb_rows",
    "history/lifetimes",
    "history/positions",
    "history/recovery",
    "http1",
    "cheap_typing",
    "registries/dynamodb_jobs",
    "registries/dynamodb_rows",
    "registries/lifetime",
    "registries/deployments/scope",
    "secret_lifetime",
    "signing",
    "transfers",
)
PUBLISHING_MODULES = (
    "aws/credentials",
    "channel_map",
    "endpoint",
    "forks",
    "history/endings",
    "history/epochs",
    "json_data",
    "listeners",
    "log",
    "messages",
    "results",
    "sending/defaults",
    "sending/engine/addresses",
    "sending/engine/clock_skew",
    "sending/engine/dialing",
    "sending/engine/engine",
    "sending/engine/kept",
    "sending/engine/link",
    "sending/engine/links",
    "sending/engine/reactor",
    "sending/engine/signatures",
    "sending/engine/task",
    "sending/fan_out",
    "sending/pace",
    "sending/refusals",
    "sending/sender",
    "sending/targets",
    "tls",
)
RUNS = 41
MEASURE = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
os.environ["REGISTRY_TABLE"] = "connections"
start = time.process_time_ns()
if sys.argv[2] == "event":
    import publisher
else:
    import handler
imported = time.process_time_ns()
if sys.argv[2] == "push":
    import connection_push
elif sys.argv[2] == "event":
    import broadcaster.sending.engine.engine
    import publishing.delivery, publishing.keys, publishing.events, publishing.messages
else:
    import subscriptions
import own_environment
own_environment.tls_context()
prepared = time.process_time_ns()
print((imported - start) / 1e6, (prepared - imported) / 1e6)
"""


def lay_out_bundle(folder: Path) -> Path:
    """Copy what the function's bundle consists of into `folder`, in the places where the bundle has it."""
    for source in (ROOT / "lambda_src").rglob("*.py"):
        target = folder / source.relative_to(ROOT / "lambda_src")
        target.parent.mkdir(exist_ok=True)
        shutil.copy(source, target)
    for name in LIBRARY_MODULES + PUBLISHING_MODULES:
        target = folder / "broadcaster" / f"{name}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "broadcaster" / f"{name}.py", target)
    return folder


def main() -> None:
    """Measure both ways and print the median and the least of several runs, in ms."""
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    with tempfile.TemporaryDirectory() as temporary:
        bundle = lay_out_bundle(Path(temporary))
        for title, options in (("without bytecode", ["-B"]), ("with bytecode", [])):
            for first in ("push", "subscription", "event"):
                command = [python, "-I", *options, "-c", MEASURE, str(bundle), first]
                runs = [subprocess.check_output(command, text=True).split() for _ in range(RUNS)]
                for step, column in (("import the function", 0), (f"set up the first {first} over TLS", 1)):
                    ms = [float(figures[column]) for figures in runs]
                    print(f"{title}, {step}: median {statistics.median(ms):.1f} ms, least {min(ms):.1f} ms of CPU")


if __name__ == "__main__":
    main()
