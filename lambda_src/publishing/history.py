"""Channels with a history: their messages are stored in the table, and get their numbers, before they are posted."""

import json
import time
from functools import cache

from broadcaster.channel_map import ChannelMap
from broadcaster.cheap_typing import TYPE_CHECKING
from broadcaster.history.dynamodb_jobs import end, write
from broadcaster.history.dynamodb_rows import Entry, key_of
from broadcaster.history.endings import Endings
from broadcaster.history.epochs import new_epoch
from broadcaster.history.positions import numbered
from own_environment import required

from . import HISTORY_VARIABLE, table
from .messages import Message

if TYPE_CHECKING:
    from broadcaster.aws.json_service import Job

LIFETIME_VARIABLE = "HISTORY_TTL"  # seconds

_endings = Endings()


def keep_of(channel: str) -> int | None:
    """Return how many events a channel keeps; None where it has no history.

    Raises:
        ConfigurationError: the setting has something in it that is no channel.
    """
    keep: int | None = _channels(required(HISTORY_VARIABLE)).get(channel)
    return keep


def append(messages: list[Message], *, deadline: float) -> list[Message]:
    """Store the messages of channels with history; return all as they are posted, those of each channel in their order.

    Of channels without one, the epoch that there may be from before is ended. All channels at once, each with a Query
    and a PutItem for each message.

    Args:
        deadline: a time of `time.monotonic()`.

    Raises:
        AwsError: the table could not be read or written. Some of the messages may have been stored.
    """
    by_channel: dict[str, list[Message]] = {}
    for message in messages:
        by_channel.setdefault(message.channel, []).append(message)
    jobs = [
        _store(channel, keep, those) if (keep := keep_of(channel)) else _end(channel, those)
        for channel, those in by_channel.items()
    ]
    return [message for those in table.run(jobs, deadline=deadline) for message in those]


def _store(channel: str, keep: int, messages: list[Message]) -> "Job[list[Message]]":
    name, lifetime = required(table.TABLE_VARIABLE), float(required(LIFETIME_VARIABLE))
    key = key_of(table.start_of_keys(), channel)
    newest = None  # looked for each time: what an earlier request has left is old where others write, too
    found = []
    for message in messages:
        entry = Entry(message.body.decode(), message.events, keep, message.token)
        newest = yield from write(
            name, key, [entry], newest=newest, epoch=new_epoch(), clock=time.time, lifetime=lifetime, tried=[]
        )
        position = newest.position_of(message.token)
        found.append(message._replace(body=numbered(message.body, position)))  # type: ignore[arg-type] # it is in it
    return found


def _end(channel: str, messages: list[Message]) -> "Job[list[Message]]":
    if _endings.is_due(channel):
        key = key_of(table.start_of_keys(), channel)
        lifetime = float(required(LIFETIME_VARIABLE))
        yield from end(required(table.TABLE_VARIABLE), key, clock=time.time, lifetime=lifetime)
        _endings.note(channel)
    return messages


@cache
def _channels(text: str) -> ChannelMap:
    return ChannelMap(HISTORY_VARIABLE, json.loads(text))
