"""Signatures of subscriptions: the backend makes them, the Lambda verifies them, so its bundle has this module too.

A signature is HMAC-SHA256 over `connection_id:channel`, as 64 lower-case hexadecimal digits, with a secret that only
the two know. That is Pusher's, without the `key:` in front of it that tells Pusher's servers which of their
applications is meant: here the URL has told that. A subscriber may send it behind a key all the same, as endpoints that
were written for Pusher answer; what the key says does not matter.

Neither a connection id nor anything in front of it can have a colon, so no two pairs are signed alike.
"""

import hmac
from collections.abc import Iterable

_DIGITS = 64
_HEXADECIMAL = frozenset("0123456789abcdef")


def subscription_signature(secret: str, connection_id: str, channel: str) -> str:
    """Return the signature with which this connection may subscribe to this channel."""
    return hmac.digest(secret.encode(), f"{connection_id}:{channel}".encode(), "sha256").hex()


def has_form_of_signature(auth: str) -> bool:
    """Say whether `auth` might be a signature, with or without a key in front of it."""
    signature = auth.rpartition(":")[2]
    return len(signature) == _DIGITS and _HEXADECIMAL.issuperset(signature)


def is_authentic(auth: str, secrets: Iterable[str], connection_id: str, channel: str) -> bool:
    """Say whether `auth` was signed with one of the secrets; takes as long for a nearly right one as for any other."""
    if not has_form_of_signature(auth):
        return False
    given = auth.rpartition(":")[2]
    matches = [hmac.compare_digest(given, subscription_signature(one, connection_id, channel)) for one in secrets]
    return any(matches)
