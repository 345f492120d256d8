"""The text frames that a client and this function exchange: reading what a client says, writing what it hears.

Pure. Every answer is ASCII (JSON's escapes stand for the rest), so whatever it quotes can be encoded.
"""

import json

from broadcaster.channels import check_channel
from broadcaster.errors import InvalidArgumentError

ACTIONS = ("subscribe", "unsubscribe", "history", "connection_id", "ping")

# An error frame quotes at most this many characters of what the client sent.
MAX_QUOTED_LENGTH = 40

_EXAMPLE = '{"action":"ping"}'


class FrameError(ValueError):
    """A client's frame means nothing; the text tells the client what was wrong and what would be right.

    `reason` is the same in one word, for the log: it quotes nothing of the frame.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def read(text: str) -> dict[str, object]:
    """Return the members of the JSON object in `text`; of a repeated member the last, as browsers do.

    Raises:
        FrameError: there is no such object.
    """
    if not text:
        raise FrameError("empty", f"the frame is empty; send one JSON object, e.g. {_EXAMPLE}")
    try:
        members = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise FrameError("not_json", _unreadable(text, f"{error.msg} at position {error.pos}")) from error
    except ValueError as error:  # NaN, or an integer with more digits than Python converts
        raise FrameError("not_json", _unreadable(text, "it has a number that cannot be read")) from error
    except RecursionError as error:
        raise FrameError("not_json", _unreadable(text, "it is nested too deeply")) from error
    if not isinstance(members, dict):
        raise FrameError("not_an_object", f"the frame is {_quote(members)}; send one JSON object, e.g. {_EXAMPLE}")
    return members


def action_of(members: dict[str, object]) -> str:
    """Return which of `ACTIONS` a client asks for.

    Raises:
        FrameError: none of them.
    """
    known = ", ".join(ACTIONS)
    if "action" not in members:
        raise FrameError("no_action", f'the frame has no "action"; give one of {known}, e.g. {_EXAMPLE}')
    action = members["action"]
    if not isinstance(action, str) or action not in ACTIONS:
        raise FrameError("unknown_action", f"the action is {_quote(action)}; known are {known}")
    return action


def channel_of(members: dict[str, object]) -> str:
    """Return the name of the channel that a client means.

    Raises:
        FrameError: there is none, or it is no channel name.
    """
    if "channel" not in members:
        raise FrameError("no_channel", 'the frame has no "channel"; give a name, e.g. "channel":"admin"')
    try:
        return check_channel(members["channel"])
    except InvalidArgumentError as error:
        raise FrameError("bad_channel", str(error)) from error


def auth_of(members: dict[str, object]) -> str:
    """Return the signature that a client sends along, or nothing if it is none."""
    auth = members.get("auth")
    return auth if isinstance(auth, str) else ""


def subscription_succeeded(channel: str) -> str:
    """Return the answer to `subscribe`."""
    return _write({"type": "subscription_succeeded", "channel": channel})


def unsubscribe_succeeded(channel: str) -> str:
    """Return the answer to `unsubscribe`."""
    return _write({"type": "unsubscribe_succeeded", "channel": channel})


def subscription_error(channel: str, status: int, message: str) -> str:
    """Return the answer to a subscription that is not made or ended: an event, as Pusher's clients know it.

    A status of 403 is final; 503 means that the same may succeed in a moment.
    """
    return _write(
        {"channel": channel, "event": "pusher:subscription_error", "data": {"status": status, "message": message}}
    )


def connection_id(own_id: str) -> str:
    """Return the frame that tells a client its own connection id."""
    return _write({"type": "connection_id", "connection_id": own_id})


def pong() -> str:
    """Return the answer to `ping`."""
    return _write({"type": "pong"})


def error(message: str) -> str:
    """Return the answer to anything that means nothing."""
    return _write({"type": "error", "message": message})


def _write(frame: dict[str, object]) -> str:
    return json.dumps(frame, separators=(",", ":"))


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


# Python would read NaN and Infinity, which no browser writes or reads.
_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def _unreadable(text: str, cause: str) -> str:
    return f"the frame {_quote(text)} cannot be read as JSON ({cause}); send one JSON object, e.g. {_EXAMPLE}"


def _quote(value: object) -> str:
    """Return `value` so that a person recognises it, at most `MAX_QUOTED_LENGTH` characters of it."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        # repr writes out what cannot be seen or encoded: control characters, halves of surrogate pairs.
        return repr(value[:MAX_QUOTED_LENGTH]) + ("…" if len(value) > MAX_QUOTED_LENGTH else "")
    written = json.dumps(value)
    return written[:MAX_QUOTED_LENGTH] + ("…" if len(written) > MAX_QUOTED_LENGTH else "")
