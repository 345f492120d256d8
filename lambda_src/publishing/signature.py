"""Who sent a request: the signature that Pusher's HTTP API has, over method, path and query. Pure.

What is signed is `METHOD\\nPATH\\nQUERY`, where QUERY is the decoded parameters without the signature, sorted by name,
as `name=value` joined by `&`. The body is signed through its MD5, which is one of the parameters. That MD5 is weak does
no harm: only who has the secret can choose what is signed.
"""

import hmac
from collections.abc import Iterable
from hashlib import md5

from broadcaster.cheap_typing import NamedTuple

from .request import Request, RequestError

# Seconds by which the clock of who signs may differ from ours, as at Pusher.
MAX_SKEW = 600

_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_DIGITS = frozenset("0123456789")
_MOST_PARAMETERS = 50


class Key(NamedTuple):
    """What a stock SDK is configured with."""

    app_id: str
    name: str
    secret: str


class Claim(NamedTuple):
    """What a request says of its signature, before any of it is believed.

    Attributes:
        text: what the signature has to be made over.
        parameters: decoded, without the signature.
    """

    key_name: str
    signature: str
    text: bytes
    parameters: dict[str, str]


class Signed(NamedTuple):
    """A request whose signature is right.

    Attributes:
        parameters: decoded, without the signature.
        signature: the same for all requests that say the same, however their parameters were ordered and encoded.
    """

    key: Key
    parameters: dict[str, str]
    signature: str
    timestamp: int


def read_query(query: str) -> dict[str, str]:
    """Return the decoded parameters of a query string.

    Raises:
        RequestError: it can be read in two ways: a name appears twice, or one has a character in it that separates
            parameters in what is signed.
    """
    if not query.isascii():
        raise _refusal("bad_query", "the query is not ASCII; percent-encode it")
    parameters: dict[str, str] = {}
    pairs = query.split("&") if query else []
    if len(pairs) > _MOST_PARAMETERS:
        raise _refusal("bad_query", f"the query has {len(pairs)} parameters and may have {_MOST_PARAMETERS}")
    for pair in pairs:
        name, _, value = map(_decode, pair.partition("="))
        if name in parameters:
            raise _refusal("bad_query", "the query has a parameter twice; send each once")
        if not {"&", "=", "\n"}.isdisjoint(name) or not {"&", "\n"}.isdisjoint(value):
            raise _refusal("bad_query", "the query has a parameter with a separator in it")
        parameters[name] = value
    return parameters


def read_claim(request: Request) -> Claim:
    """Return what a request says of its signature.

    Raises:
        RequestError: it is not signed, or its query can be read in two ways.
    """
    parameters = read_query(request.query)
    if not request.path.isascii():
        raise _refusal("bad_path", "the path is not ASCII")
    signature, key_name = parameters.pop("auth_signature", ""), parameters.get("auth_key", "")
    if not (signature and key_name and parameters.get("auth_timestamp")):
        raise _refusal(
            "not_signed", "the request is not signed; it takes auth_key, auth_timestamp, auth_signature and body_md5"
        )
    query = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    return Claim(key_name, signature, _encode(f"{request.method}\n{request.path}\n{query}"), parameters)


def check_signature(claim: Claim, keys: Iterable[Key]) -> Signed | None:
    """Return the request as signed with one of the keys, or None.

    Takes as long for a nearly right signature as for any other.
    """
    found = None
    for key in keys:
        expected = hmac.digest(key.secret.encode(), claim.text, "sha256").hex()
        is_right = hmac.compare_digest(expected.encode(), _encode(claim.signature))
        if is_right & hmac.compare_digest(key.name.encode(), _encode(claim.key_name)):
            timestamp = claim.parameters["auth_timestamp"]
            found = Signed(key, claim.parameters, expected, int(timestamp) if _is_number(timestamp) else 0)
    return found


def bad_signature() -> RequestError:
    """Return the refusal of a request that was signed with none of the keys."""
    return _refusal("bad_signature", "the key is unknown or the signature wrong; check key, secret and host")


def check_signed(request: Request, signed: Signed, *, now: float) -> bytes:
    """Return the body of a request whose signature was right.

    Args:
        now: seconds since the epoch.

    Raises:
        RequestError: it is of another time, or its body is not the one that was signed.
    """
    if signed.parameters.get("auth_version", "1.0") != "1.0":
        raise _refusal("bad_version", "auth_version is not 1.0, the only one there is")
    if abs(now - signed.timestamp) > MAX_SKEW:
        raise _refusal(
            "bad_timestamp",
            f"auth_timestamp is more than {MAX_SKEW} seconds from the server's {int(now)}; set the clock",
        )
    body = request.body()
    # Where it is given also for an empty body: the Python SDK sends it with a GET.
    given = signed.parameters.get("body_md5")
    if given is None and body:
        raise _refusal("no_body_md5", "the body is not signed; send its MD5 as body_md5")
    if given is not None and not hmac.compare_digest(
        md5(body, usedforsecurity=False).hexdigest().encode(), _encode(given.lower())
    ):
        raise _refusal("bad_body_md5", "body_md5 is not the MD5 of the body, in hexadecimal digits")
    return body


def _refusal(reason: str, message: str) -> RequestError:
    return RequestError(401, reason, message)


def _is_number(text: str) -> bool:
    return 0 < len(text) <= 12 and _DIGITS.issuperset(text)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _decode(text: str) -> str:
    """Return ASCII text percent-decoded once; by hand, because urllib.parse takes 5 ms to import."""
    if "%" not in text and "+" not in text:
        return text
    first, *parts = text.replace("+", " ").split("%")
    decoded = [first.encode()]
    for part in parts:
        if len(part) >= 2 and _HEXADECIMAL.issuperset(part[:2]):
            decoded += bytes((int(part[:2], 16),)), part[2:].encode()
        else:
            decoded.append(f"%{part}".encode())
    return b"".join(decoded).decode("utf-8", "surrogateescape")  # as bytes again it is what was sent
