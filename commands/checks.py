"""`dev.py test` and `dev.py check`."""

import argparse
import os

from .set_up import PYTHON, Stop, call, set_up

EVERY_CORE = ["-n", "auto", "--dist", "loadfile"]  # a file at a time on each, because its tests share what they start
# The quick ones wait about as long as they compute.
TWICE_EVERY_CORE = ["-n", str(2 * (os.cpu_count() or 1)), "--dist", "loadfile"]


def test(_: argparse.Namespace, arguments: list[str]) -> int:
    """Run all tests on every core, `quick` those for every save, or pytest with the arguments that are given."""
    set_up()
    if arguments[:1] == ["quick"]:
        arguments = ["-m", "not slow", "--quiet", *TWICE_EVERY_CORE, *arguments[1:]]
    return call([PYTHON, "-m", "pytest", *(arguments or EVERY_CORE)])


def check(_: argparse.Namespace, arguments: list[str]) -> int:
    """Run every check, also after one has failed."""
    set_up()
    commands = (["ruff", "format", "--check", "."], ["ruff", "check", "."], ["mypy"], ["pytest", *arguments])
    failed = [command[0] for command in commands if call([PYTHON, "-m", *command])]
    if failed:
        raise Stop(f"failed: {', '.join(failed)}")
    return 0
