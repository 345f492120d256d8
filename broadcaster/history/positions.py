"""Positions in the history of a channel, and parts of it."""

from ..cheap_typing import NamedTuple


class Position(NamedTuple):
    """Where somebody is in the history of a channel: after message `seq` of this epoch; 0 is before the first."""

    epoch: str
    seq: int


class Rewind(NamedTuple):
    """How far to go back from the newest message: so many events, or so many seconds; the other is None."""

    events: int | None = None
    seconds: float | None = None


class Slice(NamedTuple):
    """A part of the history of a channel, as it was at one moment."""

    newest: Position
    numbers: list[int]  # of the messages, ascending
    texts: list[str]  # as they were appended


def numbered(message: bytes, position: Position) -> bytes:
    """Return a message with its epoch and number, as it is sent."""
    return message[:-1] + f',"epoch":"{position.epoch}","seq":{position.seq}}}'.encode()
