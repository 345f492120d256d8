"""The gateway's log: one line for each event, and what the Lambdas print."""

import re
import time
from typing import Protocol

from .lambdas.process import Outcome

_DIM, _RED, _GREEN, _YELLOW, _BLUE, _PLAIN = "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[34m", "\033[0m"
_COLOURS = {"$connect": _GREEN, "$disconnect": _YELLOW, "POST": _BLUE, "GET": _BLUE, "DELETE": _BLUE}


# What a terminal or a reader would take for more than text: control characters but the tab, line and paragraph
# separators, marks that turn the direction of writing, and halves of surrogate pairs, which no stream can write.
_NOT_TEXT = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST_ERROR = 1_000  # characters


class Stream(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object: ...


class EventLog:
    """Writes lines to a stream; without one, it keeps quiet.

    Bodies, headers and query strings are never written: they may hold tokens. Ids, names and what functions print may
    come from anybody, so whatever is no text in them is escaped.
    """

    def __init__(self, stream: Stream | None, *, is_coloured: bool = False) -> None:
        self._stream = stream
        self._is_coloured = is_coloured

    def event(
        self,
        route: str,
        connection_id: str,
        said: str,
        *,
        seconds: float,
        billed: int,
        outcome: Outcome | None = None,
        is_error: bool = False,
    ) -> None:
        """Write one event: its route, connection, end, duration in milliseconds and billed messages of 32 KB."""
        if self._stream is None:
            return
        colour = _RED if is_error else _COLOURS.get(route, "")
        details = f"{seconds * 1000:8.1f} ms  {billed} billed"
        if outcome is not None and outcome.cold_start is not None:
            details += f"  cold start {outcome.cold_start * 1000:.0f} ms"
        if outcome is not None and outcome.memory:
            details += f"  {outcome.memory} MB"
        if outcome is not None and outcome.error is not None:
            details += f"  {outcome.error[:_LONGEST_ERROR]}"
        self._write(f"{route:<12}", colour, f" {connection_id:<16} {said:<4} {details}")

    def output(self, function: str, line: str) -> None:
        """Write a line that a function printed."""
        self._write(f"{function} | {line}", _DIM)

    def note(self, text: str) -> None:
        """Write something that the person at the gateway should know."""
        self._write(text)

    def warn(self, text: str) -> None:
        """Write something that is probably not as meant."""
        self._write(text, _RED)

    def _write(self, painted: str, colour: str = "", rest: str = "") -> None:
        if self._stream is None:
            return
        painted, rest = _as_text(painted), _as_text(rest)
        if self._is_coloured and colour:
            painted = f"{colour}{painted}{_PLAIN}"
        self._stream.write(f"{time.strftime('%H:%M:%S')} {painted}{rest}\n")


def _as_text(text: str) -> str:
    return _NOT_TEXT.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
