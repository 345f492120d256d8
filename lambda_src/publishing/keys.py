"""The secrets that callers publish with: the key of the stock SDKs, and the token of the plain form."""

import hmac
import json

from broadcaster.aws.retries import AwsError
from own_environment import required
from signing_secret import SigningSecret

from .request import Request, RequestError
from .signature import Claim, Key, Signed, bad_signature, check_signature

KEY_VARIABLE = "PUBLISH_KEY"

_FOR_EVER = float("inf")

_kept: dict[str, SigningSecret] = {}


def check_claim(claim: Claim, *, deadline: float) -> Signed:
    """Return the request as signed with the current key or the one before it.

    Args:
        deadline: a time of `time.monotonic()`.

    Raises:
        RequestError: it is signed with neither.
        AwsError: that cannot be said now.
    """
    secret = _secret(required(KEY_VARIABLE))
    found = check_signature(claim, _keys(secret.accepted(deadline=deadline)))
    # It may have been signed with a key that is newer than those known here.
    found = found or check_signature(claim, _keys(secret.accepted(deadline=deadline, anew=True)))
    if found is None:
        raise bad_signature()
    return found


def check_token(request: Request, arn: str, *, deadline: float) -> None:
    """Return if a request carries the current token or the one before it.

    Args:
        arn: of the secret that has it.
        deadline: a time of `time.monotonic()`.

    Raises:
        RequestError: it carries neither.
        AwsError: that cannot be said now.
    """
    scheme, _, given = request.authorization.partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise RequestError(401, "no_token", "the request has no token; send Authorization: Bearer with the token")
    secret = _secret(arn)
    token = given.strip().encode("utf-8", "surrogatepass")
    for anew in (False, True):
        tokens = secret.accepted(deadline=deadline, anew=anew)
        if any(hmac.compare_digest(token, one.encode()) for one in tokens):
            return
    raise RequestError(401, "bad_token", "the token is not the one that the stack has")


def close() -> None:
    """Forget the secrets; the next request reads them."""
    while _kept:
        _kept.popitem()[1].close()


def _secret(arn: str) -> SigningSecret:
    if arn not in _kept:
        # The version before is valid until it is replaced in turn: callers are many, and none is reached by us.
        _kept[arn] = SigningSecret(arn, grace=_FOR_EVER)
    return _kept[arn]


def _keys(texts: list[str]) -> list[Key]:
    """Return the keys that the versions of the secret hold.

    Raises:
        AwsError: one holds none.
    """
    keys = []
    for text in texts:
        try:
            members = json.loads(text)
            key = Key(members["app_id"], members["key"], members["secret"])
        except (ValueError, TypeError, KeyError):
            key = Key("", "", "")
        if not all(isinstance(part, str) and part for part in key) or not key.app_id.isdecimal():
            raise AwsError('the secret with the key is not {"app_id": digits, "key": text, "secret": text}')
        keys.append(key)
    return keys
