"""Sending a frame to a connection through the stage's `@connections` API."""

import time

from aws_environment import AwsError, Endpoint, credentials, domain, required
from broadcaster.http1 import ProtocolError
from broadcaster.signing import ConnectionSigner
from invocation import Invocation
from kept_connection import KeptConnection

# Where `@connections` is, if not at the API's own address. AWS's SDKs read it too, and the local gateway sets it.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"

# For connecting and the answer together. A subscriber waits this long for its `subscription_succeeded` if the push
# hangs; the function itself has 10 s.
PUSH_SECONDS = 2.0

# Kept from one invocation to the next: the origin that it leads to, and the connection.
_kept: tuple[tuple[str, str, int], KeptConnection] | None = None


def send(invocation: Invocation, frame: str, *, seconds: float = PUSH_SECONDS) -> None:
    """Send `frame` to the connection that `invocation` came from, over a connection kept from one call to the next.

    Takes at most `seconds`, name resolution and the set-up of TLS (in the first call of a process) apart.

    Raises:
        AwsError: API Gateway did not accept it, or could not be asked.
    """
    region = required("AWS_REGION")
    endpoint = endpoint_of(invocation, region)
    body = frame.encode()
    signer = ConnectionSigner(
        credentials(),
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
        raise AwsError(f"{endpoint.authority} did not answer within {seconds:g} s") from error
    except (OSError, ProtocolError) as error:
        raise AwsError(f"{endpoint.authority} could not be asked: {error}") from error
    if not 200 <= answer.status < 300:
        raise AwsError(_refusal(answer.status, answer.headers.get("x-amzn-errortype", "")))


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


def endpoint_of(invocation: Invocation, region: str) -> Endpoint:
    """Return where `@connections` of the API's stage is.

    Never the event's `domainName`: it is whatever host the client used, and behind a custom domain there is no stage
    in the path.
    """
    return Endpoint(ENDPOINT_VARIABLE, f"{invocation.api_id}.execute-api.{domain(region)}", f"/{invocation.stage}")


def _refusal(status: int, error_type: str) -> str:
    name = error_type.partition(":")[0][:80]  # it may come as `GoneException:http://…`
    hint = "; the function's role needs execute-api:ManageConnections on this stage" if status == 403 else ""
    return f"{status} {name}".rstrip() + hint
