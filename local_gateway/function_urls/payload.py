"""What passes between an HTTP request and a handler: the payload format 2.0 of function URLs.

Form and answers: lambda/latest/dg/urls-invocation.html. Which bodies are Base64, and that cookies are in `cookies`
alone, is not said there: inferred.
"""

import base64
import binascii
import json
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from ..limits import LAMBDA_MAX_RESPONSE

_TEXT = re.compile(r"text/|application/(json|javascript|xml|[\w.+-]*\+(json|xml))\s*(;|$)", re.IGNORECASE)


class HttpRequest(NamedTuple):
    """A request as it came over the wire."""

    method: str
    path: str  # percent-encoded
    query: str
    headers: Iterable[tuple[str, str]]
    body: bytes
    source_ip: str


class HttpAnswer(NamedTuple):
    """What a request is answered with."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class MalformedAnswerError(Exception):
    """A handler returned something that no HTTP answer can be made of."""


def request_event(request: HttpRequest, *, url_id: str, host: str, request_id: str, trace_id: str) -> dict[str, Any]:
    """Make the event of a request. Without a query string, cookies or a body, their members are absent, not null."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
    cookies = [part.strip() for part in headers.pop("cookie", "").split(";") if part.strip()]
    headers |= {
        "x-amzn-trace-id": trace_id,
        "x-forwarded-for": request.source_ip,
        "x-forwarded-port": "443",  # a function URL is reached over TLS alone
        "x-forwarded-proto": "https",
    }
    query: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        **({"cookies": cookies} if cookies else {}),
        "headers": headers,
        **({"queryStringParameters": query} if query else {}),
        "requestContext": {
            "accountId": "anonymous",
            "apiId": url_id,
            "domainName": host,
            "domainPrefix": url_id,
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if request.body:
        event["body"], event["isBase64Encoded"] = _body(request.body, headers.get("content-type", ""))
    return event


def read_answer(result: Any) -> HttpAnswer:
    """Read what a handler returned; anything without a `statusCode` is the body of a 200 in JSON.

    Raises:
        MalformedAnswerError: it is no answer, or it is too large.
    """
    if not isinstance(result, dict) or "statusCode" not in result:
        return HttpAnswer(200, [("Content-Type", "application/json")], json.dumps(result).encode())
    status, headers, body = result["statusCode"], result.get("headers") or {}, result.get("body")
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise MalformedAnswerError(f"statusCode is {status!r}; it takes a whole number, e.g. 200")
    if not isinstance(headers, dict):
        raise MalformedAnswerError("headers is no object; it takes names and values")
    text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    try:
        data = base64.b64decode(text) if result.get("isBase64Encoded") else text.encode()
    except (binascii.Error, UnicodeEncodeError) as error:
        raise MalformedAnswerError(f"body cannot be read: {error}") from error
    if len(data) > LAMBDA_MAX_RESPONSE:
        raise MalformedAnswerError(f"body has {len(data)} bytes; an answer has at most {LAMBDA_MAX_RESPONSE}")
    given = [(str(name), str(value)) for name, value in headers.items()]
    if not any(name.lower() == "content-type" for name, _ in given):
        given.append(("Content-Type", "application/json"))
    cookies = [("Set-Cookie", str(cookie)) for cookie in result.get("cookies") or []]
    return HttpAnswer(status, [*given, *cookies], data)


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    """Return a body as text, and whether that is Base64."""
    if _TEXT.match(content_type):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True
