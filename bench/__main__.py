"""Run one of the benches by name."""

import importlib
import sys
from pathlib import Path

# name: (module, what it tells)
BENCHES = {
    "fan_out": ("fan_out", "CPU per message of this engine and of other ways to send; the default"),
    "few": ("few", "CPU of a broadcast to nobody, 1, 5 and 50 viewers, with each registry, beside boto3"),
    "fresh": ("fresh", "import, first message, memory for 100,000 targets: processes that have just begun"),
    "profile": ("profile", "where the microseconds of one message go"),
    "publish": ("publish", "what publishing costs its caller, the process and the other viewers"),
    "history": ("history", "what history costs: CPU of a message, requests, readings, DynamoDB's bill of a month"),
    "cost": ("cost", "what a month of events costs, posted one by one and published"),
    "scale": ("scale", "how far a broadcast goes, and how near to the quota: a simulation, no I/O"),
    "lag": ("event_loop_lag", "how long an asyncio application's loop is held up while a broadcast goes out"),
    "gateway": ("gateway", "what the local gateway carries"),
    "node": ("node", "CPU per message of the Node.js library, beside AWS's SDK for JavaScript"),
    "fuzz_http1": ("fuzz_http1", "fuzz the reader of answers for so many seconds"),
}


def main() -> int:
    """Run the bench that the first argument names, with the arguments after it."""
    here = {name: entry for name, entry in BENCHES.items() if Path(__file__).with_name(f"{entry[0]}.py").exists()}
    arguments = sys.argv[1:]
    if arguments and arguments[0] in ("-h", "--help"):
        print("python3 dev.py bench [name] [arguments]; `name --help` tells the arguments of one\n")
        print("\n".join(f"{name:12} {about}" for name, (_, about) in here.items()))
        return 0
    name = arguments.pop(0) if arguments and not arguments[0].startswith("-") else "fan_out"
    if name not in here:
        print(f"there is no bench {name!r}; there are {', '.join(here)}", file=sys.stderr)
        return 2
    sys.argv = [f"bench {name}", *arguments]
    return importlib.import_module(f"bench.{here[name][0]}").main() or 0


if __name__ == "__main__":
    sys.exit(main())
