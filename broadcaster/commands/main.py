"""The commands by name, and how each ends: 0 if it worked, 1 if it did not, 2 if an argument or a setting is wrong."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from ..errors import BroadcasterError, ConfigurationError, InvalidArgumentError, MessageError
from . import connections, disconnect, send, tail
from .doctor import command as doctor
from .settings import check_settings
from .stack import fill_in

_COMMANDS = (doctor, tail, send, connections, disconnect)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="broadcaster",
        description="Look at a deployment, and send to it. Settings are found as the backend finds them: in the same "
        "environment, or in the arguments.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what is wrong is said in one sentence on stderr."""
    given = make_parser().parse_args(arguments)
    # The commands say themselves what went wrong; else each warning would stand there twice.
    logging.getLogger("broadcaster").addHandler(logging.NullHandler())
    try:
        check_settings(given)
        if given.stack is not None:
            fill_in(given)
        code: int = given.run(given)
        sys.stdout.flush()
    except BroadcasterError as error:
        print(f"broadcaster: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError | InvalidArgumentError | MessageError) else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # of `broadcaster … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
