"""What was sent on a channel with history, for those who may subscribe to it: read from the table, a page at a time.

The backend numbers the messages and writes them; nothing is written here.
"""

import json
import time

import admission
import frames
import registry
from broadcaster.aws.json_service import requests_made
from broadcaster.cheap_typing import TYPE_CHECKING
from broadcaster.errors import InvalidArgumentError
from broadcaster.history.dynamodb_jobs import newest_of, read_back, read_since
from broadcaster.history.dynamodb_rows import key_of
from broadcaster.history.positions import Position, Rewind, Slice, numbered
from broadcaster.history.recovery import follows, parse_rewind, parse_since
from invocation import Invocation
from own_environment import required
from subscriptions import note_failure

if TYPE_CHECKING:
    from broadcaster.aws.json_service import Job

# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
PAGE_BYTES = 32_768  # a billed message; a single message of more is a page of its own
MAX_BYTES = 131_072  # the most that API Gateway passes on

# What one frame can make this function read: whoever knows the URL can ask about public channels.
MAX_MESSAGES = 100  # of a page
MAX_REWIND = 200  # events; for more there is the backend's endpoint
_QUERIES = 1  # of up to 1 MB, after that for the newest row


def answer(
    invocation: Invocation, channel: str, members: dict[str, object], line: dict[str, object], *, deadline: float
) -> str:
    """Return the answer to `history`; note in `line` what came of it.

    A channel of which nothing is kept has the epoch null, and so has one that may not be read, now or ever; `status`
    and `message` then say why.

    Raises:
        FrameError: `since` or `rewind` is malformed.
    """
    try:
        since, rewind = parse_since(members.get("since")), parse_rewind(members.get("rewind"))
    except InvalidArgumentError as error:
        raise frames.FrameError("bad_history", str(error)) from error
    before = requests_made()
    try:
        admission.check(invocation.connection_id, channel, frames.auth_of(members), deadline=deadline)
        key = key_of(registry.start(invocation), channel)
        job = _read(required(registry.TABLE_VARIABLE), key, since, rewind, time.time())
        [found] = registry.dynamodb().run([job], deadline=deadline)
    except admission.RefusedError as refusal:
        line["outcome"] = "refused"
        line["reason"] = refusal.reason
        return _refusal(channel, 403, str(refusal))
    except Exception as error:  # whatever it is, the client gets its answer
        note_failure(error, line)
        return _refusal(channel, 503, "the history could not be read; try again in a moment")
    finally:
        line["aws_requests"] = requests_made() - before
    if found is None:
        return _write(channel, None, False, [], False)
    return _page(channel, since, found)


def _read(table: str, key: str, since: Position | None, rewind: Rewind | None, now: float) -> "Job[Slice | None]":
    """Return what is kept; None where the backend has kept nothing for long."""
    if since is None and rewind is not None:
        if rewind.events is not None:
            rewind = Rewind(events=min(rewind.events, MAX_REWIND))
        _, found = yield from read_back(
            table, key, rewind, now=now, limit=MAX_MESSAGES, pages=_QUERIES, rows=MAX_REWIND
        )
        return found
    newest = yield from newest_of(table, key)
    if newest is None or not newest.goes_on(now):
        return None
    position = since or newest.newest
    return (yield from read_since(table, key, newest, position, now=now, limit=MAX_MESSAGES, pages=_QUERIES))


def _page(channel: str, since: Position | None, found: Slice) -> str:
    """Return the frame with as many of the messages as fit into one."""
    newest, numbers, texts = found
    recovered = since is not None and follows(since, found)
    if since is not None and not recovered:
        return _write(channel, newest, False, [], False)
    messages: list[str] = []
    size = len(_write(channel, newest, recovered, [], True)) + 10  # digits that the number may have more
    reached = newest.seq if not numbers else numbers[0] - 1
    for number, text in zip(numbers, texts, strict=True):
        message = numbered(text.encode(), Position(newest.epoch, number))
        size += len(message) + 1
        if size > (PAGE_BYTES if messages else MAX_BYTES):
            break
        messages.append(message.decode())
        reached = number
    if numbers and not messages:  # it is too large for a frame; the backend's endpoint can read it
        return _write(channel, newest, False, [], False)
    return _write(channel, Position(newest.epoch, reached), recovered, messages, reached < newest.seq)


def _write(channel: str, position: Position | None, recovered: bool, messages: list[str], more: bool) -> str:
    epoch, seq = position or (None, 0)
    head = {"type": "history", "channel": channel, "epoch": epoch, "seq": seq, "recovered": recovered, "more": more}
    # The messages as they are kept: they were written as JSON by the backend.
    return f'{json.dumps(head, separators=(",", ":"))[:-1]},"messages":[{",".join(messages)}]}}'


def _refusal(channel: str, status: int, message: str) -> str:
    return f'{_write(channel, None, False, [], False)[:-1]},"status":{status},"message":{json.dumps(message)}}}'
