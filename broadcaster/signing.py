"""Sign requests to AWS (Signature Version 4) with the standard library alone, byte for byte as botocore does.

`sign_request` signs any one request, `BodySigner` such as differ in the body alone. `ConnectionSigner` is the fast way
to sign very many that differ in the connection id alone, as in a broadcast: what comes before the id is hashed once,
and one signature costs about 3 µs, where botocore's costs 60. All derive the key of the day once for each secret.

This module is part of the Lambda's bundle too: it must stay cheap to import.

The algorithm: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from collections.abc import Mapping
from hashlib import sha256
from time import gmtime, strftime

from .cheap_typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hashlib import _Hash

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# What a connection id is made of (URL-safe base64): sent as it is, except for the equals sign.
_ID_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="
# Headers that proxies and clients may add or change on the way; botocore leaves them out of the signature as well.
_NEVER_SIGNED = frozenset(
    {"baggage", "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "traceparent"}
    | {"tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id"}
)
_OURS = frozenset(("host", "date", "x-amz-date", "x-amz-security-token", "authorization"))
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))
_SHA256_BLOCK = 64


class Credentials(NamedTuple):
    """An access key, its secret and, where they are temporary, the session token."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        """Name the access key alone: the secret and the token must not reach a log."""
        return f"Credentials(access_key={self.access_key!r})"


def percent_encode(text: str, *, safe: bytes = b"") -> str:
    """Percent-encode the UTF-8 bytes of `text`, except the unreserved characters of RFC 3986 and those of `safe`."""
    return "".join(
        chr(byte) if byte in _UNRESERVED or byte in safe else f"%{byte:02X}" for byte in text.encode("utf-8")
    )


def sign_request(
    credentials: Credentials,
    *,
    service: str,
    region: str,
    method: str,
    host: str,
    path: str,
    body: bytes,
    now: float,
    headers: Mapping[str, str] | None = None,
    query: str = "",
) -> dict[str, str]:
    """Return the headers that make a request a signed one, in the order in which to send them.

    Args:
        service: the name that the service signs with, e.g. `execute-api` or `dynamodb`.
        host: what goes into the Host header, with the port if it is not the scheme's own.
        path: the path exactly as it will be sent, percent-encoded already, e.g. `/production/%40connections/…`.
        now: seconds since the epoch. AWS accepts a signature for five minutes around its time.
        headers: further headers to send; they are signed too. Those that signing itself sets are replaced.
        query: the query string exactly as it will be sent, without the question mark.

    Returns:
        Host, X-Amz-Date, X-Amz-Security-Token if the credentials are temporary, the given headers, Authorization.
    """
    signer = BodySigner(
        credentials,
        service=service,
        region=region,
        method=method,
        host=host,
        path=path,
        now=now,
        headers=headers,
        query=query,
    )
    return {**signer.headers, "Authorization": signer.authorization + signer.signature(body)}


class BodySigner:
    """Signs requests that differ in the body alone; about 4 µs each. Thread-safe.

    Good for as long as the signature's time is: make a new one after a minute, or when the credentials change. The
    arguments are those of `sign_request`.

    Attributes:
        headers: to send, without Authorization.
        authorization: the value of that header up to the signature, which ends it.
    """

    __slots__ = ("_canonical", "_inner", "_outer", "authorization", "headers")

    def __init__(
        self,
        credentials: Credentials,
        *,
        service: str,
        region: str,
        method: str,
        host: str,
        path: str,
        now: float,
        headers: Mapping[str, str] | None = None,
        query: str = "",
    ) -> None:
        timestamp = strftime("%Y%m%dT%H%M%SZ", gmtime(now))
        self.headers = {"Host": host, "X-Amz-Date": timestamp}
        if credentials.token:
            self.headers["X-Amz-Security-Token"] = credentials.token
        for name, value in (headers or {}).items():
            if name.lower() not in _OURS:
                self.headers[name] = value
        signed = sorted((name.lower(), " ".join(value.split())) for name, value in self.headers.items())
        signed = [(name, value) for name, value in signed if name not in _NEVER_SIGNED]
        names = ";".join(name for name, _ in signed)
        canonical = "\n".join(
            (
                method.upper(),
                percent_encode(_without_dots(path), safe=b"/"),
                _canonical_query(query),
                *(f"{name}:{value}" for name, value in signed),
                "",
                names,
                "",
            )
        )
        self._canonical = sha256(canonical.encode("utf-8"))
        scope = f"{timestamp[:8]}/{region}/{service}/aws4_request"
        self._inner, self._outer = _day_states(credentials.secret_key, scope)
        self._inner.update(f"{_ALGORITHM}\n{timestamp}\n{scope}\n".encode())
        self.authorization = (
            f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature="
        )

    def signature(self, body: bytes) -> str:
        """Return the signature of the request with this body."""
        canonical = self._canonical.copy()
        canonical.update(sha256(body).hexdigest().encode())
        inner = self._inner.copy()
        inner.update(canonical.hexdigest().encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


class ConnectionSigner:
    """Signs requests to `@connections` that differ in the connection id alone; about 3 µs each.

    Good for as long as the signature's time is: make a new one after a minute, or when the credentials change.
    `with_body` returns one for other bodies within that time, for a fraction of the cost. Thread-safe.

    Args:
        host: what goes into the Host header.
        base_path: what stands before `/@connections`, percent-encoded, e.g. `/production`; may be empty.
        body: sent with every request; only its hash and length are kept.
        now: seconds since the epoch.
    """

    __slots__ = (
        "_after_id",
        "_after_signature",
        "_always_has_length",
        "_before_id",
        "_canonical",
        "_canonical_rest",
        "_inner",
        "_outer",
        "_signed_headers",
    )

    def __init__(
        self,
        credentials: Credentials,
        *,
        host: str,
        region: str,
        base_path: str,
        method: str,
        body: bytes,
        now: float,
    ) -> None:
        timestamp = strftime("%Y%m%dT%H%M%SZ", gmtime(now))
        scope = f"{timestamp[:8]}/{region}/execute-api/aws4_request"
        token = credentials.token
        names = "host;x-amz-date;x-amz-security-token" if token else "host;x-amz-date"
        canonical_base = percent_encode(_without_dots(f"{base_path}/@connections/"), safe=b"/")
        self._canonical = sha256(f"{method}\n{canonical_base}".encode())
        signed_token = f"\nx-amz-security-token:{' '.join(token.split())}" if token else ""
        self._signed_headers = f"\n\nhost:{host}\nx-amz-date:{timestamp}{signed_token}\n\n{names}\n".encode()
        self._inner, self._outer = _day_states(credentials.secret_key, scope)
        self._inner.update(f"{_ALGORITHM}\n{timestamp}\n{scope}\n".encode())
        sent_token = f"X-Amz-Security-Token: {token}\r\n" if token else ""
        self._before_id = f"{method} {base_path}/@connections/".encode()
        self._after_id = (
            f" HTTP/1.1\r\nHost: {host}\r\nX-Amz-Date: {timestamp}\r\n{sent_token}Authorization: {_ALGORITHM} "
            f"Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature="
        ).encode()
        self._always_has_length = method in ("POST", "PUT", "PATCH")
        self._take_body(body)

    def with_body(self, body: bytes) -> "ConnectionSigner":
        """Return a signer of the same requests, at the same time, with another body."""
        other = ConnectionSigner.__new__(ConnectionSigner)
        other._before_id, other._after_id = self._before_id, self._after_id
        other._canonical, other._signed_headers = self._canonical, self._signed_headers
        other._inner, other._outer = self._inner, self._outer
        other._always_has_length = self._always_has_length
        other._take_body(body)
        return other

    def _take_body(self, body: bytes) -> None:
        self._canonical_rest = self._signed_headers + sha256(body).hexdigest().encode()
        has_length = body or self._always_has_length
        self._after_signature = b"\r\nContent-Length: %d\r\n\r\n" % len(body) if has_length else b"\r\n\r\n"

    def head(self, connection_id: str) -> bytes:
        """Return everything that goes before the body: the request line, the headers, the empty line.

        Raises:
            ValueError: the id is empty, `.` or `..`, and so would name another path. Every other string is
                percent-encoded and names just itself.
        """
        sent = connection_id.encode()
        if not sent or sent.translate(None, _ID_ALPHABET):
            if connection_id in ("", ".", ".."):
                raise ValueError(f"{connection_id!r} is no connection id; give one such as 'L0SM9cOFvHcCIhw='")
            sent = percent_encode(connection_id).encode()
            signed = sent.replace(b"%", b"%25")
        else:
            # Signed is the path as it is sent, encoded once more: the equals sign's own percent sign becomes %25.
            signed = sent.replace(b"=", b"%253D")
            sent = sent.replace(b"=", b"%3D")
        canonical = self._canonical.copy()
        canonical.update(signed + self._canonical_rest)
        inner = self._inner.copy()
        inner.update(canonical.hexdigest().encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return b"".join(
            (self._before_id, sent, self._after_id, outer.hexdigest().encode(), self._after_signature),
        )


def _without_dots(path: str) -> str:
    """Return the path as AWS reads it: `.` and `..` resolved, repeated slashes merged."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    last = "/" if path.endswith("/") and kept else ""
    return "/" + "/".join(kept) + last


def _canonical_query(query: str) -> str:
    """Return the query string with its pairs sorted by name, then by value, each with an equals sign."""
    if not query:
        return ""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return "&".join(f"{name}={value}" for name, value in sorted((name, value) for name, _, value in pairs))


# What `_day_states` has derived: the same for a day and region. Two threads at once do the same work twice, no harm.
_kept_states: "dict[tuple[str, str], tuple[_Hash, _Hash]]" = {}
_MOST_KEPT_STATES = 8


def _day_states(secret_key: str, scope: str) -> "tuple[_Hash, _Hash]":
    """Return fresh copies of the two states of HMAC with the key that is good for one day, region and service.

    Args:
        scope: `20261122/us-east-1/execute-api/aws4_request`.
    """
    states = _kept_states.get((secret_key, scope))
    if states is None:
        key = f"AWS4{secret_key}".encode()
        for part in scope.split("/"):
            key = _hmac(key, part.encode("utf-8"))
        if len(_kept_states) >= _MOST_KEPT_STATES:
            _kept_states.clear()
        states = _kept_states[secret_key, scope] = _hmac_states(key)
    return states[0].copy(), states[1].copy()


def _hmac(key: bytes, message: bytes) -> bytes:
    inner, outer = _hmac_states(key)
    inner.update(message)
    outer.update(inner.digest())
    return outer.digest()


def _hmac_states(key: bytes) -> "tuple[_Hash, _Hash]":
    """Return the two SHA-256 states of HMAC (RFC 2104) with this key; copies of them sign without hashing it again."""
    if len(key) > _SHA256_BLOCK:
        key = sha256(key).digest()
    key = key.ljust(_SHA256_BLOCK, b"\0")
    return sha256(key.translate(_INNER_PAD)), sha256(key.translate(_OUTER_PAD))
