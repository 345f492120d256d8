"""Sending a frame to a connection through the stage's `@connections` API."""

import os
import time

from broadcaster.http1 import ProtocolError
from broadcaster.signing import ConnectionSigner, Credentials
from invocation import Invocation
from kept_connection import KeptConnection

# Where `@connections` is, if not at the API's own address. AWS's SDKs read it too, and the local gateway sets it.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"

# For connecting and the answer together. A subscriber waits this long for its `subscription_succeeded` if the push
# hangs; the function itself has 10 s.
PUSH_SECONDS = 2.0


class PushError(Exception):
    """A frame was not accepted for a connection; the text says why and holds nothing secret."""


# Kept from one invocation to the next: the origin that it leads to, and the connection.
_kept: tuple[tuple[str, str, int], KeptConnection] | None = None


def send(invocation: Invocation, frame: str, *, seconds: float = PUSH_SECONDS) -> None:
    """Send `frame` to the connection that `invocation` came from, over a connection kept from one call to the next.

    Takes at most `seconds`, name resolution and the set-up of TLS (in the first call of a process) apart.

    Raises:
        PushError: API Gateway did not accept it, or could not be asked.
    """
    region = _setting("AWS_REGION")
    endpoint = Endpoint(invocation, region)
    # Read anew each time, as Lambda keeps them in the environment.
    credentials = Credentials(
        _setting("AWS_ACCESS_KEY_ID"), _setting("AWS_SECRET_ACCESS_KEY"), os.environ.get("AWS_SESSION_TOKEN") or None
    )
    body = frame.encode()
    signer = ConnectionSigner(
        credentials,
        host=endpoint.authority,
        region=region,
        base_path=endpoint.base_path,
        method="POST",
        body=body,
        now=time.time(),
    )
    request = signer.head(invocation.connection_id) + body
    try:
        # A client that hears its connection id twice is no worse off, so the request bears being repeated.
        answer = _connect(endpoint.origin).exchange(request, seconds=seconds)
    except TimeoutError as error:
        raise PushError(f"{endpoint.authority} did not answer within {seconds:g} s") from error
    except (OSError, ProtocolError) as error:
        raise PushError(f"{endpoint.authority} could not be asked: {error}") from error
    if not 200 <= answer.status < 300:
        raise PushError(_refusal(answer.status, answer.headers.get("x-amzn-errortype", "")))


def close() -> None:
    """Close the kept connection; the next call opens another."""
    global _kept
    if _kept:
        _kept[1].close()
    _kept = None


def _connect(origin: tuple[str, str, int]) -> KeptConnection:
    global _kept
    if not _kept or _kept[0] != origin:
        close()
        _kept = (origin, KeptConnection(*origin))
    return _kept[1]


class Endpoint:
    """Where `@connections` is: the override in the environment, else the address of the API's stage.

    Never the event's `domainName`: it is whatever host the client used, and behind a custom domain there is no stage
    in the path.
    """

    def __init__(self, invocation: Invocation, region: str) -> None:
        override = os.environ.get(ENDPOINT_VARIABLE)
        if override:
            self._parse(override)
            return
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        self.authority = f"{invocation.api_id}.execute-api.{region}.{suffix}"
        self.base_path = f"/{invocation.stage}"
        self.origin = ("https", self.authority, 443)

    def _parse(self, override: str) -> None:
        from urllib.parse import urlsplit  # not needed on AWS, and slow to import

        try:
            url = urlsplit(override)
            port = url.port or {"http": 80, "https": 443}[url.scheme]
        except (KeyError, ValueError) as error:
            raise PushError(
                f"{ENDPOINT_VARIABLE} is {override!r}; give an http(s) URL, e.g. 'http://127.0.0.1:8080/production'"
            ) from error
        self.authority = url.netloc
        self.base_path = url.path.rstrip("/")
        self.origin = (url.scheme, url.hostname or "", port)


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise PushError(f"{name} is not set; Lambda sets it for every function")
    return value


def _refusal(status: int, error_type: str) -> str:
    name = error_type.partition(":")[0][:80]  # it may come as `GoneException:http://…`
    hint = "; the function's role needs execute-api:ManageConnections on this stage" if status == 403 else ""
    return f"{status} {name}".rstrip() + hint
