"""The few commands of this repository; each first sets up what it needs, in `.venv` and `node_modules`.

python3 dev.py run            the whole system on this machine, until Ctrl-C
python3 dev.py run --once     the same, playing one event from Python to a WebSocket client, then ends
python3 dev.py test           all tests, on every core; with arguments, pytest with those
python3 dev.py test quick     those that need no browser, no CDK command line and no stand-in: for every save
python3 dev.py check          format, lint, types, tests
python3 dev.py synth          the CloudFormation template, into cdk.out; further arguments go to the CDK CLI
python3 dev.py deploy         `cdk deploy`, then the outputs as lines to paste
python3 dev.py bench          what sending costs, beside other ways to send; `bench --help` names the other benches
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs this may well have an older one
    sys.exit(f"Python {sys.version.split()[0]} is too old; install Python 3.11 or newer and run this with it")

import argparse
import signal

from commands.benches import bench
from commands.checks import check, test
from commands.deployment import deploy, synth
from commands.local_system import run
from commands.set_up import Stop


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in (run, test, check, synth, deploy, bench):
        sub = commands.add_parser(command.__name__, help=command.__doc__, add_help=command is run)
        sub.set_defaults(command=command)
        if command is run:
            sub.add_argument("--once", action="store_true", help="play one event through the whole path and end")
            sub.add_argument(
                "--registry",
                choices=("backend", "dynamodb"),
                default="backend",
                help="who registers connections: the backend, or the gateway in a table (default: %(default)s)",
            )
            sub.add_argument("--simulate", metavar="SPEED", help="simulate runs for the dashboard, e.g. at speed 1")
            sub.add_argument("--port", type=int, default=8001, help="of the gateway (default: %(default)s)")
            sub.add_argument("--backend-port", type=int, default=8000, help="of the backend (default: %(default)s)")
    options, rest = parser.parse_known_args()
    if options.command is run and rest:
        parser.error(f"run does not know {' '.join(rest)}")
    if options.command is run and options.once:
        options.port = options.backend_port = 0  # whatever is free: nobody else needs to find them
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    try:
        code: int = options.command(options, rest)
    except Stop as stop:
        print(f"dev.py: {stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
