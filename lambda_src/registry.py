"""Recording in the stack's table who listens to what; the backend's registry has the layout, and reads it."""

import time
from typing import Any

from aws_environment import AwsError, required
from aws_service import Pauses, Service
from broadcaster.connections import check_connection_id
from broadcaster.registries.dynamodb_rows import MAX_BATCH, channel_of, channels_query, deletes, puts
from broadcaster.registries.lifetime import ENTRY_LIFETIME

TABLE_VARIABLE = "REGISTRY_TABLE"

_CHANNELS_IN_A_BATCH = MAX_BATCH // 2  # a channel has two rows
# Rows of one query's answer: far below the largest answer that is read, and whole batches.
_PAGE = 20 * _CHANNELS_IN_A_BATCH

_dynamodb = Service("dynamodb", variable="AWS_ENDPOINT_URL_DYNAMODB", json_version="1.0", target="DynamoDB_20120810")


def add(connection_id: str, channel: str, *, deadline: float) -> None:
    """Record that a connection listens to a channel, for a little longer than connections live; one request.

    When this returns, the next consistent read finds it.

    Raises:
        AwsError: it is not sure to be recorded.
        InvalidArgumentError: the id is malformed.
    """
    check_connection_id(connection_id)  # API Gateway makes them up; a key must not depend on that
    _write(puts(connection_id, [channel], now=time.time(), lifetime=ENTRY_LIFETIME), deadline)


def remove(connection_id: str, channel: str, *, deadline: float) -> None:
    """Record that a connection no longer listens to a channel; one request.

    Raises:
        AwsError: it is not sure to be removed.
        InvalidArgumentError: the id is malformed.
    """
    _delete(check_connection_id(connection_id), [channel], deadline)


def forget(connection_id: str, *, deadline: float) -> None:
    """Remove all that is recorded of a connection; one request, and one more for each twelve channels.

    A subscription that is recorded at the same time may stay behind. Nobody answers to it: it goes with the first 410
    or with its expiry.

    Raises:
        AwsError: some of it may still be there, and will expire.
        InvalidArgumentError: the id is malformed.
    """
    query = {**channels_query(check_connection_id(connection_id)), "TableName": required(TABLE_VARIABLE)}
    query["Limit"] = _PAGE
    while True:
        answer = _dynamodb.call("Query", query, deadline=deadline)
        channels = [channel_of(row) for row in answer["Items"]]
        for start in range(0, len(channels), _CHANNELS_IN_A_BATCH):
            _delete(connection_id, channels[start : start + _CHANNELS_IN_A_BATCH], deadline)
        if not answer.get("LastEvaluatedKey"):
            return
        query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def close() -> None:
    """Close the kept connection; the next call opens another."""
    _dynamodb.close()


def _delete(connection_id: str, channels: list[str], deadline: float) -> None:
    by_channel, by_connection = deletes(connection_id, channels)
    _write(by_channel + by_connection, deadline)


def _write(writes: list[Any], deadline: float) -> None:
    # Puts and deletes of whole rows, without conditions: repeating them, in whatever order, does no harm.
    table = required(TABLE_VARIABLE)
    pauses = Pauses(deadline)
    left = writes
    while left:
        answer = _dynamodb.call("BatchWriteItem", {"RequestItems": {table: left}}, deadline=deadline)
        left = (answer.get("UnprocessedItems") or {}).get(table) or []
        if left and not pauses.wait():
            raise AwsError(f"dynamodb throttles, and left {len(left)} of {len(writes)} rows unwritten", is_passing=True)
