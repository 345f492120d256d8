"""What a client may be told about its history: pure decisions, without I/O.

The one rule: `recovered` is True only if the messages follow upon the client's position without a hole, in its own
epoch, up to the newest or, where `more` says so, up to where the next request goes on.
"""

import json

from ..cheap_typing import Any
from ..errors import InvalidArgumentError
from .positions import Position, Rewind, Slice

_MOST = 2**53 - 1  # messages; larger numbers are not exact in JavaScript and Lua
_UNITS = {"s": 1, "m": 60, "h": 3600}


def history_answer(since: Position | None, found: Slice) -> dict[str, Any]:
    """Return what `read_history` returns: `{"epoch", "seq", "recovered", "messages", "more"}`.

    `epoch` and `seq` are the position of whoever has taken in the messages. Where `recovered` is False after `since`,
    something may be missing, and there are no messages: the state is to be fetched afresh.
    """
    numbers, newest = found.numbers, found.newest
    recovered = since is not None and follows(since, found)
    if not _is_whole(numbers) or (since is not None and not recovered):
        return _answer(newest, False, [], False)
    messages = json.loads(",".join(["[0", *found.texts, "0]"]))[1:-1]  # so that the text is copied once
    for message, seq in zip(messages, numbers, strict=True):
        message["epoch"] = newest.epoch
        message["seq"] = seq
    reached = numbers[-1] if numbers else newest.seq
    return _answer(Position(newest.epoch, reached), recovered, messages, reached < newest.seq)


def follows(since: Position, found: Slice) -> bool:
    """Return whether what was found follows upon a position without a hole."""
    first = found.numbers[0] if found.numbers else found.newest.seq + 1
    return since.epoch == found.newest.epoch and first == since.seq + 1 and _is_whole(found.numbers)


def parse_since(value: object) -> Position | None:
    """Return the position that a client sent, as `{"epoch": "…", "seq": 12}`.

    Raises:
        InvalidArgumentError: it is malformed.
    """
    if value is None:
        return None
    if isinstance(value, Position):
        value = value._asdict()
    if isinstance(value, dict) and set(value) == {"epoch", "seq"}:
        epoch, seq = value["epoch"], value["seq"]
        if isinstance(epoch, str) and len(epoch) <= 64 and epoch.isprintable() and _is_count(seq) and seq <= _MOST:
            return Position(epoch, seq)
    raise InvalidArgumentError(f"since is {value!r:.80}; give a position, {{'epoch': 'k3Jx9a', 'seq': 12}}")


def parse_rewind(value: object) -> Rewind | None:
    """Return how far to rewind: a number of events, or a time such as "30s", "5m" or "1h".

    Raises:
        InvalidArgumentError: it is neither.
    """
    if value is None:
        return None
    if isinstance(value, int) and _is_count(value):
        return Rewind(events=min(value, _MOST))
    if isinstance(value, str) and len(value) <= 9:
        count, unit = value[:-1], value[-1:]
        if unit in _UNITS and count.isascii() and count.isdecimal():
            return Rewind(seconds=int(count) * _UNITS[unit])
    raise InvalidArgumentError(
        f"rewind is {value!r:.80}; give a number of events, or a time such as '30s', '5m' or '1h'"
    )


def _is_whole(numbers: list[int]) -> bool:
    return not numbers or numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _answer(position: Position, recovered: bool, messages: list[Any], more: bool) -> dict[str, Any]:
    return {**position._asdict(), "recovered": recovered, "messages": messages, "more": more}
