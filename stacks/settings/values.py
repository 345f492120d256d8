"""What the values of settings may be: a reader for each kind, from text to a value.

A reader raises ValueError with what is wrong and what would be right, to be read behind the setting's name and value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

# Lambda function names have at most 64 characters (Lambda API reference, CreateFunction); the function adds "-handler".
LONGEST_NAME = 64 - len("-handler")
# API Gateway API reference v2: the Description of an API, and the StageName of a stage.
LONGEST_DESCRIPTION = 1024
LONGEST_STAGE = 128
# MB; Lambda quotas.
LEAST_MEMORY, MOST_MEMORY = 128, 10_240
# Seconds. API Gateway stops waiting for an integration after 29 s (quotas of WebSocket APIs, not adjustable), so a
# function that runs longer works for nobody.
LONGEST_TIMEOUT = 29
# Invocations at once. A new account has ten, an older one 1,000; AWS raises it to "tens of thousands" (Lambda quotas).
MOST_CONCURRENCY = 100_000
# Characters of a mail address; RFC 5321, section 4.5.3.1.3, without the angle brackets.
LONGEST_ADDRESS = 254
# CloudWatch Logs API reference, PutRetentionPolicy. "Never" is not offered: logs that nobody deletes are a bill.
# fmt: off
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096,
    1827, 2192, 2557, 2922, 3288, 3653,
)
# fmt: on

# Characters. A function's whole environment may have 4 KB (Lambda quotas), and two settings of this length go into it.
LONGEST_LIST = 1_500
# The library's own rules: characters of a channel's name, and events and seconds of a history.
LONGEST_CHANNEL = 200
MOST_KEPT = 100_000
LONGEST_KEPT = 7 * 86_400

BACKEND, DYNAMODB = "backend", "dynamodb"
SIGNATURE, NO_AUTH = "signature", "none"
HTTPS, BEARER = "https", "bearer"


class Quotas(NamedTuple):
    """What the account takes a second in this region: requests of any kind, and new connections."""

    requests: int
    connections: int


# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html; thirteen newer regions have 2,500 requests.
USUAL_QUOTAS = Quotas(10_000, 500)


class Throttle(NamedTuple):
    """How many messages and handshakes the stage takes: `rate` a second, and `burst` at once."""

    rate: float
    burst: int


Read = Callable[[str], Any]


def matching(pattern: str, wrong: str, right: str) -> Read:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII | re.DOTALL):
            raise ValueError(f"{wrong}; give {right}")
        return text

    return read


def _number(unit: str, lowest: int, highest: int, example: int) -> Read:
    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
            raise ValueError(f"is no whole number of {unit} from {lowest} to {highest}; give one, e.g. {example}")
        return int(text)

    return read


def retention(text: str) -> int:
    days = {str(days): days for days in RETENTION_DAYS}
    if text not in days:
        raise ValueError(f"is no number of days that CloudWatch Logs knows; give one of {', '.join(days)}")
    return days[text]


def flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("is neither true nor false; give one of the two")
    return text == "true"


def throttle(text: str) -> Throttle:
    # One setting with two numbers, because API Gateway reads a missing one as zero and then refuses everybody. A slash
    # between them, because PowerShell takes a comma apart.
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)/([0-9]{1,9})", text)
    if not found or not float(found[1]) or not int(found[2]):
        raise ValueError("is no pair of messages a second and burst, both above zero; give both, e.g. 100/200")
    return Throttle(float(found[1]), int(found[2]))


def quotas(text: str) -> Quotas:
    found = re.fullmatch("([1-9][0-9]{0,8})/([1-9][0-9]{0,8})", text)
    if not found:
        raise ValueError(
            "is no pair of requests a second and new connections a second; give both as the account has them, e.g. "
            "2500/500"
        )
    return Quotas(int(found[1]), int(found[2]))


def monitoring(text: str) -> bool | str:
    if text in ("true", "false"):
        return text == "true"
    if len(text) > LONGEST_ADDRESS or not re.fullmatch(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+", text):
        raise ValueError("is neither true nor false nor a mail address; give one, e.g. ops@example.com")
    return text


def daily_budget(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,2})?", text) or not float(text):
        raise ValueError("is no amount of US dollars a day; give one above zero, e.g. 5 or 0.50")
    return float(text)


name = matching(
    rf"(?=.{{1,{LONGEST_NAME}}}$)[A-Za-z](-?[A-Za-z0-9])*",
    "is no name for a stack, an API and a function",
    f"1 to {LONGEST_NAME} letters, digits and single hyphens, a letter first, e.g. clearstar-websocket",
)
description = matching(
    rf".{{1,{LONGEST_DESCRIPTION}}}",
    "is empty or too long to describe the API",
    f"1 to {LONGEST_DESCRIPTION} characters",
)
stage = matching(
    rf"[A-Za-z0-9_-]{{1,{LONGEST_STAGE}}}",
    "is no stage name",
    f"the bare name, 1 to {LONGEST_STAGE} letters, digits, hyphens and underscores, e.g. production",
)
memory = _number("MB", LEAST_MEMORY, MOST_MEMORY, 256)
timeout = _number("seconds", 1, LONGEST_TIMEOUT, 10)
concurrency = _number("invocations at once", 1, MOST_CONCURRENCY, 20)


def registry(text: str) -> str:
    if text not in (BACKEND, DYNAMODB):
        raise ValueError(
            f"is no registry; give {BACKEND} (the backend registers connections) or {DYNAMODB} (the gateway does)"
        )
    return text


def publish(text: str) -> str:
    if text not in (HTTPS, BEARER):
        raise ValueError(
            f"is no way to publish; give {HTTPS} (requests signed with a key) or {BEARER} (also requests that carry a "
            "token), or leave it out"
        )
    return text


def auth(text: str) -> str:
    if text not in (SIGNATURE, NO_AUTH):
        raise ValueError(
            f"is no way to authorize subscriptions; give {SIGNATURE} (the backend signs them) or {NO_AUTH} "
            "(whoever knows the URL hears everything)"
        )
    return text


def public_channels(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name == "*":
            raise ValueError("makes every channel public; if that is meant, give auth=none instead")
        if not re.fullmatch(rf"[A-Za-z0-9_=@.;:/-]{{1,{LONGEST_CHANNEL}}}\*?", name):
            raise ValueError(
                f"has {_shown(name)} in it; give names of channels, or their beginnings with a star, separated by "
                "commas, e.g. news,public-*"
            )
    return _within(names)


def history(text: str) -> dict[str, int]:
    right = (
        f'give events that are kept by channel or prefix, 1 to {MOST_KEPT} each, e.g. {{"admin": 200, "run-*": 500}}'
    )
    try:
        kept = dict(json.loads(text).items())
    except (ValueError, AttributeError):
        raise ValueError(f"is no JSON object; {right}") from None
    for name, events in kept.items():
        is_name = re.fullmatch(rf"[A-Za-z0-9_=@,.;:/-]{{1,{LONGEST_CHANNEL}}}\*?|\*", name)
        if not is_name or type(events) is not int or not 1 <= events <= MOST_KEPT:
            raise ValueError(f"has {_shown(name)}: {events!r:.40} in it; {right}")
    _within((json.dumps(kept),))
    return kept


history_ttl = _number("seconds", 1, LONGEST_KEPT, 3_600)


def allowed_origins(text: str) -> tuple[str, ...]:
    origins = tuple(text.split(","))
    for origin in origins:
        # A star stands for one label of the host, and never for a whole registered name or its top-level domain.
        host = r"\*(?:\.[a-z0-9-]+){2,}|[a-z0-9.-]+|\[[0-9a-f:.]+\]"
        found = re.fullmatch(rf"(https?)://({host})(?::([1-9][0-9]{{0,4}}))?", origin)
        if not found or found[3] == {"http": "80", "https": "443"}[found[1]]:
            raise ValueError(
                f"has {_shown(origin)} in it; give origins as browsers send them, in small letters, without the usual "
                "port and without a slash at the end, or with a star for the first of several labels, e.g. "
                "https://app.example.com,https://*.preview.example.com,http://localhost:3000"
            )
    return _within(origins)


def _within(listed: tuple[str, ...]) -> tuple[str, ...]:
    length = len(",".join(listed))
    if length > LONGEST_LIST:
        raise ValueError(f"has {length} characters, and the function's environment room for {LONGEST_LIST}")
    return listed


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:40]!r}…"
