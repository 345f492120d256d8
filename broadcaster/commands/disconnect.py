"""`broadcaster disconnect ID`: close one connection."""

import argparse

from .settings import add_settings, open_broadcaster


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command and its arguments."""
    parser = commands.add_parser(
        "disconnect",
        help="close one connection",
        description="Close one connection and take it off the list. Exits with 1 if it was not there. A browser that "
        "is not told to stay away comes back.",
    )
    parser.add_argument("connection_id", metavar="ID", help="e.g. L0SM9cOFvHcCIhw=; after -- if it begins with a -")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Close the connection; return 0 if it was there."""
    with open_broadcaster(given) as broadcaster:
        was_there = broadcaster.disconnect_connection(given.connection_id)
    print(f"{given.connection_id} {'is closed' if was_there else 'was not there'}")
    return 0 if was_there else 1
