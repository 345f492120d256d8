"""Redis URLs, read without ever showing a password.

    redis://[[user]:password@]host[:port][/db][?option=value&…]
    rediss://…    the same over TLS

| option | meaning |
|---|---|
| `prefix` | what all keys start with; `broadcaster` by default |
| `cluster` | `true` for a cluster, of which the host is any node |
| `ssl_ca_certs` | path of the certificate authorities to check the server with; by default the system's |
| `ssl_certfile`, `ssl_keyfile` | paths of a client certificate and its key |
| `ssl_cert_reqs` | `none` to accept any certificate |
"""

from collections.abc import Mapping
from typing import NamedTuple

from ..errors import ConfigurationError

DEFAULT_PORT = 6379

_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")
_OPTIONS = ("prefix", "cluster", *_TLS_OPTIONS)
_EXAMPLE = "redis://host:6379/0"


class RedisTarget(NamedTuple):
    """One server or cluster, and how to reach it. Its text has no user and no password."""

    host: str
    port: int
    db: int
    username: str | None
    password: str | None
    prefix: str | None
    is_tls: bool
    is_cluster: bool
    tls_options: Mapping[str, str]

    def __str__(self) -> str:
        scheme = "rediss" if self.is_tls else "redis"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}/{self.db}"

    def __repr__(self) -> str:
        return f"RedisTarget({str(self)!r})"


def parse_redis_url(url: str) -> RedisTarget:
    """Return what a `redis://` or `rediss://` URL says.

    Raises:
        ConfigurationError: it is malformed. The text has no part of the URL in which a password may be.
    """
    from urllib.parse import parse_qsl, unquote, urlsplit

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # A password with a slash or a bracket ends up in the host's place, and so in urllib's own message.
        raise ConfigurationError(
            f"the registry's Redis URL has no readable host and port; give {_EXAMPLE!r}, "
            "and percent-encode what is special in a password"
        ) from None
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.fragment:
        raise ConfigurationError(
            f"the registry's Redis URL has no host or something after a '#'; give {_EXAMPLE!r}, "
            "and percent-encode what is special in a password"
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise ConfigurationError(
            f"the registry's Redis URL has an option {unknown[0]!r:.40}; known are {', '.join(_OPTIONS)}"
        )
    is_tls = parts.scheme == "rediss"
    tls_options = {name: options[name] for name in _TLS_OPTIONS if name in options}
    if tls_options and not is_tls:
        raise ConfigurationError(f"{next(iter(tls_options))} in the registry's Redis URL is for TLS; give 'rediss://…'")
    is_cluster = _is_true("cluster", options.get("cluster", "false"))
    db = _db(parts.path.strip("/"))
    if is_cluster and db:
        raise ConfigurationError(f"a Redis cluster has one database, 0; the registry's URL names {db}")
    return RedisTarget(
        host=parts.hostname,
        port=port or DEFAULT_PORT,
        db=db,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        prefix=options.get("prefix"),
        is_tls=is_tls,
        is_cluster=is_cluster,
        tls_options=tls_options,
    )


def _db(path: str) -> int:
    if not path:
        return 0
    if not (path.isascii() and path.isdecimal()):
        # It may be the rest of a password with a slash in it, so it is not shown.
        raise ConfigurationError(
            f"what follows the host in the registry's Redis URL is no database number; give {_EXAMPLE!r}, "
            "and percent-encode what is special in a password"
        )
    return int(path)


def _is_true(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ConfigurationError(f"{name}={value!r:.40} in the registry's Redis URL is neither 'true' nor 'false'")
    return value.lower() == "true"
