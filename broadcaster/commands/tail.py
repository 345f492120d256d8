"""`broadcaster tail [CHANNEL…]`: what subscribers hear, as it comes."""

import argparse
import json
import sys
import time
from contextlib import closing

from ..channels import check_channel
from ..errors import InvalidArgumentError
from .settings import add_settings, find_endpoint, open_registry
from .subscriber import Event, Subscriber
from .terminal import has_colours, printable, say

_CHANNEL, _EVENT, _DIM, _PLAIN = "\x1b[36m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command and its arguments."""
    parser = commands.add_parser(
        "tail",
        help="show what subscribers hear, as it comes",
        description="Connect, register for the channels, and print what is sent to them until Ctrl-C. Goes on when API "
        "Gateway ends the connection after two hours. Needs the package websockets.",
    )
    parser.add_argument("channels", metavar="CHANNEL", nargs="*", help="without any, everything")
    parser.add_argument("--since", metavar="TIME", help="of the channels' history: 30s, 5m, 1h, or a number of events")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each event")
    parser.add_argument("--origin", metavar="ORIGIN", help="one of allowed_origins, where the deployment lists some")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Print events until the process is interrupted."""
    for channel in given.channels:
        check_channel(channel)
    if given.since is not None and not given.channels:
        raise InvalidArgumentError("--since reads the history of channels; name them, e.g. `broadcaster tail admin`")
    rewind = int(given.since) if given.since and given.since.isdecimal() else given.since
    is_coloured = has_colours(sys.stdout)
    with (
        closing(open_registry(given)) as registry,
        closing(
            Subscriber(
                find_endpoint(given),
                registry,
                given.channels,
                rewind=rewind,
                origin=given.origin,
                note=lambda text: say(printable(text)),
            )
        ) as subscriber,
    ):
        for event in subscriber.events():
            print(_json(event) if given.json else _line(event, is_coloured=is_coloured), flush=True)
    return 0


def _json(event: Event) -> str:
    members = event._asdict()
    return json.dumps({name: members[name] for name in members if name not in ("epoch", "seq") or event.epoch})


def _line(event: Event, *, is_coloured: bool) -> str:
    colours = (_DIM, _CHANNEL, _EVENT, "") if is_coloured else ("", "", "", "")
    parts = time.strftime("%H:%M:%S"), event.channel, event.event, json.dumps(event.data, ensure_ascii=False)
    return " ".join(
        f"{colour}{printable(part)}{_PLAIN if colour else ''}" for colour, part in zip(colours, parts, strict=True)
    )
