"""`broadcaster send CHANNEL EVENT [JSON | -]`: send one event."""

import argparse
import json
import sys
from contextlib import closing
from typing import Any

from ..errors import MessageError
from .settings import add_settings, open_broadcaster, open_registry
from .terminal import printable, say

_SHOWN = 5  # failures


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command and its arguments."""
    parser = commands.add_parser(
        "send",
        help="send one event, and print how many it reached",
        description="Send one event to everybody who listens to a channel, and print what became of it. Exits with 1 "
        "if it reached nobody.",
    )
    parser.add_argument("channel", metavar="CHANNEL")
    parser.add_argument("event", metavar="EVENT")
    parser.add_argument("data", metavar="JSON", nargs="?", default="{}", help="the event's data; - reads them; else {}")
    parser.add_argument(
        "--history",
        metavar="N",
        type=int,
        help="where the backend has history={CHANNEL: N}: number the event and keep it there too",
    )
    add_settings(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Send the event; return 0 if it reached somebody."""
    data = _read(sys.stdin.read() if given.data == "-" else given.data)
    history = None if given.history is None else {given.channel: given.history}
    with (
        closing(open_registry(given)) as registry,
        open_broadcaster(given, registry=registry, history=history) as broadcaster,
    ):
        result = broadcaster.broadcast(given.channel, given.event, data)
    print(json.dumps(result))
    for failure in result.failures[:_SHOWN]:
        say(printable(f"{failure.connection_id} failed: {failure.reason}"))
    if len(result.failures) > _SHOWN:
        say(f"… and {len(result.failures) - _SHOWN} more")
    if not any(result.values()):
        say(f"nobody is registered for {given.channel}; `broadcaster connections` lists who is registered")
    return 0 if result.sent else 1


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise MessageError(
            f'the data are no JSON: {error}; give e.g. \'{{"type": "hello"}}\', in single quotes, or - for stdin'
        ) from None
