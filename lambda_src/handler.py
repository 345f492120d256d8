"""The Lambda behind all three routes of the WebSocket API.

It answers a client by returning: the stage's `$default` route has a route response, whose frame is the `body` below.
Only the connection id that a subscriber is told unasked, where the backend registers connections, is sent through
`@connections`. Where the gateway registers them, `subscriptions` does.
"""

import os
import time

import frames
import log_line
import origins
from broadcaster.errors import BroadcasterError
from invocation import Invocation

# Set where the gateway registers connections: the table in which.
TABLE_VARIABLE = "REGISTRY_TABLE"

# Seconds that the requests to AWS for one event may take altogether; a client waits about ten for its answer. Of a
# shorter timeout of the function's own, the last part is for the answer and the log.
PATIENCE_SECONDS = 6.0
RESERVE_SECONDS = 0.5


def handler(event: object, context: object) -> dict[str, object]:
    """Answer one event of `$connect`, `$disconnect` or `$default`, and log one line about it.

    Whatever a client sends, this returns: a frame that means nothing gets an `error` frame and keeps its connection.
    """
    started = time.perf_counter()
    invocation = Invocation(event)
    # What a client said is not in the line, except for an action that is one of ours.
    line: dict[str, object] = {
        "route": invocation.route,
        "connection_id": invocation.connection_id,
        "request_id": invocation.request_id,
    }
    response: dict[str, object] = {"statusCode": 200}
    if invocation.route == "$connect":
        if origins.is_allowed(invocation.origins):
            line["outcome"] = "connected"
        else:
            line["outcome"] = "refused"
            line["reason"] = "origin" if invocation.origins else "no_origin"
            response["statusCode"] = 403
    elif invocation.route == "$disconnect":
        line["outcome"] = "disconnected"
        line["close_code"] = invocation.close_code
        if TABLE_VARIABLE in os.environ:
            import subscriptions

            subscriptions.forget(invocation, line, deadline=_deadline(context))
    else:
        response["body"] = _answer(invocation, context, line)
    line["duration_ms"] = round((time.perf_counter() - started) * 1000, 1)
    log_line.write(line)
    return response


def _answer(invocation: Invocation, context: object, line: dict[str, object]) -> str:
    """Return the frame that answers a client's, and note in `line` what came of it."""
    line["outcome"] = "ok"
    try:
        if invocation.is_binary:
            raise frames.FrameError("binary", 'the frame is binary; send text, e.g. {"action":"ping"}')
        members = frames.read(invocation.body)
        action = frames.action_of(members)
        line["action"] = action
        if action == "connection_id":
            return frames.connection_id(invocation.connection_id)
        if action == "ping":
            return frames.pong()
        if action == "history":
            return _history(invocation, context, members, line)
        return _change(invocation, context, action, members, line)
    except frames.FrameError as error:
        line["outcome"] = "error"
        line["reason"] = error.reason
        return frames.error(str(error))


def _change(
    invocation: Invocation, context: object, action: str, members: dict[str, object], line: dict[str, object]
) -> str:
    """Return the answer to `subscribe` or `unsubscribe`."""
    channel = frames.channel_of(members)
    if TABLE_VARIABLE in os.environ:
        import subscriptions

        deadline = _deadline(context)
        if action == "subscribe":
            return subscriptions.subscribe(invocation, channel, frames.auth_of(members), line, deadline=deadline)
        return subscriptions.unsubscribe(invocation, channel, line, deadline=deadline)
    if action == "subscribe":
        _tell_connection_id(invocation, line)
        return frames.subscription_succeeded(channel)
    return frames.unsubscribe_succeeded(channel)


def _history(invocation: Invocation, context: object, members: dict[str, object], line: dict[str, object]) -> str:
    """Return a page of what was sent on a channel."""
    channel = frames.channel_of(members)
    if TABLE_VARIABLE not in os.environ:
        raise frames.FrameError("no_history", "there is no history here; it is read from the backend")
    import past  # with the first who asks, so that nobody else waits for it

    return past.answer(invocation, channel, members, line, deadline=_deadline(context))


def _deadline(context: object) -> float:
    """Return until when, by `time.monotonic()`, AWS may be asked for this event."""
    milliseconds_left = getattr(context, "get_remaining_time_in_millis", None)
    left = milliseconds_left() / 1000 - RESERVE_SECONDS if milliseconds_left else PATIENCE_SECONDS
    return time.monotonic() + min(left, PATIENCE_SECONDS)


def _tell_connection_id(invocation: Invocation, line: dict[str, object]) -> None:
    """Send a new subscriber its connection id, with which the backend registers it; a failure only reaches the log.

    The subscription stands without it, and the client can still ask with `{"action":"connection_id"}`.
    """
    # Imported at the first push and not with the function: with TLS it takes several times the CPU time of all the
    # rest, and a cold start should not. The first subscriber of a process waits for it, some tenths of a second,
    # because 256 MB come with a seventh of a CPU: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
    import connection_push
    from broadcaster.aws.retries import AwsError

    if not connection_push.is_due(invocation.connection_id):
        return
    try:
        connection_push.send(invocation, frames.connection_id(invocation.connection_id))
    except (AwsError, BroadcasterError) as error:
        line["push"] = "failed"
        line["push_error"] = str(error)
    except Exception as error:  # whatever it is, the client gets its answer
        line["push"] = "failed"
        line["push_error"] = type(error).__name__  # its text is not ours, and might quote a header
    else:
        line["push"] = "sent"
