"""Subscriptions where the gateway registers connections: admitted, recorded, then answered.

Imported with the first of them and not with the function, as `connection_push` is where the backend registers.
"""

import admission
import frames
import registry
from broadcaster.aws.json_service import requests_made
from broadcaster.aws.retries import AwsError
from broadcaster.errors import BroadcasterError
from invocation import Invocation


def subscribe(invocation: Invocation, channel: str, auth: str, line: dict[str, object], *, deadline: float) -> str:
    """Return the answer to `subscribe`: success if it was recorded, else 403 or 503; note in `line` what came of it."""
    before = requests_made()
    try:
        admission.check(invocation.connection_id, channel, auth, deadline=deadline)
        registry.add(invocation, channel, deadline=deadline)
    except admission.RefusedError as refusal:
        line["outcome"] = "refused"
        line["reason"] = refusal.reason
        return frames.subscription_error(channel, 403, str(refusal))
    except Exception as error:  # whatever it is, the client gets its answer
        note_failure(error, line)
        return frames.subscription_error(channel, 503, "the subscription could not be recorded; try again in a moment")
    finally:
        line["aws_requests"] = requests_made() - before
    line["outcome"] = "ok"
    return frames.subscription_succeeded(channel)


def unsubscribe(invocation: Invocation, channel: str, line: dict[str, object], *, deadline: float) -> str:
    """Return the answer to `unsubscribe`: success if it was recorded, else 503; note in `line` what came of it."""
    before = requests_made()
    try:
        registry.remove(invocation, channel, deadline=deadline)
    except Exception as error:  # whatever it is, the client gets its answer
        note_failure(error, line)
        return frames.subscription_error(channel, 503, "the subscription could not be ended; try again in a moment")
    finally:
        line["aws_requests"] = requests_made() - before
    line["outcome"] = "ok"
    return frames.unsubscribe_succeeded(channel)


def forget(invocation: Invocation, line: dict[str, object], *, deadline: float) -> None:
    """Remove all that is recorded of a connection that has ended; a failure only reaches the log."""
    before = requests_made()
    try:
        registry.forget(invocation, deadline=deadline)
    except Exception as error:  # nobody waits for an answer, and the rows expire
        note_failure(error, line)
    finally:
        line["aws_requests"] = requests_made() - before


def note_failure(error: Exception, line: dict[str, object]) -> None:
    """Note in `line` what went wrong."""
    line["outcome"] = "failed"
    # The text of any other error is not ours, and might quote a header.
    line["reason"] = str(error) if isinstance(error, AwsError | BroadcasterError) else type(error).__name__
