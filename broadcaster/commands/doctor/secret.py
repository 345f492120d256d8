"""The secret that subscriptions are signed with: there where it is needed, of the right form, and readable."""

import os

from ...errors import BroadcasterError
from ...subscription_secret import VARIABLE, SubscriptionSecret
from .finding import Finding, bad, good


def look_at_secret(*, is_needed: bool) -> Finding:
    """Return what was found of the secret.

    Args:
        is_needed: whether the gateway registers connections, and so admits signed subscriptions alone.
    """
    value = os.environ.get(VARIABLE, "").strip()
    if not value:
        if is_needed:
            return bad(
                "secret",
                "none, and the gateway may admit signed subscriptions alone (-c registry=dynamodb)",
                f"set {VARIABLE} to the stack's output SubscriptionSecretArn; not needed with -c auth=none",
            )
        return good("secret", "none, and none is needed where the backend registers connections")
    try:
        SubscriptionSecret(value).read()
    except BroadcasterError as error:
        text, _, advice = str(error).partition("; ")
        return bad("secret", text, advice or f"set {VARIABLE} to the stack's output SubscriptionSecretArn")
    where = "in Secrets Manager, and readable" if value.startswith("arn:") else "itself"
    return good("secret", f"found {where} ({VARIABLE})")
