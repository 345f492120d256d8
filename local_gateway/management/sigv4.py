"""Check Signature Version 4 as API Gateway checks it on `@connections`, and refuse in AWS's words.

Of the texts, the one for a signature that does not match and its canonical request were captured from AWS; the others
are the ones that AWS's services in general answer (inferred).

The canonical path is the path as it came over the wire, each segment URI-encoded once more: `=` becomes `%3D`, and
`%3D` becomes `%253D`. A caller that signs the path without that second encoding, or whose HTTP client rewrites it
after signing, is refused here as it is on AWS.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from multidict import MultiMapping

_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_SIGNATURE = re.compile(r"\bSignature=([^,]*)")
_ALGORITHM = "AWS4-HMAC-SHA256"
_SERVICE = "execute-api"
# IAM user guide, "Elements of a request signature": a signature is good within five minutes of its time stamp.
_LONGEST_AGE = 300.0  # seconds, either way


class Credentials(NamedTuple):
    """An access key; a token belongs to temporary ones, as a function's role has."""

    access_key: str
    secret_key: str
    token: str | None = None


class SignatureError(Exception):
    """The signature does not hold; carries AWS's error type and message, which are sent with status 403."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message


class _Scope(NamedTuple):
    access_key: str
    day: str
    region: str
    service: str
    signed_headers: tuple[str, ...]


class Verifier:
    """Knows the access keys that may call.

    Args:
        region: the Region that a signature must be for.
        now: seconds since the epoch; signatures are dated by the caller's clock, so this one is never scaled.
    """

    def __init__(
        self, credentials: Iterable[Credentials], *, region: str, now: Callable[[], float] = time.time
    ) -> None:
        self._credentials = {one.access_key: one for one in credentials}
        self._region = region
        self._now = now
        self._keys: dict[tuple[str, str], bytes] = {}  # signing keys by access key and day

    def verify(self, method: str, target: str, headers: MultiMapping[str], body: bytes) -> None:
        """Check that the request is signed by a known key; `target` is path and query as they came over the wire.

        Raises:
            SignatureError: it is not.
        """
        if "Authorization" not in headers:
            raise SignatureError("MissingAuthenticationTokenException", "Missing Authentication Token")
        scope, signature = _read_authorization(headers["Authorization"])
        stamp = headers.get("X-Amz-Date", "")
        if not stamp:
            raise _incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        if "host" not in scope.signed_headers:
            raise SignatureError(
                "InvalidSignatureException", "'Host' must be a 'SignedHeader' in the AWS Authorization."
            )
        known = self._credentials.get(scope.access_key)
        if known is None or headers.get("X-Amz-Security-Token") != known.token:
            raise SignatureError(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        self._check_scope(scope, stamp)
        path, _, query = target.partition("?")
        canonical = canonical_request(method, path, query, headers, scope.signed_headers, body)
        to_sign = "\n".join(
            (
                _ALGORITHM,
                stamp,
                f"{scope.day}/{scope.region}/{scope.service}/aws4_request",
                hashlib.sha256(_bytes(canonical)).hexdigest(),
            )
        )
        key = self._signing_key(known, scope.day)
        expected = hmac.digest(key, _bytes(to_sign), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), _bytes(signature)):
            raise SignatureError(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret"
                " Access Key and signing method. Consult the service documentation for details.\n\n"
                f"The Canonical String for this request should have been\n'{canonical}'\n\n"
                f"The String-to-Sign should have been\n'{to_sign}'\n",
            )

    def _check_scope(self, scope: _Scope, stamp: str) -> None:
        signed_at = _seconds(stamp)
        if stamp[:8] != scope.day:
            raise SignatureError(
                "InvalidSignatureException",
                f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP:"
                f" '{scope.day}' != '{stamp[:8]}'.",
            )
        now = self._now()
        if abs(now - signed_at) > _LONGEST_AGE:
            shown, limit = _shown(now), _shown(now + (_LONGEST_AGE if signed_at > now else -_LONGEST_AGE))
            raise SignatureError(
                "InvalidSignatureException",
                f"Signature not yet current: {stamp} is still later than {limit} ({shown} + 5 min.)"
                if signed_at > now
                else f"Signature expired: {stamp} is now earlier than {limit} ({shown} - 5 min.)",
            )
        if scope.region != self._region:
            raise SignatureError(
                "InvalidSignatureException", f"Credential should be scoped to a valid region, not '{scope.region}'."
            )
        if scope.service != _SERVICE:
            raise SignatureError(
                "InvalidSignatureException", f"Credential should be scoped to correct service: '{_SERVICE}'."
            )

    def _signing_key(self, credentials: Credentials, day: str) -> bytes:
        known = self._keys.get((credentials.access_key, day))
        if known is None:
            known = f"AWS4{credentials.secret_key}".encode()
            for part in (day, self._region, _SERVICE, "aws4_request"):
                known = hmac.digest(known, part.encode(), "sha256")
            self._keys = {key: value for key, value in self._keys.items() if key[1] == day}
            self._keys[credentials.access_key, day] = known
        return known


def canonical_request(
    method: str, path: str, query: str, headers: MultiMapping[str], signed_headers: Sequence[str], body: bytes
) -> str:
    """Return the canonical request of a request as it came over the wire."""
    canonical_path = quote(_bytes(path), safe="/-_.~")
    parts = (part.partition("=") for part in query.split("&") if part)
    canonical_query = "&".join(sorted(f"{name}={value}" for name, _, value in parts))
    lines = "".join([f"{name}:{_folded(headers.getall(name, []))}\n" for name in signed_headers])
    return "\n".join(
        (method, canonical_path, canonical_query, lines, ";".join(signed_headers), hashlib.sha256(body).hexdigest())
    )


def _bytes(text: str) -> bytes:
    """Return the bytes as they came; those that are no UTF-8 stand in headers and paths as lone surrogates."""
    return text.encode("utf-8", "surrogateescape")


def _folded(values: list[str]) -> str:
    return ",".join([" ".join(value.split()) for value in values])


def _shown(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")


@lru_cache(maxsize=256)
def _seconds(stamp: str) -> float:
    """Return the seconds since the epoch of a time stamp such as 20261122T093000Z."""
    match = _STAMP.fullmatch(stamp)
    try:
        if match is not None:
            year, month, day, hour, minute, second = map(int, match.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:  # such as a 13th month
        pass
    raise _incomplete(f"Date must be in ISO-8601 'basic format'. Got '{stamp}'.")


def _read_authorization(value: str) -> tuple[_Scope, str]:
    """Read what the header claims, and the signature, which alone differs between the requests of one caller."""
    match = _SIGNATURE.search(value)
    if match is None or not match[1]:
        return _read_claim(value, False), ""
    return _read_claim(value[: match.start()] + value[match.end() :], True), match[1]


@lru_cache(maxsize=256)
def _read_claim(value: str, is_signed: bool) -> _Scope:
    algorithm, _, rest = value.partition(" ")
    if algorithm != _ALGORITHM:
        raise _incomplete(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    members = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    given = {"Signature": is_signed, **{name: bool(members.get(name)) for name in ("Credential", "SignedHeaders")}}
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not given[name]]
    if missing:
        raise _incomplete(
            " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
            + f" Authorization={algorithm}"
        )
    scope = members["Credential"].split("/")
    if len(scope) != 5 or scope[4] != "aws4_request":
        raise _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term,"
            f" got '{members['Credential']}'"
        )
    access_key, day, region, service, _ = scope
    return _Scope(access_key, day, region, service, tuple(members["SignedHeaders"].lower().split(";")))


def _incomplete(message: str) -> SignatureError:
    return SignatureError("IncompleteSignatureException", message)
