"""Everything that differs between deployments, read from CDK context (`-c name=value`, or "context" in cdk.json)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, get_type_hints

from stacks.errors import SettingsError

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
# CloudWatch Logs API reference, PutRetentionPolicy. "Never" is not offered: logs that nobody deletes are a bill.
# fmt: off
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)
# fmt: on

# Context that the CDK and its command line keep for themselves. Their other keys have a colon (`aws:cdk:…`, cached
# look-ups) or start with @ (feature flags).
CDK_KEYS = frozenset({"acknowledged-issue-numbers", "cli-telemetry"})


class Throttle(NamedTuple):
    """How many messages and handshakes the stage takes: `rate` a second, and `burst` at once."""

    rate: float
    burst: int


Read = Callable[[str], Any]  # raises ValueError with what is wrong and what would be right


def _matching(pattern: str, wrong: str, right: str) -> Read:
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


def _retention(text: str) -> int:
    days = {str(days): days for days in RETENTION_DAYS}
    if text not in days:
        raise ValueError(f"is no number of days that CloudWatch Logs knows; give one of {', '.join(days)}")
    return days[text]


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("is neither true nor false; give one of the two")
    return text == "true"


def _throttle(text: str) -> Throttle:
    # One setting with two numbers, because API Gateway reads a missing one as zero and then refuses everybody. A slash
    # between them, because PowerShell takes a comma apart.
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)/([0-9]{1,9})", text)
    if not found or not float(found[1]) or not int(found[2]):
        raise ValueError("is no pair of messages a second and burst, both above zero; give both, e.g. 100/200")
    return Throttle(float(found[1]), int(found[2]))


_name = _matching(
    rf"(?=.{{1,{LONGEST_NAME}}}$)[A-Za-z](-?[A-Za-z0-9])*",
    "is no name for a stack, an API and a function",
    f"1 to {LONGEST_NAME} letters, digits and single hyphens, a letter first, e.g. clearstar-websocket",
)
_description = _matching(
    rf".{{1,{LONGEST_DESCRIPTION}}}",
    "is empty or too long to describe the API",
    f"1 to {LONGEST_DESCRIPTION} characters",
)
_stage = _matching(
    rf"[A-Za-z0-9_-]{{1,{LONGEST_STAGE}}}",
    "is no stage name",
    f"the bare name, 1 to {LONGEST_STAGE} letters, digits, hyphens and underscores, e.g. production",
)
_memory = _number("MB", LEAST_MEMORY, MOST_MEMORY, 256)
_timeout = _number("seconds", 1, LONGEST_TIMEOUT, 10)


@dataclass(frozen=True)
class Settings:
    """The settings of one deployment: a field for each, with the function that reads it and what the guide has."""

    name: Annotated[str, _name] = "clearstar-websocket"
    description: Annotated[str, _description] = "Simple WebSocket for Clearstar Skills"
    stage: Annotated[str, _stage] = "production"
    memory: Annotated[int, _memory] = 256
    timeout: Annotated[int, _timeout] = 10
    log_retention_days: Annotated[int, _retention] = 14
    access_logs: Annotated[bool, _flag] = False
    throttle: Annotated[Throttle | None, _throttle] = None

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> Settings:
        """Settings from CDK context; values given with `-c` are strings, those in cdk.json may be numbers or booleans.

        Raises:
            SettingsError: for the first setting that is unknown or malformed.
        """
        hints = get_type_hints(cls, include_extras=True)
        readers: dict[str, Read] = {name: hint.__metadata__[0] for name, hint in hints.items()}
        values: dict[str, Any] = {}
        for name, value in context.items():
            if name in readers:
                values[name] = _read(name, value, readers[name])
            elif not _is_of_cdk(name):
                raise SettingsError(_unknown(name, value, list(readers)))
        return cls(**values)


def _read(name: str, value: object, read: Read) -> Any:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    try:
        return read(text)
    except ValueError as error:
        raise SettingsError(f"setting {name}={_shown(value)} {error}") from None


def _is_of_cdk(name: str) -> bool:
    return ":" in name or name.startswith("@") or name in CDK_KEYS


def _unknown(name: str, value: object, known: list[str]) -> str:
    likely = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1)
    question = f"did you mean {likely[0]}? " if likely else ""
    return f"setting {name}={_shown(value)} is unknown; {question}the settings are {', '.join(known)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"
