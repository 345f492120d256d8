"""Requests as a function URL hands them over, signed as the stock SDKs sign them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from publishing.signature import Key

NOW = 1_800_000_000
KEY = Key("1024", "key-of-the-app", "s3cret-of-the-app" * 3)

Event = dict[str, Any]


def sign(
    method: str,
    path: str,
    body: bytes = b"",
    *,
    key: Key = KEY,
    at: int = NOW,
    leave_out: tuple[str, ...] = (),
    **parameters: str,
) -> dict[str, str]:
    """Return the parameters of a signed request, with the signature."""
    signed = {"auth_key": key.name, "auth_timestamp": str(at), "auth_version": "1.0"}
    if body:
        signed["body_md5"] = hashlib.md5(body, usedforsecurity=False).hexdigest()
    signed = {name: value for name, value in {**signed, **parameters}.items() if name not in leave_out}
    text = "\n".join((method, path, "&".join(f"{name}={signed[name]}" for name in sorted(signed))))
    signed["auth_signature"] = hmac.new(key.secret.encode(), text.encode(), "sha256").hexdigest()
    return signed


def event_of(
    method: str, path: str, query: str = "", body: bytes = b"", *, is_base64: bool = False, **headers: str
) -> Event:
    """Return the event of a request in payload format 2.0."""
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "abc.lambda-url.eu-west-1.on.aws", **headers},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc",
            "domainName": "abc.lambda-url.eu-west-1.on.aws",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": ""},
            "requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599",
            "routeKey": "$default",
            "stage": "$default",
        },
        "isBase64Encoded": is_base64,
    }
    if body:
        event["body"] = base64.b64encode(body).decode() if is_base64 else body.decode()
    return event


def query_of(parameters: dict[str, str]) -> str:
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in parameters.items())


@pytest.fixture(scope="session")
def signed_event() -> Callable[..., Event]:
    """Makes the event of a signed request; `members` is the JSON of its body."""

    def make(method: str, path: str, members: object = None, *, is_base64: bool = False, **signing: Any) -> Event:
        body = b"" if members is None else json.dumps(members).encode()
        return event_of(method, path, query_of(sign(method, path, body, **signing)), body, is_base64=is_base64)

    return make
