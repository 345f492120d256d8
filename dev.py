"""The few commands of this repository; each first sets up what it needs, in `.venv` and `node_modules`.

python3 dev.py run            the whole system on this machine, until Ctrl-C
python3 dev.py run --once     the same, playing one event from Python to a WebSocket client, then ends
python3 dev.py test           all tests, on every core; with arguments, pytest with those
python3 dev.py test quick     those that need no browser, no CDK command line and no stand-in: for every save
python3 dev.py check          format, lint, types, tests
python3 dev.py synth          the CloudFormation template, into cdk.out
python3 dev.py bootstrap      prepares an AWS account and region for the CDK, once
python3 dev.py diff           what a deployment would change
python3 dev.py deploy         `cdk deploy`, then the outputs as lines to paste
python3 dev.py destroy        removes the stack; says before what would stop it
python3 dev.py bench          what sending costs, beside other ways to send; `bench --help` names the other benches
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs this may well have an older one
    sys.exit(f"Python {sys.version.split()[0]} is too old; install Python 3.11 or newer and run this with it")

import argparse
import signal
from collections.abc import Callable
from pathlib import Path

from commands.benches import bench
from commands.checks import check, test
from commands.deployment import bootstrap, deploy, destroy, diff, synth
from commands.local_system import run
from commands.set_up import Stop

PYTEST = "Further arguments go to pytest; `.venv/bin/python -m pytest --help` names them."
CDK = "Further arguments go to the CDK CLI; `npx cdk {} --help` names them."

Command = Callable[[argparse.Namespace, list[str]], int]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python3 dev.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = made.add_subparsers(required=True, metavar="command")

    def add(command: Command, further: str = "", *, add_help: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            command.__name__,
            help=command.__doc__,
            description=command.__doc__,
            epilog=further,
            add_help=add_help,
            allow_abbrev=False,
        )
        sub.set_defaults(command=command, takes_further=bool(further))
        return sub

    def add_context(sub: argparse.ArgumentParser) -> None:
        about = "a setting of the stack"
        sub.add_argument("-c", "--context", action="append", default=[], metavar="NAME=VALUE", type=setting, help=about)

    of_run = add(run)
    of_run.add_argument(
        "--once", action="store_true", help="play one event through the whole path, on ports that are free, and end"
    )
    of_run.add_argument(
        "--registry",
        choices=("backend", "dynamodb"),
        default="backend",
        help="who registers connections: the backend, or the gateway in a table (default: %(default)s)",
    )
    of_run.add_argument(
        "--publish", action="store_true", help="let other languages publish over HTTP; with --registry dynamodb"
    )
    add_context(of_run)
    of_run.add_argument(
        "--simulate", type=float, metavar="SPEED", help="simulate runs for the dashboard, e.g. at speed 1"
    )
    of_run.add_argument("--verbose", action="store_true", help="log a line for each post, not one a second for all")
    of_run.add_argument("--port", type=int, default=8001, help="of the gateway (default: %(default)s)")
    of_run.add_argument("--backend-port", type=int, default=8000, help="of the backend (default: %(default)s)")
    add(test, PYTEST)
    add(check, PYTEST)
    add_context(add(synth, CDK.format("synth")))
    with_account: tuple[Command, ...] = (bootstrap, diff, deploy, destroy)
    for command in with_account:
        sub = add(command, CDK.format(command.__name__))
        add_context(sub)
        sub.add_argument("--profile", help="of ~/.aws/config, instead of AWS_PROFILE")
        if command is deploy:
            sub.add_argument("-O", "--outputs-file", type=Path, help="write the outputs here too, as JSON")
    add(bench, "the bench has its own help", add_help=False)
    return made


def setting(text: str) -> str:
    """Return a setting of the stack as it was given; the CDK CLI passes over one without a value."""
    if "=" not in text:
        raise argparse.ArgumentTypeError(f"{text!r} has no value; give NAME=VALUE, e.g. stage=production")
    return text


def main() -> int:
    options, further = parser().parse_known_args()
    if further and not options.takes_further:
        parser().error(f"{options.command.__name__} does not know {' '.join(further)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    try:
        code: int = options.command(options, further)
    except Stop as stop:
        print(f"dev.py: {stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
