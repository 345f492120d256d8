"""Redis URLs, read without ever showing a password.

    redis://[[user]:password@]host[:port][/db][?option=value&…]
    rediss://…                                          the same over TLS
    unix://[[user]:password@]/path/of/redis.sock[?db=0&…]
    redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/service[/db][?…]      and rediss+sentinel://

| option | meaning |
|---|---|
| `prefix` | what all keys start with; `broadcaster` by default |
| `scope` | keeps this deployment apart from others under the prefix; by default its API and stage |
| `cluster` | `true` for a cluster, of which the host is any node |
| `sentinel_username`, `sentinel_password` | for the Sentinels themselves |
| `ssl_ca_certs` | path of the certificate authorities to check the server with; by default the system's |
| `ssl_certfile`, `ssl_keyfile` | paths of a client certificate and its key |
| `ssl_cert_reqs` | `none` to accept any certificate |
| `db`, `username`, `password`, `socket_timeout`, `health_check_interval`, … | as redis-py's own URLs have them |
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import ConfigurationError

DEFAULT_PORT = 6379
DEFAULT_SENTINEL_PORT = 26379

_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
_OWN_OPTIONS = ("prefix", "scope", "cluster")
_SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")
# What redis-py's parse_url knows, but for what makes no sense as text or belongs to another kind of pool.
_REDIS_OPTIONS = (
    "db", "username", "password", "client_name", "protocol", "legacy_responses", "max_connections",
    "health_check_interval", "retry_on_timeout", "socket_timeout", "socket_connect_timeout", "socket_keepalive",
    "socket_read_size",
)  # fmt: skip
_TLS_OPTIONS = (
    "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password", "ssl_cert_reqs", "ssl_check_hostname",
    "ssl_min_version", "ssl_ciphers", "ssl_include_verify_flags", "ssl_exclude_verify_flags",
)  # fmt: skip
_OPTIONS = (*_OWN_OPTIONS, *_SENTINEL_OPTIONS, *_REDIS_OPTIONS, *_TLS_OPTIONS)
_EXAMPLE = "redis://host:6379/0"
_ENCODE = "percent-encode what is special in a password"


class RedisTarget(NamedTuple):
    """One server, cluster or service of Sentinels, and how to reach it. Its text has no user and no password."""

    hosts: tuple[tuple[str, int], ...]  # several only of Sentinels; none of a socket
    path: str | None  # of a Unix socket
    service: str | None  # which the Sentinels watch
    is_tls: bool
    is_cluster: bool
    prefix: str | None
    scope: str | None
    options: Mapping[str, Any]  # of redis-py's clients
    sentinel_options: Mapping[str, str]

    def __str__(self) -> str:
        db = self.options.get("db", 0)
        if self.path is not None:
            return f"unix://{self.path}?db={db}"
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        scheme = "rediss" if self.is_tls else "redis"
        return f"{scheme}+sentinel://{hosts}/{self.service}/{db}" if self.service else f"{scheme}://{hosts}/{db}"

    def __repr__(self) -> str:
        return f"RedisTarget({str(self)!r})"


def parse_redis_url(url: str) -> RedisTarget:
    """Return what the URL of a Redis registry says.

    Raises:
        ConfigurationError: it is malformed. The text has no part of the URL in which a password may be.
    """
    from urllib.parse import parse_qsl, unquote, urlsplit

    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket that is not closed
        raise _unreadable() from None
    if "@" in parts.path + parts.query + parts.fragment:
        # A password with '/', '?' or '#' in it ends where those are. Nothing before an '@' is safe to be shown.
        raise ConfigurationError(
            f"the registry's Redis URL has an '@' after its host; give {_EXAMPLE!r}, and {_ENCODE}"
        )
    user, _, hosts = parts.netloc.rpartition("@")
    if parts.scheme not in _SCHEMES or not (hosts or (parts.scheme == "unix" and parts.path)) or parts.fragment:
        raise ConfigurationError(
            f"the registry's Redis URL has no host or something after a '#'; give {_EXAMPLE!r}, and {_ENCODE}"
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(set(options) - set(_OPTIONS)):
        raise ConfigurationError(
            f"the registry's Redis URL has an option {unknown[0]!r:.40}; known are {', '.join(_OPTIONS)}"
        )
    is_tls = parts.scheme.startswith("rediss")
    if not is_tls and (for_tls := [name for name in options if name.startswith("ssl_")]):
        raise ConfigurationError(f"{for_tls[0]} in the registry's Redis URL is for TLS; give 'rediss://…'")
    username, _, password = user.partition(":")
    given = {"username": unquote(username), "password": unquote(password)}
    path = parts.path
    socket = service = None
    if parts.scheme == "unix":
        socket, path = unquote(path), ""
    elif parts.scheme.endswith("+sentinel"):
        service, _, path = path.strip("/").partition("/")
        if not service:
            raise ConfigurationError(
                "the registry's Sentinel URL names no service; give 'redis+sentinel://host:26379/mymaster'"
            )
    for_redis = _typed({name: value for name, value in options.items() if name in (*_REDIS_OPTIONS, *_TLS_OPTIONS)})
    for_redis = {"db": _db(path.strip("/")), **{name: value for name, value in given.items() if value}, **for_redis}
    is_cluster = _is_true("cluster", options.get("cluster", "false"))
    if is_cluster and (for_redis["db"] or socket or service):
        raise ConfigurationError(
            f"a Redis cluster has a host and one database, 0; the registry's URL is {parts.scheme}:// with database "
            f"{for_redis['db']}"
        )
    return RedisTarget(
        hosts=() if socket else _hosts(hosts, DEFAULT_SENTINEL_PORT if service else DEFAULT_PORT),
        path=socket,
        service=unquote(service) if service else None,
        is_tls=is_tls,
        is_cluster=is_cluster,
        prefix=options.get("prefix"),
        scope=options.get("scope"),
        options=for_redis,
        sentinel_options={
            name.removeprefix("sentinel_"): value for name, value in options.items() if name in _SENTINEL_OPTIONS
        },
    )


def _hosts(text: str, default_port: int) -> tuple[tuple[str, int], ...]:
    from urllib.parse import urlsplit

    hosts = []
    for each in text.split(","):
        try:
            parts = urlsplit(f"//{each}")
            host, port = parts.hostname, parts.port
        except ValueError:
            raise _unreadable() from None
        if not host:
            raise _unreadable()
        hosts.append((host, port or default_port))
    return tuple(hosts)


def _typed(options: dict[str, str]) -> dict[str, Any]:
    """Return the values of redis-py's options as it reads them itself."""
    from urllib.parse import urlencode

    from redis.connection import parse_url

    try:
        read = parse_url(f"redis://?{urlencode(options)}")  # type: ignore[no-untyped-call]
    except ValueError as error:  # its text names the option alone
        raise ConfigurationError(f"the registry's Redis URL: {error}") from None
    return {name: read[name] for name in options if name in read}


def _db(path: str) -> int:
    if not path:
        return 0
    if not (path.isascii() and path.isdecimal()):
        # It may be the rest of a password with a slash in it, so it is not shown.
        raise ConfigurationError(
            f"what follows the host in the registry's Redis URL is no database number; give {_EXAMPLE!r}, and {_ENCODE}"
        )
    return int(path)


def _is_true(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ConfigurationError(f"{name}={value!r:.40} in the registry's Redis URL is neither 'true' nor 'false'")
    return value.lower() == "true"


def _unreadable() -> ConfigurationError:
    # A password with a bracket ends up in the host's place, and so in urllib's own message.
    return ConfigurationError(
        f"the registry's Redis URL has no readable host and port; give {_EXAMPLE!r}, and {_ENCODE}"
    )
