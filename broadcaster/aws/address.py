"""Where a service of AWS is: an http(s) URL, taken apart.

By hand, because urllib.parse costs 5 ms to import, a twentieth of a short process that sends one message.
"""

from ..cheap_typing import NamedTuple
from ..errors import ConfigurationError

_DIGITS = frozenset("0123456789")
_IPV6_CHARACTERS = _DIGITS | frozenset("abcdef:.")
_NOT_IN_HOSTS = frozenset('\x7f\\[]<>^|%"`{}')  # of ASCII: https://url.spec.whatwg.org/#forbidden-domain-code-point


class Endpoint(NamedTuple):
    """What the paths of requests are appended to, and the region that requests are signed for."""

    scheme: str  # "https" or "http"
    host: str
    port: int
    base_path: str  # "/production" for posts, or "" where a custom domain maps the stage to its root
    region: str

    @property
    def authority(self) -> str:
        """The `Host` header: the port is there only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _default_port(self.scheme) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The endpoint as boto3's `endpoint_url` takes it."""
        return f"{self.scheme}://{self.authority}{self.base_path}"


def parse_url(url: str, region: str, *, name: str, example: str) -> Endpoint:
    """Return the endpoint that a URL means.

    Args:
        name: of the setting or variable that the URL comes from, for errors.
        example: a right URL, for errors.

    Raises:
        ConfigurationError: it is no http(s) URL, or has more in it than host, port and path.
    """
    if not {"@", "?", "#"}.isdisjoint(url):  # perhaps a password, so nothing of it is shown
        raise ConfigurationError(f"the {name} has a user, a query or a fragment beside host and path; give {example!r}")
    wrong = f"{name} {url!r}"
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    authority, slash, path = rest.partition("/")
    if scheme not in ("https", "http") or not authority:
        raise ConfigurationError(f"{wrong} is no http(s) URL; it looks like {example!r}")
    host, port = _parse_authority(authority, wrong)
    path = (slash + path).rstrip("/")
    if not all(33 <= ord(character) < 127 for character in path):
        raise ConfigurationError(f"{wrong} has a path that a request cannot carry; percent-encode it")
    return Endpoint(scheme, host, port or _default_port(scheme), path, region)


def check_text(url: str, *, name: str, example: str) -> None:
    """Refuse what is no text. Nothing of it is shown: there may be a password in it.

    Raises:
        ConfigurationError: it is no str.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"{name} is of type {type(url).__name__}, not str; it looks like {example!r}")


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _parse_authority(authority: str, wrong: str) -> tuple[str, int | None]:
    """Return the host and the port, if there is one, of `host:port` or `[::1]:port`."""
    if authority.startswith("["):
        host, closed, rest = authority[1:].partition("]")
        is_host = closed and ":" in host and (not rest or rest[0] == ":") and _IPV6_CHARACTERS.issuperset(host.lower())
        port = rest[1:]
    else:
        host, _, port = authority.partition(":")
        is_host = host and all(character > " " and character not in _NOT_IN_HOSTS for character in host)
    if not is_host:
        raise ConfigurationError(f"{wrong} is no URL: {authority!r} is not a host, with a port or without")
    if not _DIGITS.issuperset(port) or len(port) > 5 or int(port or 0) > 65_535:
        raise ConfigurationError(f"{wrong} is no URL: {port!r} is not a port")
    return host.lower(), int(port) if port else None
