"""Who may listen: to a public channel anyone, to any other whom the backend has signed a permission for."""

import os

from broadcaster.authorization import has_form_of_signature, is_authentic
from own_environment import required
from signing_secret import SigningSecret

AUTH_VARIABLE = "SUBSCRIPTION_AUTH"  # "none" opens every channel; nothing else does, nor does its absence
SECRET_VARIABLE = "SUBSCRIPTION_SECRET"  # noqa: S105 - the name of the variable that holds the ARN
PUBLIC_VARIABLE = "PUBLIC_CHANNELS"  # names, and beginnings of names with a star, separated by spaces

_secret: SigningSecret | None = None


class RefusedError(Exception):
    """A connection may not listen to a channel; the text tells the client why.

    `reason` is the same in one word, for the log.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def check(connection_id: str, channel: str, auth: str, *, deadline: float) -> None:
    """Return if a connection may listen to a channel.

    Args:
        auth: the signature that the client got from the backend, or nothing.
        deadline: a time of `time.monotonic()`.

    Raises:
        RefusedError: it may not.
        AwsError: that cannot be said now.
    """
    if os.environ.get(AUTH_VARIABLE) == "none" or _is_public(channel):
        return
    if not auth:
        raise RefusedError(
            "no_signature", 'the subscription has no signature; ask the backend for one and send it as "auth"'
        )
    if has_form_of_signature(auth):
        secret = _kept_secret()
        if is_authentic(auth, secret.accepted(deadline=deadline), connection_id, channel):
            return
        # It may have been signed with a secret that is newer than those known here.
        if is_authentic(auth, secret.accepted(deadline=deadline, anew=True), connection_id, channel):
            return
    raise RefusedError(
        "bad_signature", "the signature is not one that the backend gave to this connection for this channel"
    )


def close() -> None:
    """Forget the secret; the next subscription reads it."""
    global _secret
    if _secret:
        _secret.close()
    _secret = None


def _is_public(channel: str) -> bool:
    for name in os.environ.get(PUBLIC_VARIABLE, "").split():
        if channel == name or (name.endswith("*") and channel.startswith(name[:-1])):
            return True
    return False


def _kept_secret() -> SigningSecret:
    global _secret
    arn = required(SECRET_VARIABLE)
    if _secret is None or _secret.arn != arn:
        close()
        _secret = SigningSecret(arn)
    return _secret
