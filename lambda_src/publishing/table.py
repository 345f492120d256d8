"""What the publisher reads and writes in the stack's table: who listens, and which requests were seen.

| row | `pk` | `sk` | besides |
|---|---|---|---|
| a request that was answered | `<scope>#request#<signature>` | `-` | `by`: the id of the invocation that answers it |

The rows of who listens are those of the library, told in `broadcaster/registries/dynamodb.py`, and so are those of
messages that are kept, which `history` writes: `broadcaster/history/dynamodb_rows.py`.
"""

import os
import time

from aws_services import service
from broadcaster.aws.json_service import Ask, once
from broadcaster.cheap_typing import TYPE_CHECKING
from broadcaster.listeners import connections_in
from broadcaster.registries.dynamodb_jobs import batches, channels_of, read, removals, write
from broadcaster.registries.dynamodb_rows import (
    EVERYTHING,
    SHARDS,
    channel_of,
    listeners_query,
    shard_query,
    start_of,
)
from own_environment import required

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from broadcaster.aws.json_service import Got, Job, JsonService

TABLE_VARIABLE = "REGISTRY_TABLE"
SCOPE_VARIABLE = "REGISTRY_SCOPE"

# Seconds that a request is remembered beyond the time within which its signature is accepted: clocks of functions
# differ.
_MARGIN = 300

_kept: "JsonService | None" = None


class RepeatedError(Exception):
    """This very request has been answered before."""


def read_listeners(channels: list[str], *, claim: "Job[Any] | None" = None, deadline: float) -> dict[str, list[str]]:
    """Return who listens to each channel, or to everything; and claim a request, at the same time.

    Raises:
        RepeatedError: the request was claimed by another invocation.
        AwsError: the table could not be read or written.
    """
    now = time.time()
    found: dict[str, list[str]] = {name: [] for name in (EVERYTHING, *channels)}
    jobs: list[Job[Any]] = [_read_ids(name, found[name], now) for name in found]
    run(([claim] if claim else []) + jobs, deadline=deadline)
    return {
        name: [each for page in connections_in([found[name] + found[EVERYTHING]]) for each in dict.fromkeys(page)]
        for name in channels
    }


def claim_of(signature: str, request_id: str, *, until: float) -> "Job[None]":
    """Return the job that marks a request as answered, which one invocation can do and no other.

    A repetition of the job itself, after its answer was lost, is fine.

    Args:
        until: seconds since the epoch, until which the signature is accepted.

    Raises:
        RepeatedError: another invocation answers it, or has.
    """
    item = {**_key(signature), "by": {"S": request_id}, "expires": {"N": str(int(until + _MARGIN))}}
    answer = yield Ask(
        "PutItem",
        {
            "TableName": required(TABLE_VARIABLE),
            "Item": item,
            "ConditionExpression": "attribute_not_exists(pk) OR #by = :by",
            "ExpressionAttributeNames": {"#by": "by"},
            "ExpressionAttributeValues": {":by": {"S": request_id}},
        },
    )
    if "__type" in answer:  # that the condition is not met
        raise RepeatedError


def release(signature: str, request_id: str, *, deadline: float) -> None:
    """Forget that this invocation answers a request, for it does not: whoever repeats it shall be heard.

    That another invocation answers it is not forgotten.

    Raises:
        AwsError: it is not sure to be forgotten.
    """
    delete = {
        "TableName": required(TABLE_VARIABLE),
        "Key": _key(signature),
        "ConditionExpression": "#by = :by",
        "ExpressionAttributeNames": {"#by": "by"},
        "ExpressionAttributeValues": {":by": {"S": request_id}},
    }
    run([once(Ask("DeleteItem", delete))], deadline=deadline)


def forget(connection_ids: list[str], *, deadline: float) -> None:
    """Remove all that is recorded of connections that are gone.

    Raises:
        AwsError: some of it may still be there; the next publish finds it again, or it expires.
    """
    table, start = required(TABLE_VARIABLE), start_of_keys()
    channels = run((channels_of(table, each, start=start) for each in connection_ids), deadline=deadline)
    rows = ((start, *each) for each in zip(connection_ids, channels, strict=True))
    for writes in removals(rows):
        run([write(table, batch) for batch in batches(writes)], deadline=deadline)


def count_subscriptions(channel: str, *, deadline: float) -> int:
    """Return how many connections are subscribed to a channel; one query, and another for each further 1,000.

    Raises:
        AwsError: the table could not be read.
    """
    found: list[str] = []
    run([_read_ids(channel, found, time.time())], deadline=deadline)
    return len(found)


def count_by_channel(prefix: str, *, deadline: float) -> dict[str, int]:
    """Return the channels that somebody is subscribed to, each with the number of subscriptions; reads all of them.

    Raises:
        AwsError: the table could not be read.
    """
    counts: dict[str, int] = {}

    def take(rows: "list[Any]") -> None:
        for name in map(channel_of, rows):
            if name != EVERYTHING and name.startswith(prefix):
                counts[name] = counts.get(name, 0) + 1

    table, start, now = required(TABLE_VARIABLE), start_of_keys(), time.time()
    jobs = (read(table, shard_query(shard, now=now, start=start), take) for shard in range(SHARDS))
    run(jobs, deadline=deadline)
    return dict(sorted(counts.items()))


def run(jobs: "Iterable[Job[Got]]", *, deadline: float) -> "list[Got]":
    """Run jobs about the table at once, over the kept connections, and return their results in order.

    Raises:
        AwsError: the table could not be read or written.
    """
    return _dynamodb().run(jobs, deadline=deadline)


def start_of_keys() -> str:
    """Return what the partition keys of this deployment begin with."""
    scope = os.environ.get(SCOPE_VARIABLE) or f"{required('WEBSOCKET_API_ID')}/{required('WEBSOCKET_STAGE')}"
    return start_of(scope)


def close() -> None:
    """Close the kept connections; the next call opens others."""
    global _kept
    if _kept:
        _kept.close()
    _kept = None


def _read_ids(channel: str, found: list[str], now: float) -> "Job[None]":
    query = listeners_query(channel, now=now, start=start_of_keys())
    yield from read(required(TABLE_VARIABLE), query, lambda rows: found.extend(row["sk"]["S"] for row in rows))


def _key(signature: str) -> "dict[str, Any]":
    return {"pk": {"S": f"{start_of_keys()}request#{signature}"}, "sk": {"S": "-"}}


def _dynamodb() -> "JsonService":
    global _kept
    if _kept is None:
        _kept = service("dynamodb")
    return _kept
