"""`broadcaster connections [CHANNEL]`: who is registered."""

import argparse
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ..channels import check_channel
from ..errors import ConfigurationError, InvalidArgumentError, UnavailableError
from ..registries import ENTRY_LIFETIME
from ..registries.lists.entries import EVERYTHING, Entry
from ..replies import is_there, read_info
from ..sending.sender import Sender
from .settings import add_settings, open_registry, open_sender
from .terminal import printable, say

_AT_ONCE = 16  # requests


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command and its arguments."""
    parser = commands.add_parser(
        "connections",
        help="list who is registered",
        description="List who is registered, since when and for what. Changes nothing.",
    )
    parser.add_argument("channel", metavar="CHANNEL", nargs="?", help="only who listens to it")
    parser.add_argument("--check", action="store_true", help="ask API Gateway of each: still there, from where?")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """List the connections; return 0, also where there are none."""
    if given.channel is not None:
        check_channel(given.channel)
    registry = open_registry(given)
    entries = getattr(registry, "entries", None)
    if entries is None:
        raise ConfigurationError(f"{registry!r} cannot list its entries; those in Redis and DynamoDB can")
    try:
        found: list[Entry] = entries()
    finally:
        registry.close()
    if given.channel is not None:
        found = [entry for entry in found if entry.listens_to(given.channel)]
    rows = _checked(found, open_sender(given)) if given.check else map(_describe, found)
    for row in rows:
        print(json.dumps(row) if given.json else _line(row), flush=given.check)
    if not found and not given.json:
        say("nobody is registered" + (f" for {given.channel}" if given.channel else ""))
    return 0


def _describe(entry: Entry) -> dict[str, Any]:
    is_everything = EVERYTHING in entry.channels
    return {
        "connection_id": entry.connection_id,
        "registered_at": datetime.fromtimestamp(entry.expires - ENTRY_LIFETIME, UTC).isoformat(timespec="seconds"),
        "channels": None if is_everything else sorted(entry.channels),
    }


def _checked(entries: list[Entry], sender: Sender) -> Iterable[dict[str, Any]]:
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield from pool.map(partial(_check, sender), entries)
    finally:
        sender.close()


def _check(sender: Sender, entry: Entry) -> dict[str, Any]:
    """Return a description with what API Gateway knows; `is_there` is None where it does not tell."""
    row = _describe(entry)
    try:
        reply = sender.request("GET", entry.connection_id)
        if not is_there(reply, entry.connection_id):
            return {**row, "is_there": False}
        info = read_info(reply, entry.connection_id)
    except InvalidArgumentError:
        return {**row, "is_there": False}
    except UnavailableError as error:
        return {**row, "is_there": None, "reason": str(error)}
    return {
        **row,
        "is_there": True,
        "connected_at": info.connected_at.isoformat(timespec="seconds"),
        "source_ip": info.source_ip,
        "user_agent": info.user_agent,
    }


def _line(row: dict[str, Any]) -> str:
    channels = "everything" if row["channels"] is None else " ".join(row["channels"])
    parts = [row["connection_id"], f"registered {row['registered_at']}", channels]
    if row.get("is_there"):
        parts += [f"connected {row['connected_at']}", row["source_ip"], row["user_agent"]]
    elif "is_there" in row:
        parts.append("gone" if row["is_there"] is False else row["reason"])
    return printable("  ".join(part for part in parts if part))
