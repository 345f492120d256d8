"""The rows of the DynamoDB table and the bodies of the requests about them, without I/O.

The layout is told in `dynamodb`. Everything here is plain JSON as DynamoDB's low-level API has it, so boto3's client
and one that signs its requests itself take the same. The Lambda's bundle takes this module.

Each function takes, as `start`, what the partition keys begin with: of one deployment `start_of(scope)`, or nothing for
the rows from before deployments were kept apart.
"""

from collections.abc import Collection
from math import ceil
from typing import Any, Final
from zlib import crc32

from .deployments.scope import encode_scope

EVERYTHING: Final = "*"  # among channel names; no channel can have this name

# How many partition keys the rows by connection are spread over: 16 times 1,000 writes a second is more than a new
# on-demand table takes (4,000), so they are never what limits it.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
SHARDS: Final = 16

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
MAX_BATCH: Final = 25  # rows written by one BatchWriteItem

Row = dict[str, dict[str, str]]
Write = dict[str, dict[str, Row]]


def start_of(scope: str) -> str:
    """Return what the partition keys of a deployment begin with.

    Raises:
        ConfigurationError: the scope is not 1 to 400 characters that can be printed.
    """
    return f"{encode_scope(scope)}#"


def puts(connection_id: str, channels: Collection[str], *, now: float, lifetime: float, start: str = "") -> list[Write]:
    """Return the writes that register a connection, two for each channel.

    Those that tell how to remove it come first: what is cut off behind them can still be removed.

    Args:
        channels: names, or `EVERYTHING` among them.
        now: seconds since the epoch.
        lifetime: seconds.
    """
    expires = {"N": str(ceil(now + lifetime))}
    rows = _rows_by_connection(connection_id, channels, start) + _rows_by_channel(connection_id, channels, start)
    return [{"PutRequest": {"Item": {**row, "expires": expires}}} for row in rows]


def deletes(connection_id: str, channels: Collection[str], *, start: str = "") -> tuple[list[Write], list[Write]]:
    """Return the writes that take a connection off channels: its rows by channel, then those by connection.

    The second are what a later attempt finds the first by, so they go last where they do not fit into one request.
    """
    by_channel = _rows_by_channel(connection_id, channels, start)
    by_connection = _rows_by_connection(connection_id, channels, start)
    return [_delete(row) for row in by_channel], [_delete(row) for row in by_connection]


def listeners_query(channel: str, *, now: float, after: str = "", until: str = "", start: str = "") -> dict[str, Any]:
    """Return the members of a Query for who listens to `channel` (or to `EVERYTHING`), by the order of their ids.

    Args:
        after: only ids that are greater.
        until: only ids that are not greater; empty for no bound.
    """
    values = {":pk": {"S": f"{start}channel#{channel}"}, ":now": {"N": str(int(now))}}
    query = {
        "KeyConditionExpression": "pk = :pk",
        "FilterExpression": "expires > :now",
        "ProjectionExpression": "sk",
        "ExpressionAttributeValues": values,
        "ConsistentRead": True,
    }
    if until:
        query["KeyConditionExpression"] = "pk = :pk AND sk <= :until"
        values[":until"] = {"S": until}
    if after:
        query["ExclusiveStartKey"] = {"pk": values[":pk"], "sk": {"S": after}}
    return query


def channels_query(connection_id: str, *, channel: str = "", start: str = "") -> dict[str, Any]:
    """Return the members of a Query for what a connection listens to, expired or not.

    Args:
        channel: only whether it listens to this one.
    """
    return {
        "KeyConditionExpression": "pk = :pk AND sk = :start" if channel else "pk = :pk AND begins_with(sk, :start)",
        "ProjectionExpression": "sk",
        "ExpressionAttributeValues": {
            ":pk": {"S": _shard_key(connection_id, start)},
            ":start": {"S": f"{connection_id}#{channel}"},
        },
        "ConsistentRead": True,
    }


def shard_query(shard: int, *, now: float, start: str = "", what: str = "sk") -> dict[str, Any]:
    """Return the members of a Query for the connections of one shard: a row for each channel, by the order of ids.

    Args:
        what: the attributes to return, with commas.
    """
    query = {**listeners_query(EVERYTHING, now=now), "ProjectionExpression": what}
    query["ExpressionAttributeValues"][":pk"] = {"S": f"{start}connections#{shard:x}"}
    return query


def connection_of(row: Row) -> str:
    """Return the connection id of a row of either kind."""
    return row["sk"]["S"].partition("#")[0]


def channel_of(row: Row) -> str:
    """Return the channel, or `EVERYTHING`, of a row by connection."""
    return row["sk"]["S"].partition("#")[2]


def _rows_by_connection(connection_id: str, channels: Collection[str], start: str) -> list[Row]:
    pk = {"S": _shard_key(connection_id, start)}
    return [{"pk": pk, "sk": {"S": f"{connection_id}#{channel}"}} for channel in channels]


def _rows_by_channel(connection_id: str, channels: Collection[str], start: str) -> list[Row]:
    return [{"pk": {"S": f"{start}channel#{channel}"}, "sk": {"S": connection_id}} for channel in channels]


def _shard_key(connection_id: str, start: str) -> str:
    return f"{start}connections#{crc32(connection_id.encode()) % SHARDS:x}"


def _delete(row: Row) -> Write:
    return {"DeleteRequest": {"Key": row}}
