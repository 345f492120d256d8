"""The events that a Lambda behind a WebSocket API gets, member for member as captured from AWS."""

import os
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from ..template.api import WebSocketApi
from .ids import new_id
from .table import Close, Connection

# These end at API Gateway; the Lambda does not see them.
_HOP_HEADERS = frozenset({"connection", "upgrade"})


def new_trace_id() -> str:
    """Make an X-Ray trace header for one event."""
    return f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()}"


def connect_event(
    api: WebSocketApi,
    connection: Connection,
    *,
    headers: Iterable[tuple[str, str]],
    query: str,
    request_id: str,
    trace_id: str,
) -> dict[str, Any]:
    """CONNECT: the only event with the client's headers and query string.

    Header names keep the client's spelling. Without a query string its two members are absent, not null.
    """
    multi: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}  # the first spelling of each name
    for name, value in headers:
        if name.lower() not in _HOP_HEADERS:
            multi.setdefault(spelled.setdefault(name.lower(), name), []).append(value)
    multi["X-Amzn-Trace-Id"] = [trace_id]
    # A WebSocket API is reached over TLS at port 443 alone, so these two never differ on AWS.
    multi["X-Forwarded-For"] = [connection.source_ip]
    multi["X-Forwarded-Port"] = ["443"]
    multi["X-Forwarded-Proto"] = ["https"]
    event: dict[str, Any] = {"headers": _last_of_each(multi), "multiValueHeaders": multi}
    if query:
        parameters: dict[str, list[str]] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            parameters.setdefault(name, []).append(value)
        event["queryStringParameters"] = _last_of_each(parameters)
        event["multiValueQueryStringParameters"] = parameters
    identity = {"sourceIp": connection.source_ip}
    if connection.user_agent is not None:
        identity = {"userAgent": connection.user_agent, **identity}
    context = _context(api, connection, route_key="$connect", event_type="CONNECT", request_id=request_id)
    event["requestContext"] = {**context, "identity": identity}
    event["isBase64Encoded"] = False
    return event


def message_event(
    api: WebSocketApi, connection: Connection, *, route_key: str, body: str, request_id: str
) -> dict[str, Any]:
    """MESSAGE: the raw text, no headers and no query string."""
    context = _context(api, connection, route_key=route_key, event_type="MESSAGE", request_id=request_id)
    return {"requestContext": {**context, "messageId": new_id()}, "body": body, "isBase64Encoded": False}


def disconnect_event(api: WebSocketApi, connection: Connection, *, close: Close, request_id: str) -> dict[str, Any]:
    """DISCONNECT: a stub of headers, and how the connection ended."""
    headers = {"Host": connection.host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    context = _context(api, connection, route_key="$disconnect", event_type="DISCONNECT", request_id=request_id)
    return {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": {**context, "disconnectStatusCode": close.code, "disconnectReason": close.reason},
        "isBase64Encoded": False,
    }


def _context(
    api: WebSocketApi, connection: Connection, *, route_key: str, event_type: str, request_id: str
) -> dict[str, Any]:
    now = time.time()
    return {
        "routeKey": route_key,
        "eventType": event_type,
        "extendedRequestId": request_id,  # AWS gives both ids the same value
        "requestTime": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "messageDirection": "IN",
        "stage": api.stage,
        "connectedAt": int(connection.connected_at * 1000),
        "requestTimeEpoch": int(now * 1000),
        "identity": {"sourceIp": connection.source_ip},
        "requestId": request_id,
        # On AWS, what the client used; here anything may stand there, and handlers post to this name.
        "domainName": connection.domain_name,
        "connectionId": connection.id,
        "apiId": api.api_id,
    }


def _last_of_each(multi: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: values[-1] for name, values in multi.items()}
