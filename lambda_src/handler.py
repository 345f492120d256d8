"""The Lambda behind all three routes of the WebSocket API.

It answers a client by returning: the stage's `$default` route has a route response, whose frame is the `body` below.
Only the connection id that a subscriber is told unasked is sent through `@connections`.
"""

import time

import frames
import log_line
import origins
from invocation import Invocation


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
    else:
        response["body"] = _answer(invocation, line)
    line["duration_ms"] = round((time.perf_counter() - started) * 1000, 1)
    log_line.write(line)
    return response


def _answer(invocation: Invocation, line: dict[str, object]) -> str:
    """Return the frame that answers a client's, and note in `line` what came of it."""
    try:
        if invocation.is_binary:
            raise frames.FrameError("binary", 'the frame is binary; send text, e.g. {"action":"ping"}')
        members = frames.read(invocation.body)
        action = frames.action_of(members)
        line["action"] = action
        if action == "subscribe":
            channel = frames.channel_of(members)
            _tell_connection_id(invocation, line)
            frame = frames.subscription_succeeded(channel)
        elif action == "unsubscribe":
            frame = frames.unsubscribe_succeeded(frames.channel_of(members))
        elif action == "connection_id":
            frame = frames.connection_id(invocation.connection_id)
        else:
            frame = frames.pong()
    except frames.FrameError as error:
        line["outcome"] = "error"
        line["reason"] = error.reason
        return frames.error(str(error))
    line["outcome"] = "ok"
    return frame


def _tell_connection_id(invocation: Invocation, line: dict[str, object]) -> None:
    """Send a subscriber its connection id, with which the backend registers it; a failure only reaches the log.

    The subscription stands without it, and the client can still ask with `{"action":"connection_id"}`.
    """
    # Imported at the first push and not with the function: with TLS it takes several times the CPU time of all the
    # rest, and a cold start should not. The first subscriber of a process waits for it, some tenths of a second,
    # because 256 MB come with a seventh of a CPU: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
    import connection_push

    try:
        connection_push.send(invocation, frames.connection_id(invocation.connection_id))
    except connection_push.PushError as error:
        line["push"] = "failed"
        line["push_error"] = str(error)
    except Exception as error:  # whatever it is, the client gets its answer
        line["push"] = "failed"
        line["push_error"] = type(error).__name__  # its text is not ours, and might quote a header
    else:
        line["push"] = "sent"
