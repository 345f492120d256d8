"""Where the posts go: the `@connections` endpoint of one stage."""

import os

from .errors import ConfigurationError

TYPE_CHECKING = False  # as type checkers know it, without importing typing
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from .named_tuple import NamedTuple

# The name AWS's SDKs know for this service's endpoint.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz")
_DIGITS = frozenset("0123456789")
_STAGE_CHARACTERS = _LOWER | _DIGITS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_-")
_IPV6_CHARACTERS = _DIGITS | frozenset("abcdef:.")
_NOT_IN_HOSTS = frozenset('\x7f\\[]<>^|%"`{}')  # of ASCII: https://url.spec.whatwg.org/#forbidden-domain-code-point


class Endpoint(NamedTuple):
    """The base of `POST {url}/@connections/{connection_id}`, and the region that requests are signed for."""

    scheme: str  # "https" or "http"
    host: str
    port: int
    base_path: str  # "/production", or "" where a custom domain maps the stage to its root
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


def resolve_endpoint(
    api_id: str | None = None, *, region: str | None = None, stage: str = "production", endpoint_url: str | None = None
) -> Endpoint:
    """Return where to post to: `endpoint_url`, else AWS's environment variable, else the API's own address.

    The variable is `AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI`; it wins over `api_id`, so that the same code talks to a
    local gateway. Without `region`, it is read from the URL, `AWS_REGION` or `AWS_DEFAULT_REGION`.

    Raises:
        ConfigurationError: something is missing or malformed.
    """
    if api_id is not None:
        _check_api_id(api_id)
    _check_stage(stage)
    url = endpoint_url or _endpoint_from_environment()
    if url is None and api_id is None:
        raise ConfigurationError(
            "no API to send through; give api_id='abc123xyz' (an output of the stack) or endpoint_url="
        )
    region = region or (url and _region_in(url)) or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise ConfigurationError("no region; give region='us-east-1' (an output of the stack) or set AWS_REGION")
    _check_region(region)
    if url is not None:
        return _parse(url, region)
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return Endpoint("https", f"{api_id}.execute-api.{region}.{suffix}", 443, f"/{stage}", region)


def _endpoint_from_environment() -> str | None:
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    return os.environ.get(ENDPOINT_VARIABLE) or None


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _check_api_id(api_id: str) -> None:
    if not isinstance(api_id, str) or not api_id:
        raise ConfigurationError(f"api_id {api_id!r} is empty or no text; it looks like 'abc123xyz'")
    if "/" in api_id or "." in api_id:
        raise ConfigurationError(
            f"api_id {api_id!r} is an address; give the id alone, e.g. 'abc123xyz', or the address as endpoint_url="
        )
    if not (_LOWER | _DIGITS).issuperset(api_id) or len(api_id) > 63:
        raise ConfigurationError(
            f"api_id {api_id!r} is not an API id; they are lower-case letters and digits, e.g. 'abc123xyz'"
        )


def _check_region(region: str) -> None:
    parts = region.split("-") if isinstance(region, str) else []
    is_region = (
        len(parts) >= 3 and _DIGITS.issuperset(parts[-1]) and all(p and _LOWER.issuperset(p) for p in parts[:-1])
    )
    if not is_region or not parts[-1]:
        raise ConfigurationError(f"region {region!r} is not an AWS region; they look like 'us-east-1'")


def _check_stage(stage: str) -> None:
    if isinstance(stage, str) and "/" in stage:
        bare = stage.strip("/").rsplit("/", 1)[-1] or "production"
        raise ConfigurationError(f"stage {stage!r} has a slash; give the bare name, e.g. {bare!r}")
    if not isinstance(stage, str) or not 1 <= len(stage) <= 128 or not _STAGE_CHARACTERS.issuperset(stage):
        raise ConfigurationError(f"stage {stage!r} is not a stage name; 1 to 128 of A-Z a-z 0-9 _ -, e.g. 'production'")


def _region_in(url: str) -> str | None:
    """Return the region in the name of one of AWS's own hosts, `{api}.execute-api.{region}.amazonaws.com`."""
    labels = url.partition("://")[2].partition("/")[0].split(".")
    return labels[2] if len(labels) > 4 and labels[1] == "execute-api" and labels[3] == "amazonaws" else None


def _parse(url: str, region: str) -> Endpoint:
    # By hand, because urllib.parse costs 5 ms to import, a twentieth of a short process that sends one message.
    base = url.rstrip("/").removesuffix("/@connections")
    if not {"@", "?", "#"}.isdisjoint(base):  # perhaps a password, so nothing of it is shown
        raise ConfigurationError(
            "the endpoint_url has a user, a query or a fragment beside host and path; give 'https://host/stage'"
        )
    wrong = f"endpoint_url {url!r}"
    scheme, _, rest = base.partition("://")
    scheme = scheme.lower()
    if scheme in ("wss", "ws"):
        better = "http" + url[2:]
        raise ConfigurationError(f"{wrong} is the browsers' address; the backend's is {better!r}")
    authority, slash, path = rest.partition("/")
    if scheme not in ("https", "http") or not authority:
        raise ConfigurationError(
            f"{wrong} is no http(s) URL; it looks like 'https://abc123xyz.execute-api.us-east-1.amazonaws.com/production'"
        )
    host, port = _parse_authority(authority, wrong)
    path = (slash + path).rstrip("/")
    if not all(33 <= ord(character) < 127 for character in path):
        raise ConfigurationError(f"{wrong} has a path that a request cannot carry; percent-encode it")
    if not path and _region_in(url):
        raise ConfigurationError(f"{wrong} names no stage; append it, e.g. {url.rstrip('/') + '/production'!r}")
    return Endpoint(scheme, host, port or _default_port(scheme), path, region)


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
