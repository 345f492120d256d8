"""`--send`: one event on its whole way, from the library to a WebSocket of the doctor's own, each hop with its time."""

import argparse
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from ...endpoint import Endpoint
from ...errors import BroadcasterError, ConfigurationError
from ...registries import Registry
from ...registries.dynamodb import DynamoDBRegistry
from ...results import BroadcastResult
from ...sync import Broadcaster
from ..settings import open_broadcaster
from ..socket import Socket, SocketClosedError
from .finding import Finding, bad, good, split_advice

_EVENT = "doctor"


def send_one(given: argparse.Namespace, endpoint: Endpoint, registry: Registry) -> Iterator[Finding]:
    """Connect, subscribe to a channel of its own, send an event there, and yield how long each hop took.

    Leaves nothing behind, and is seen by nobody else, though others may be registered for everything.
    """
    channel = f"doctor-{secrets.token_hex(8)}"
    try:
        with (
            open_broadcaster(given, registry=registry, secret=given.secret) as broadcaster,
            closing(Socket(endpoint, origin=given.origin)) as socket,
        ):
            yield good("handshake", _in_ms(socket.handshake_seconds))
            yield good("first answer", _in_ms(socket.answer_seconds))
            try:
                registration = _register(broadcaster, socket, channel, is_signed=_is_signed(registry))
                yield registration
                if registration.is_ok:
                    yield from _broadcast(broadcaster, registry, socket, channel)
            finally:
                registry.remove([socket.connection_id])
    except SocketClosedError as error:
        yield bad("event", f"the connection ended: {error}", "look into the Lambda's log, the stack's LogGroupName")
    except BroadcasterError as error:
        yield split_advice("event", error)


def _is_signed(registry: Registry) -> bool:
    """Tell whether the gateway registers connections: it does so in its table."""
    return isinstance(registry, DynamoDBRegistry)


def _register(broadcaster: Broadcaster, socket: Socket, channel: str, *, is_signed: bool) -> Finding:
    began = time.monotonic()
    if not is_signed:
        broadcaster.register_connection(socket.connection_id, channels=[channel])
        return good("registration", f"{_in_ms(time.monotonic() - began)}, by the backend")
    frame = {"action": "subscribe", "channel": channel}
    try:
        socket.send({**frame, "auth": broadcaster.authorize_subscription(socket.connection_id, channel)})
    except ConfigurationError:  # no secret, and perhaps none is asked for
        socket.send(frame)
    answer = socket.wait_for(channel=channel)
    if answer is None:
        return bad("registration", "no answer to the subscription", "look into the Lambda's log: output LogGroupName")
    if answer.get("type") == "subscription_succeeded":
        return good("registration", f"{_in_ms(time.monotonic() - began)}, by the gateway")
    data = answer.get("data")
    status, message = (data.get("status"), data.get("message")) if isinstance(data, dict) else (None, answer)
    advice = "look into the Lambda's log: output LogGroupName"
    if status == 403:
        advice = (
            "the gateway does not accept what BROADCASTER_SECRET signs: set it to the stack's output "
            "SubscriptionSecretArn"
        )
    return bad("registration", f"the gateway refuses the subscription: {status} {message}", advice)


def _broadcast(broadcaster: Broadcaster, registry: Registry, socket: Socket, channel: str) -> Iterator[Finding]:
    began = time.monotonic()

    def send() -> tuple[BroadcastResult, float]:
        is_listed = any(socket.connection_id in page for page in registry.pages(channel))
        send_to = broadcaster.send_to_connection
        result = send_to(socket.connection_id, channel, _EVENT, {}) if is_listed else BroadcastResult()
        return result, time.monotonic() - began

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        arrived = socket.wait_for(channel=channel, event=_EVENT)
        seconds = time.monotonic() - began
        result, until_sent = sending.result()
    if result.sent:
        yield good("broadcast", f"{_in_ms(until_sent)}, until API Gateway had accepted it")
    else:
        why = "the connection is gone" if result.stale else "the connection is not registered for the channel"
        why = result.failures[0].reason if result.failures else why
        yield bad(
            "broadcast",
            f"{dict(result)}: {why}",
            "does the Lambda write where the backend reads? Compare BROADCASTER_REGISTRY with the output RegistryUrl",
        )
    if arrived is not None:
        yield good("arrival", f"{_in_ms(seconds)}, from the call until it was here")
    elif result.sent:
        yield bad(
            "arrival", "API Gateway accepted the event, and it did not come", "try again; then look at its status"
        )


def _in_ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
