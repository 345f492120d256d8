"""The secret that subscriptions are signed with: there where it is needed, of the right form, and readable."""

import hmac
import os

from ...errors import BroadcasterError
from ...subscription_secret import VARIABLE, SubscriptionSecret
from .finding import Finding, bad, good

_OUTPUT = "SubscriptionSecretArn"


def look_at_secret(*, of_stack: str | None, is_needed: bool) -> Finding:
    """Return what was found of the secret.

    Args:
        of_stack: the ARN of the stack's secret, if a stack was named and has one.
        is_needed: whether the gateway registers connections, and so admits signed subscriptions alone.
    """
    value = os.environ.get(VARIABLE, "").strip()
    if not value and of_stack is None:
        if is_needed:
            return bad(
                "secret",
                "none, and the gateway may admit signed subscriptions alone (-c registry=dynamodb)",
                f"set {VARIABLE} to the stack's output {_OUTPUT}; not needed with -c auth=none",
            )
        return good("secret", "none, and none is needed where the backend registers connections")
    try:
        used = SubscriptionSecret(value or of_stack).read()
        right = used if of_stack is None else SubscriptionSecret(of_stack).read()
    except BroadcasterError as error:
        text, _, advice = str(error).partition("; ")
        return bad("secret", text, advice or f"set {VARIABLE} to the stack's output {_OUTPUT}")
    if not hmac.compare_digest(used.encode(), right.encode()):
        return bad(
            "secret",
            f"{VARIABLE} is another secret than the stack's: the gateway refuses every subscription that it signs",
            f"set {VARIABLE} to the stack's output {_OUTPUT}",
        )
    where = (
        "by its ARN in Secrets Manager, and readable" if (value or of_stack or "").startswith("arn:") else "as it is"
    )
    return good("secret", f"given {where} ({VARIABLE if value else 'the stack'})")
