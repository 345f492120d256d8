"""Everything that differs between deployments, read from CDK context (`-c name=value`, or "context" in cdk.json)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

from stacks import values
from stacks.errors import SettingsError
from stacks.values import BACKEND, DYNAMODB, NO_AUTH, SIGNATURE, Read, Throttle

# Context that the CDK and its command line keep for themselves. Their other keys have a colon (`aws:cdk:…`, cached
# look-ups) or start with @ (feature flags).
CDK_KEYS = frozenset({"acknowledged-issue-numbers", "cli-telemetry"})

DYNAMODB_ONLY = frozenset({"auth", "public_channels", "point_in_time_recovery", "keep_table"})


@dataclass(frozen=True)
class Settings:
    """The settings of one deployment: a field for each, with the function that reads it and what the guide has."""

    name: Annotated[str, values.name] = "clearstar-websocket"
    description: Annotated[str, values.description] = "Simple WebSocket for Clearstar Skills"
    stage: Annotated[str, values.stage] = "production"
    memory: Annotated[int, values.memory] = 256
    timeout: Annotated[int, values.timeout] = 10
    log_retention_days: Annotated[int, values.retention] = 14
    access_logs: Annotated[bool, values.flag] = False
    throttle: Annotated[Throttle | None, values.throttle] = None
    allowed_origins: Annotated[tuple[str, ...], values.allowed_origins] = ()  # all
    registry: Annotated[str, values.registry] = BACKEND
    # The rest is about the table and the signatures that registry=dynamodb brings along.
    auth: Annotated[str, values.auth] = SIGNATURE
    public_channels: Annotated[tuple[str, ...], values.public_channels] = ()
    point_in_time_recovery: Annotated[bool, values.flag] = False
    keep_table: Annotated[bool, values.flag] = False

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> Settings:
        """Settings from CDK context; values given with `-c` are strings, those in cdk.json may be numbers or booleans.

        Raises:
            SettingsError: for the first setting that is unknown or malformed, or that has no meaning beside another.
        """
        hints = get_type_hints(cls, include_extras=True)
        readers: dict[str, Read] = {name: hint.__metadata__[0] for name, hint in hints.items()}
        given: dict[str, Any] = {}
        for name, value in context.items():
            if name in readers:
                given[name] = _read(name, value, readers[name])
            elif not _is_of_cdk(name):
                raise SettingsError(_unknown(name, value, list(readers)))
        settings = cls(**given)
        for name in given:
            if name in DYNAMODB_ONLY and settings.registry != DYNAMODB:
                # Not passed over: whoever asks for signatures must not believe to have them.
                raise SettingsError(
                    f"setting {name}={_shown(context[name])} means nothing with registry={settings.registry}, where "
                    f"the backend registers connections; give registry={DYNAMODB} too, or leave it out"
                )
        if settings.public_channels and settings.auth == NO_AUTH:
            raise SettingsError(
                f"setting public_channels={_shown(context['public_channels'])} means nothing with auth={NO_AUTH}, "
                "where every channel is public; leave one of them out"
            )
        return settings


def _read(name: str, value: object, read: Read) -> Any:
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, list):  # in cdk.json; on the command line lists are written with commas
        text = ",".join(map(str, value))
    else:
        text = str(value)
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
