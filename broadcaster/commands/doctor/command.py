"""`broadcaster doctor`: one line a check, and below what is wrong what to do."""

import argparse
import json
import sys

from ..settings import add_settings
from ..terminal import mark, printable
from .examination import Examination
from .finding import Finding


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command and its arguments."""
    parser = commands.add_parser(
        "doctor",
        help="find out why nothing arrives",
        description="Check everything that sending needs, from here: run it where the backend runs, with its "
        "environment. Changes nothing. The report has no secrets and no ids in full. Exits with 1 if a check failed.",
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON for each check")
    parser.add_argument(
        "--send",
        action="store_true",
        help="connect, subscribe to a channel of its own and send one event through; needs the package websockets",
    )
    parser.add_argument("--origin", metavar="ORIGIN", help="for --send: one of allowed_origins, where there are some")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Print what is found as it is found; return 0 if all is well."""
    is_well = True
    for finding in Examination(given).findings():
        is_well = is_well and finding.is_ok
        print(_json(finding) if given.json else _lines(finding), flush=True)
    return 0 if is_well else 1


def _json(finding: Finding) -> str:
    members = {"check": finding.check, "ok": finding.is_ok, "text": finding.text}
    return json.dumps({**members, "advice": finding.advice} if finding.advice else members)


def _lines(finding: Finding) -> str:
    lines = [f"{mark(finding.is_ok, sys.stdout)} {finding.check}: {finding.text}"]
    if finding.advice:
        lines.append(f"    {finding.advice}")
    return "\n".join(map(printable, lines))
