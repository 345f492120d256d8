"""The Lambda behind the function URL: publishes what stock server SDKs send, and tells which channels are in use.

Who sent a request is the first that is looked at; an unsigned one costs an invocation and nothing else. Of a request
nothing is logged but counts.
"""

import json
import os
import time
from contextlib import suppress

import log_line
from broadcaster.aws.retries import AwsError
from broadcaster.cheap_typing import TYPE_CHECKING
from broadcaster.errors import BroadcasterError
from publishing import HISTORY_VARIABLE
from publishing.request import Request, RequestError
from publishing.signature import MAX_SKEW, check_signed, read_claim

if TYPE_CHECKING:
    from publishing.delivery import Append
    from publishing.events import Event
    from publishing.messages import Message
    from publishing.signature import Signed

# Seconds that a request may take altogether, and what of a shorter timeout is for the answer and the log.
PATIENCE_SECONDS = 8.0
RESERVE_SECONDS = 1.0

PLAIN_PATH = "/publish"
BEARER_VARIABLE = "PUBLISH_BEARER"  # set where the plain form is answered


def handler(event: object, context: object) -> dict[str, object]:
    """Answer one request with a JSON object, and log one line about it."""
    started = time.perf_counter()
    request = Request(event)
    line: dict[str, object] = {"request_id": request.request_id}
    try:
        status, answer = 200, _answer(request, _deadline(context), line)
    except RequestError as refusal:
        line["reason"] = refusal.reason
        status, answer = refusal.status, {"error": str(refusal)}
    except Exception as error:
        # The text of any other error is not ours, and might quote the request.
        line["reason"] = str(error) if isinstance(error, AwsError | BroadcasterError) else type(error).__name__
        status, answer = 503, {"error": "the event could not be published; try again in a moment"}
    line["status"] = status
    line["duration_ms"] = round((time.perf_counter() - started) * 1000, 1)
    log_line.write(line)
    body = json.dumps(answer, separators=(",", ":"))
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": body}


def _answer(request: Request, deadline: float, line: dict[str, object]) -> dict[str, object]:
    if request.path == PLAIN_PATH and BEARER_VARIABLE in os.environ:
        return _publish_plain(request, deadline, line)
    claim = read_claim(request)
    # What follows is imported when it is needed: an unsigned request is to cost next to nothing in a new process too.
    from publishing import keys

    signed = keys.check_claim(claim, deadline=deadline)
    body = check_signed(request, signed, now=time.time())
    start = f"/apps/{signed.key.app_id}/"
    if not request.path.startswith(start):
        raise RequestError(403, "wrong_app", "the key is of another app than the path; check the app id")
    resource = f"{request.method} {request.path.removeprefix(start)}"
    if resource in ("POST events", "POST batch_events"):
        from publishing.events import read_batch, read_events

        events = read_events(body) if resource == "POST events" else read_batch(body)
        _publish(request, signed, events, deadline, line)
        return {}
    if resource == "GET channels" or resource.startswith("GET channels/"):
        line["operation"] = "channels"
        return _tell_channels(resource.removeprefix("GET channels").removeprefix("/"), signed, deadline)
    raise RequestError(
        404,
        "unknown_path",
        "there are POST events, POST batch_events, GET channels and GET channels/NAME below /apps/APP_ID",
    )


def _publish(
    request: Request, signed: "Signed", events: "list[Event]", deadline: float, line: dict[str, object]
) -> None:
    """Send a signed request's events, unless the same request was answered before."""
    from publishing import table
    from publishing.delivery import send

    line["operation"] = "publish"
    line["events"] = len(events)
    messages, append = _messages_of(events)
    claim = table.claim_of(signed.signature, request.request_id, until=signed.timestamp + MAX_SKEW)
    try:
        counts = send(messages, append=append, claim=claim, deadline=deadline)
        line.update(counts.as_members())
        if counts.failed and not counts.sent:
            raise AwsError(f"none of {counts.failed} connections could be reached")
    except table.RepeatedError:
        line["outcome"] = "repeated"
    except Exception:
        # Nobody got it, so whoever sends the same again within its time is to be heard.
        with suppress(AwsError):
            table.release(signed.signature, request.request_id, deadline=deadline + RESERVE_SECONDS / 2)
        raise


def _publish_plain(request: Request, deadline: float, line: dict[str, object]) -> dict[str, object]:
    from publishing import keys

    keys.check_token(request, os.environ[BEARER_VARIABLE], deadline=deadline)
    if request.method != "POST":
        raise RequestError(404, "unknown_path", f"there is POST {PLAIN_PATH}")
    from publishing.delivery import send
    from publishing.events import read_plain

    line["operation"] = "publish"
    line["events"] = 1
    messages, append = _messages_of([read_plain(request.body())])
    counts = send(messages, append=append, deadline=deadline)
    line.update(counts.as_members())
    return {**counts.as_members()}


def _messages_of(events: "list[Event]") -> "tuple[list[Message], Append | None]":
    """Return the messages of events and, where channels have a history, what stores and numbers them."""
    from publishing.messages import messages_of

    if HISTORY_VARIABLE not in os.environ:
        return messages_of(events), None
    from publishing import history

    return messages_of(events, has_history=history.keep_of), history.append


def _tell_channels(name: str, signed: "Signed", deadline: float) -> dict[str, object]:
    """Return which channels somebody is subscribed to; of one channel, whether somebody is."""
    from broadcaster.channels import check_channel
    from broadcaster.errors import InvalidArgumentError
    from publishing import table
    from publishing.events import COUNT, read_info

    with_count = read_info(signed.parameters)
    if not name:
        counts = table.count_by_channel(signed.parameters.get("filter_by_prefix", ""), deadline=deadline)
        return {"channels": {each: {COUNT: count} if with_count else {} for each, count in counts.items()}}
    try:
        count = table.count_subscriptions(check_channel(name), deadline=deadline)
    except InvalidArgumentError as error:
        raise RequestError(400, "malformed", str(error)) from error
    return {"occupied": count > 0, **({COUNT: count} if with_count else {})}


def _deadline(context: object) -> float:
    """Return until when, by `time.monotonic()`, this request may be worked on."""
    milliseconds_left = getattr(context, "get_remaining_time_in_millis", None)
    left = milliseconds_left() / 1000 - RESERVE_SECONDS if milliseconds_left else PATIENCE_SECONDS
    return time.monotonic() + min(left, PATIENCE_SECONDS)
