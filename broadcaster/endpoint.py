"""Where the posts go: the `@connections` endpoint of one stage."""

import os

from .aws.address import Endpoint, check_text, parse_url
from .aws.environment import ENDPOINT_VARIABLES, endpoint_in_environment, region_in_environment, stage_endpoint
from .aws.partitions import PARTITIONS
from .errors import ConfigurationError

__all__ = ["ENDPOINT_VARIABLE", "Endpoint", "resolve_endpoint", "scope_of"]

# The name AWS's SDKs know for this service's endpoint.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
ENDPOINT_VARIABLE = ENDPOINT_VARIABLES["execute-api"]

# What `dev.py deploy` prints for the backend.
API_ID_VARIABLE = "WEBSOCKET_API_ID"
STAGE_VARIABLE = "WEBSOCKET_STAGE"

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz")
_DIGITS = frozenset("0123456789")
_STAGE_CHARACTERS = _LOWER | _DIGITS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_-")
_EXAMPLE = "https://abc123xyz.execute-api.us-east-1.amazonaws.com/production"


def resolve_endpoint(
    api_id: str | None = None,
    *,
    region: str | None = None,
    stage: str | None = None,
    endpoint_url: str | None = None,
) -> Endpoint:
    """Return where to post to: `endpoint_url`, else AWS's environment variable, else the API's own address.

    Without `api_id` and `stage` those of `WEBSOCKET_API_ID` and `WEBSOCKET_STAGE` are taken, else the stage
    `production`.

    The variable is `AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI`, or `AWS_ENDPOINT_URL` for all services; both win over
    `api_id`, so that the same code talks to a local gateway. Without `region`, it is read from the URL, `AWS_REGION` or
    `AWS_DEFAULT_REGION`.

    Raises:
        ConfigurationError: something is missing or malformed.
    """
    if api_id is None and not endpoint_url:
        api_id = os.environ.get(API_ID_VARIABLE) or None
    if api_id is not None:
        _check_api_id(api_id)
    stage = os.environ.get(STAGE_VARIABLE) or "production" if stage is None else stage
    _check_stage(stage)
    given = (endpoint_url, "endpoint_url") if endpoint_url else endpoint_in_environment("execute-api")
    if given is None and api_id is None:
        raise ConfigurationError(
            "no API to send through; give api_id='abc123xyz' (an output of the stack) or endpoint_url="
        )
    if given is not None:
        check_text(given[0], name=given[1], example=_EXAMPLE)
    region = region or (given and _region_in(given[0])) or region_in_environment()
    if not region:
        raise ConfigurationError("no region; give region='us-east-1' (an output of the stack) or set AWS_REGION")
    _check_region(region)
    if given is not None:
        return _parse(given[0], region, name=given[1])
    return stage_endpoint(str(api_id), stage, region)


def scope_of(endpoint: Endpoint) -> str:
    """Return the name by which registries keep the connections of one API and stage apart from all others.

    Of AWS's own hosts it is `abc123xyz/production`, which the Lambda knows too; else `host[:port]/path`.
    """
    api_id, *labels = endpoint.host.split(".")
    host = api_id if len(labels) > 3 and labels[0] == "execute-api" else endpoint.authority
    return host + endpoint.base_path


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
    host = url.partition("://")[2].partition("/")[0].partition(":")[0]
    labels = host.split(".")
    if len(labels) < 5 or labels[1] != "execute-api":
        return None
    return labels[2] if ".".join(labels[3:]) in _DOMAINS else None


_DOMAINS = frozenset(domain for _, *domains in PARTITIONS for domain in domains)


def _parse(url: str, region: str, *, name: str) -> Endpoint:
    scheme = url.partition("://")[0].lower()
    if scheme in ("wss", "ws") and {"@", "?", "#"}.isdisjoint(url):  # else perhaps a password
        raise ConfigurationError(
            f"{name} {url!r} is the browsers' address; the backend's is {'http' + url[len('ws') :]!r}"
        )
    base = url.rstrip("/").removesuffix("/@connections")
    endpoint = parse_url(base, region, name=name, example=_EXAMPLE)
    if not endpoint.base_path and _region_in(base):
        raise ConfigurationError(f"{name} {url!r} names no stage; append it, e.g. {base + '/production'!r}")
    return endpoint
