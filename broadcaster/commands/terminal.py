"""What is printed: safe for a terminal, whatever it came from."""

import os
import sys
from typing import TextIO


def printable(text: str) -> str:
    """Return the text with a `?` for each character that might steer a terminal: texts come from browsers too."""
    return "".join(character if character.isprintable() else "?" for character in text)


def say(text: str) -> None:
    """Print a line for the person at the terminal, beside what is printed for a pipe."""
    print(text, file=sys.stderr, flush=True)


def mark(is_ok: bool, stream: TextIO) -> str:
    """Return a tick or a cross, in words where the terminal has no such characters."""
    try:
        "✓✗".encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return "ok  " if is_ok else "FAIL"
    return "✓" if is_ok else "✗"


def has_colours(stream: TextIO) -> bool:
    """Tell whether colours are wanted there: on a terminal, unless NO_COLOR is set (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")
