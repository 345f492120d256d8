"""The gateway's log: one line for each event, and what the Lambdas print."""

import time
from typing import Protocol

from .lambdas.process import Outcome

_DIM, _RED, _GREEN, _YELLOW, _BLUE, _PLAIN = "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[34m", "\033[0m"
_COLOURS = {"$connect": _GREEN, "$disconnect": _YELLOW, "POST": _BLUE, "GET": _BLUE, "DELETE": _BLUE}


class Stream(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object: ...


class EventLog:
    """Writes lines to a stream; without one, it keeps quiet.

    Bodies, headers and query strings are never written: they may hold tokens.
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
        """One event: its route, connection, end, duration in milliseconds and billed messages of 32 KB."""
        if self._stream is None:
            return
        colour = _RED if is_error else _COLOURS.get(route, "")
        details = f"{seconds * 1000:8.1f} ms  {billed} billed"
        if outcome is not None and outcome.cold_start is not None:
            details += f"  cold start {outcome.cold_start * 1000:.0f} ms"
        if outcome is not None and outcome.memory:
            details += f"  {outcome.memory} MB"
        if outcome is not None and outcome.error is not None:
            details += f"  {outcome.error}"
        self._write(f"{self._paint(f'{route:<12}', colour)} {connection_id:<16} {said:<4} {details}")

    def output(self, function: str, line: str) -> None:
        """A line that a function printed."""
        if self._stream is not None:
            self._write(self._paint(f"{function} | {line}", _DIM))

    def note(self, text: str) -> None:
        """Something that the person at the gateway should know."""
        if self._stream is not None:
            self._write(text)

    def warn(self, text: str) -> None:
        """Something that is probably not as meant."""
        if self._stream is not None:
            self._write(self._paint(text, _RED))

    def _paint(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._is_coloured and colour else text

    def _write(self, text: str) -> None:
        if self._stream is not None:
            self._stream.write(f"{time.strftime('%H:%M:%S')} {text}\n")
