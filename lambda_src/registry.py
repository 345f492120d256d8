"""Recording in the stack's table who listens to what; the backend's registry has the layout, and reads it."""

import os
import time
from typing import TYPE_CHECKING

from admission import RefusedError
from aws_services import service
from broadcaster.channels import MAX_CHANNELS
from broadcaster.connections import check_connection_id
from broadcaster.registries.dynamodb_jobs import batches, channels_of, removals, write
from broadcaster.registries.dynamodb_rows import Write, puts, start_of
from broadcaster.registries.lifetime import ENTRY_LIFETIME
from invocation import Invocation
from own_environment import required

if TYPE_CHECKING:
    from broadcaster.aws.json_service import JsonService

TABLE_VARIABLE = "REGISTRY_TABLE"
SCOPE_VARIABLE = "REGISTRY_SCOPE"

_kept: "JsonService | None" = None


def add(invocation: Invocation, channel: str, *, deadline: float) -> None:
    """Record that a connection listens to a channel, for a little longer than connections live; two requests.

    When this returns, the next consistent read finds it.

    Raises:
        RefusedError: it listens to as many channels as one connection may.
        AwsError: it is not sure to be recorded.
        InvalidArgumentError: the id is malformed.
    """
    known = _channels(invocation, deadline)
    if channel not in known and len(known) >= MAX_CHANNELS:
        text = f"this connection listens to {len(known)} channels, the most for one; unsubscribe from some of them"
        raise RefusedError("too_many_channels", text)
    connection_id, begin = invocation.connection_id, start(invocation)
    _write(puts(connection_id, [channel], now=time.time(), lifetime=ENTRY_LIFETIME, start=begin), deadline)


def remove(invocation: Invocation, channel: str, *, deadline: float) -> None:
    """Record that a connection no longer listens to a channel; two requests, one if it did not.

    Raises:
        AwsError: it is not sure to be removed.
        InvalidArgumentError: the id is malformed.
    """
    _delete(invocation, _channels(invocation, deadline, channel), deadline)


def forget(invocation: Invocation, *, deadline: float) -> None:
    """Remove all that is recorded of a connection; one request, and one more for up to twelve channels.

    A subscription that is recorded at the same time may stay behind. Nobody answers to it: it goes with the first 410
    or with its expiry.

    Raises:
        AwsError: some of it may still be there, and will expire.
        InvalidArgumentError: the id is malformed.
    """
    _delete(invocation, _channels(invocation, deadline), deadline)


def dynamodb() -> "JsonService":
    """Return what asks DynamoDB, over connections that are kept from one call to the next."""
    global _kept
    if _kept is None:
        _kept = service("dynamodb")
    return _kept


def start(invocation: Invocation) -> str:
    """Return what the keys of this deployment begin with: those of the API and stage, unless the environment differs.

    The local stand-in for DynamoDB has it differ, whose backend does not know the API's id.
    """
    return start_of(os.environ.get(SCOPE_VARIABLE) or f"{invocation.api_id}/{invocation.stage}")


def close() -> None:
    """Close the kept connections; the next call opens others."""
    global _kept
    if _kept:
        _kept.close()
    _kept = None


def _channels(invocation: Invocation, deadline: float, channel: str = "") -> list[str]:
    connection_id = check_connection_id(invocation.connection_id)  # API Gateway's; a key must not depend on that
    job = channels_of(required(TABLE_VARIABLE), connection_id, channel=channel, start=start(invocation))
    [channels] = dynamodb().run([job], deadline=deadline)
    return channels


def _delete(invocation: Invocation, channels: list[str], deadline: float) -> None:
    for writes in removals([(start(invocation), invocation.connection_id, channels)]):
        _write(writes, deadline)


def _write(writes: list[Write], deadline: float) -> None:
    table = required(TABLE_VARIABLE)
    dynamodb().run([write(table, batch) for batch in batches(writes)], deadline=deadline)
