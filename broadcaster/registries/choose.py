"""Which registry to make: an object as it is, a URL, or what the environment says.

memory://                                   a backend of one process
redis://host:6379/0                         a Redis server; with a password: redis://:password@host:6379/0
rediss://host:6379/0                        the same over TLS; also unix:///path and redis+sentinel://host/service
dynamodb://table-name?region=us-east-1      a DynamoDB table

Those that other processes see too keep deployments apart by a scope: `?scope=…`, else the API and stage, which the
broadcaster knows.
"""

import os

from ..channels import MAX_CHANNELS
from ..errors import ConfigurationError
from . import Registry
from .memory import MemoryRegistry

VARIABLE = "BROADCASTER_REGISTRY"

_KNOWN = "'memory://', 'redis://host:6379/0', 'rediss://host:6379/0' or 'dynamodb://table-name?region=us-east-1'"
_REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
_DYNAMODB_OPTIONS = ("region", "endpoint_url", "scope")


def make_registry(
    value: Registry | str | None = None, *, scope: str | None = None, max_channels: int = MAX_CHANNELS
) -> tuple[Registry, bool]:
    """Return a registry, and whether it was made here and is to be closed by whoever asked for it.

    Args:
        value: a registry, a URL, or None for what the variable `BROADCASTER_REGISTRY` says, else a `MemoryRegistry`.
        scope: what tells this deployment from others, for a registry that was given none; None leaves it as it is.
        max_channels: how many channels one connection may add up to, for a registry that was told nothing else.

    Raises:
        ConfigurationError: the URL is malformed, or names a registry whose package is not installed. No password in it
            is shown.
    """
    _check_max_channels(max_channels)
    if value is None:
        value = os.environ.get(VARIABLE) or "memory://"
    is_made_here = isinstance(value, str)
    registry = _from_url(value) if isinstance(value, str) else value
    if not all(callable(getattr(registry, method, None)) for method in ("add", "remove", "pages", "count", "close")):
        raise ConfigurationError(
            f"registry is a {type(value).__name__}, which has not the methods of a Registry; give {_KNOWN}"
        )
    if scope is not None and (take_defaults := getattr(registry, "take_defaults", None)):
        take_defaults(scope=scope, max_channels=max_channels)
    return registry, is_made_here


def _check_max_channels(max_channels: object) -> None:
    if not isinstance(max_channels, int) or isinstance(max_channels, bool) or max_channels < 1:
        raise ConfigurationError(f"max_channels is {max_channels!r:.40}; give a number of channels from 1 on, e.g. 100")


def _from_url(url: str) -> Registry:
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme == "memory" and separator and not rest.strip("/"):
        return MemoryRegistry()
    if scheme in _REDIS_SCHEMES and separator:
        from .redis import RedisRegistry

        return RedisRegistry(url)
    if scheme == "dynamodb" and separator:
        return _dynamodb(rest)
    # Of what is no URL at all, no part is sure not to be a secret.
    is_shown = separator and scheme.isalnum() and "@" not in rest
    shown = f"of scheme {scheme!r:.20}" if is_shown else "no URL"
    raise ConfigurationError(f"registry is {shown}; give {_KNOWN}")


def _dynamodb(rest: str) -> Registry:
    from urllib.parse import parse_qsl

    from .dynamodb import DynamoDBRegistry

    # Not urlsplit, which would write the name in small letters.
    if "@" in rest:  # what stands before it may be a password
        raise ConfigurationError(
            "the registry's DynamoDB URL has an '@', and takes neither user nor password: credentials are found as "
            "boto3 finds them; give 'dynamodb://table-name?region=us-east-1'"
        )
    table, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(set(options) - set(_DYNAMODB_OPTIONS))
    if unknown:
        raise ConfigurationError(
            f"the registry's DynamoDB URL has an option {unknown[0]!r:.40}; known are {', '.join(_DYNAMODB_OPTIONS)}"
        )
    return DynamoDBRegistry(table.rstrip("/"), **options)  # type: ignore[arg-type]  # the names are checked above
