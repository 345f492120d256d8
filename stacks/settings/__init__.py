"""Everything that differs between deployments, from CDK context (`-c name=value`, cdk.json's "context") or Python."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_type_hints

from ..errors import SettingsError
from . import names, values
from .values import BACKEND, DYNAMODB, NO_AUTH, SIGNATURE, USUAL_QUOTAS, Quotas, Read, Throttle

# Context that the CDK and its command line keep for themselves. Their other keys have a colon (`aws:cdk:…`, cached
# look-ups) or start with @ (feature flags).
CDK_KEYS = frozenset({"acknowledged-issue-numbers", "cli-telemetry"})

DYNAMODB_ONLY = frozenset({"auth", "public_channels", "point_in_time_recovery", "keep_table", "publish"})

# Characters; AWS's limit for names of functions.
LONGEST_PUBLISHING_NAME = 64 - len("-publisher")

# What means nothing without another setting, and what that one would be.
NEEDS = {
    "certificate": ("domain", "domain=ws.example.com"),
    "zone": ("domain", "domain=ws.example.com"),
    "default_endpoint": ("domain", "domain=ws.example.com"),
    "daily_budget": ("monitoring", "monitoring=true"),
    "quotas": ("monitoring", "monitoring=true"),
    "publish_concurrency": ("publish", "publish=https"),
    "history": ("publish", "publish=https"),
    "history_ttl": ("history", """history={"admin": 200}"""),
}


@dataclass(frozen=True)
class Settings:
    """The settings of one deployment: a field for each, with the function that reads it and what the guide has."""

    name: Annotated[str, values.name] = "clearstar-websocket"
    description: Annotated[str, values.description] = "Simple WebSocket for Clearstar Skills"
    stage: Annotated[str, values.stage] = "production"
    memory: Annotated[int, values.memory] = 256
    timeout: Annotated[int, values.timeout] = 10
    concurrency: Annotated[int | None, values.concurrency] = None
    log_retention_days: Annotated[int, values.retention] = 14
    access_logs: Annotated[bool, values.flag] = False
    throttle: Annotated[Throttle | None, values.throttle] = None
    allowed_origins: Annotated[tuple[str, ...], values.allowed_origins] = ()  # all
    backend_role: Annotated[tuple[str, ...], names.iam_names] = ()
    backend_user: Annotated[tuple[str, ...], names.iam_names] = ()
    permissions_boundary: Annotated[str, names.permissions_boundary] = ""
    ipv6: Annotated[bool, values.flag] = False
    domain: Annotated[str, names.domain] = ""
    certificate: Annotated[str, names.certificate] = ""
    zone: Annotated[str, names.zone] = ""
    default_endpoint: Annotated[bool, values.flag] = True
    monitoring: Annotated[bool | str, values.monitoring] = False  # or whom to mail
    daily_budget: Annotated[float | None, values.daily_budget] = None
    quotas: Annotated[Quotas, values.quotas] = USUAL_QUOTAS
    registry: Annotated[str, values.registry] = BACKEND
    # The rest is about the table and the signatures that registry=dynamodb brings along.
    auth: Annotated[str, values.auth] = SIGNATURE
    public_channels: Annotated[tuple[str, ...], values.public_channels] = ()
    point_in_time_recovery: Annotated[bool, values.flag] = False
    keep_table: Annotated[bool, values.flag] = False
    publish: Annotated[str, values.publish] = ""
    publish_concurrency: Annotated[int | None, values.concurrency] = None
    history: Annotated[Mapping[str, int] | None, values.history] = None
    history_ttl: Annotated[int, values.history_ttl] = 3_600

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> Settings:
        """Settings from CDK context; values given with `-c` are strings, those in cdk.json may be numbers or booleans.

        Raises:
            SettingsError: for the first setting that is unknown or malformed, or that has no meaning beside another.
        """
        readers = _readers()
        given: dict[str, Any] = {}
        for name, value in context.items():
            if name in readers:
                given[name] = _read(name, value, readers[name])
            elif not _is_of_cdk(name):
                raise SettingsError(_unknown(name, value, list(readers)))
        settings = cls(**given)
        settings._check_together({name: context[name] for name in given})
        return settings

    def __post_init__(self) -> None:
        """Hold values that are given in Python to the rules of those that are given as text.

        Raises:
            SettingsError: as `from_context`.
        """
        readers = _readers()
        given = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
        for name, value in given.items():
            object.__setattr__(self, name, _read(name, value, readers[name]))
        self._check_together(given)

    def _check_together(self, given: Mapping[str, object]) -> None:
        for name, value in given.items():
            if name in DYNAMODB_ONLY and self.registry != DYNAMODB:
                # Not passed over: whoever asks for signatures must not believe to have them.
                raise SettingsError(
                    f"setting {name}={_shown(value)} means nothing with registry={self.registry}, where "
                    f"the backend registers connections; give registry={DYNAMODB} too, or leave it out"
                )
            if name in NEEDS and not getattr(self, NEEDS[name][0]):
                needed, example = NEEDS[name]
                raise SettingsError(
                    f"setting {name}={_shown(value)} means nothing without {needed}; give {example} too, or leave it "
                    "out"
                )
        if self.domain and not self.certificate:
            raise SettingsError(
                f"setting domain={self.domain!r} needs a certificate for that name; give "
                "certificate=arn:aws:acm:… too, of one in the region of the stack"
            )
        if self.publish and len(self.name) > LONGEST_PUBLISHING_NAME:
            raise SettingsError(
                f"setting name={self.name!r} has {len(self.name)} characters; with publish={self.publish} there is a "
                f"function with -publisher at the end of its name, so give {LONGEST_PUBLISHING_NAME} at most"
            )
        if self.public_channels and self.auth == NO_AUTH:
            raise SettingsError(
                f"setting public_channels={_shown(given['public_channels'])} means nothing with auth={NO_AUTH}, "
                "where every channel is public; leave one of them out"
            )


@functools.cache
def _readers() -> dict[str, Read]:
    hints = get_type_hints(Settings, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def _read(name: str, value: object, read: Read) -> Any:
    if value is None:  # of a variable that is not set, perhaps
        raise SettingsError(f"setting {name}=None has no value; give one, or leave it out")
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, (Quotas, Throttle)):
        text = "/".join(map(str, value))
    elif isinstance(value, Mapping):
        text = json.dumps(value)
    elif isinstance(value, (list, tuple)):  # in cdk.json or Python; on the command line lists are written with commas
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
    text = repr(",".join(map(str, value)) if isinstance(value, tuple) else value)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"
