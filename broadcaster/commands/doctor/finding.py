"""What a check found, and how much of it may be shown: a report is to be pasted into a ticket."""

import re
from typing import NamedTuple


class Finding(NamedTuple):
    """The result of one check.

    Attributes:
        check: what was looked at, in a word or two.
        advice: what to do; empty where all is well.
    """

    check: str
    is_ok: bool
    text: str
    advice: str = ""


def good(check: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding(check, True, text)


def bad(check: str, text: str, advice: str) -> Finding:
    """Return what is wrong, and what to do."""
    return Finding(check, False, text, advice)


def split_advice(check: str, error: Exception) -> Finding:
    """Return the finding of one of this package's errors, whose text says what is wrong, a semicolon, what is right."""
    text, _, advice = str(error).partition("; ")
    return bad(check, text, advice or "see the text above")


def shorten(value: str) -> str:
    """Return so much of an id that who knows it recognises it."""
    return f"{value[:4]}…"


_ACCESS_KEY = re.compile(r"\b((?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{2})[A-Z0-9]{6,}")
_ACCOUNT = re.compile(r"\b\d{8}(\d{4})\b")
_CONNECTION = re.compile(r"(?<![\w/-])([\w-]{4})[\w-]{11}=")
_HOST = re.compile(r"\b([a-z0-9]{4})[a-z0-9]+(\.execute-api\.)")
_API = re.compile(r"(execute-api:[\w-]+:[*…\d]+:[a-z0-9]{4})[a-z0-9]+")
_SESSION = re.compile(r"(assumed-role/[^/\s]+/)[^\s,;)']+")  # an instance's id, or somebody's mail address
_SECRET = re.compile(r"(:secret:)[^\s,;']+")


def redact(text: str, values: dict[str, str]) -> str:
    """Return the text without ids in full: of connections, keys, accounts, APIs and secrets.

    Args:
        values: what is to be replaced by what else, wherever it stands.
    """
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, values[value])
    text = _ACCESS_KEY.sub(r"\1…", text)
    text = _ACCOUNT.sub(r"…\1", text)
    text = _CONNECTION.sub(r"\1…", text)
    text = _HOST.sub(r"\1…\2", text)
    text = _API.sub(r"\1…", text)
    text = _SESSION.sub(r"\1…", text)
    return _SECRET.sub(r"\1…", text)
