"""Which registry to make: an object as it is, a URL, or what the environment says.

memory://                                   a backend of one process
redis://host:6379/0                         a Redis server; with a password: redis://:password@host:6379/0
rediss://host:6379/0                        the same over TLS
dynamodb://table-name?region=us-east-1      a DynamoDB table
"""

import os

from ..errors import ConfigurationError
from . import Registry
from .memory import MemoryRegistry

VARIABLE = "BROADCASTER_REGISTRY"

_KNOWN = "'memory://', 'redis://host:6379/0', 'rediss://host:6379/0' or 'dynamodb://table-name?region=us-east-1'"
_DYNAMODB_OPTIONS = ("region", "endpoint_url")


def make_registry(value: Registry | str | None = None) -> tuple[Registry, bool]:
    """Return a registry, and whether it was made here and is to be closed by whoever asked for it.

    Args:
        value: a registry, a URL, or None for what the variable `BROADCASTER_REGISTRY` says, else a `MemoryRegistry`.

    Raises:
        ConfigurationError: the URL is malformed, or names a registry whose package is not installed. No password in it
            is shown.
    """
    if value is None:
        value = os.environ.get(VARIABLE) or "memory://"
    if isinstance(value, str):
        return _from_url(value), True
    if not all(callable(getattr(value, method, None)) for method in ("add", "remove", "pages", "count", "close")):
        raise ConfigurationError(
            f"registry is a {type(value).__name__}, which has not the methods of a Registry; give {_KNOWN}"
        )
    return value, False


def _from_url(url: str) -> Registry:
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme == "memory" and separator and not rest.strip("/"):
        return MemoryRegistry()
    if scheme in ("redis", "rediss") and separator:
        from .redis import RedisRegistry

        return RedisRegistry(url)
    if scheme == "dynamodb" and separator:
        return _dynamodb(rest)
    # Of what is no URL at all, no part is sure not to be a secret.
    shown = f"of scheme {scheme!r:.20}" if separator and scheme.isalnum() else "no URL"
    raise ConfigurationError(f"registry is {shown}; give {_KNOWN}")


def _dynamodb(rest: str) -> Registry:
    from urllib.parse import parse_qsl

    from .dynamodb import DynamoDBRegistry

    # Not urlsplit, which would write the name in small letters.
    table, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(set(options) - set(_DYNAMODB_OPTIONS))
    if unknown:
        raise ConfigurationError(
            f"the registry's DynamoDB URL has an option {unknown[0]!r:.40}; known are {', '.join(_DYNAMODB_OPTIONS)}"
        )
    return DynamoDBRegistry(table.rstrip("/"), **options)  # type: ignore[arg-type]  # the names are checked above
