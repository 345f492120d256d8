"""What is printed: safe for a terminal, whatever it came from."""

import sys


def printable(text: str) -> str:
    """Return the text with a `?` for each character that might steer a terminal: texts come from browsers too."""
    return "".join(character if character.isprintable() else "?" for character in text)


def say(text: str) -> None:
    """Print a line for the person at the terminal, beside what is printed for a pipe."""
    print(text, file=sys.stderr, flush=True)
