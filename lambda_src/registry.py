"""Recording in the stack's table who listens to what; the backend's registry has the layout, and reads it."""

import time
from typing import TYPE_CHECKING

from broadcaster.connections import check_connection_id
from broadcaster.registries.dynamodb_jobs import batches, channels_of, removals, write
from broadcaster.registries.dynamodb_rows import Write, puts
from broadcaster.registries.lifetime import ENTRY_LIFETIME
from own_environment import required, service

if TYPE_CHECKING:
    from broadcaster.aws.json_service import JsonService

TABLE_VARIABLE = "REGISTRY_TABLE"

_kept: "JsonService | None" = None


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
    """Remove all that is recorded of a connection; one request, and one more for up to twelve channels.

    A subscription that is recorded at the same time may stay behind. Nobody answers to it: it goes with the first 410
    or with its expiry.

    Raises:
        AwsError: some of it may still be there, and will expire.
        InvalidArgumentError: the id is malformed.
    """
    check_connection_id(connection_id)
    [channels] = _dynamodb().run([channels_of(required(TABLE_VARIABLE), connection_id)], deadline=deadline)
    _delete(connection_id, channels, deadline)


def close() -> None:
    """Close the kept connections; the next call opens others."""
    global _kept
    if _kept:
        _kept.close()
    _kept = None


def _delete(connection_id: str, channels: list[str], deadline: float) -> None:
    for writes in removals([(connection_id, channels)]):
        _write(writes, deadline)


def _write(writes: list[Write], deadline: float) -> None:
    table = required(TABLE_VARIABLE)
    _dynamodb().run([write(table, batch) for batch in batches(writes)], deadline=deadline)


def _dynamodb() -> "JsonService":
    global _kept
    if _kept is None:
        _kept = service("dynamodb")
    return _kept
