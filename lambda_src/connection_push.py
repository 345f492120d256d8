"""Sending a frame to a connection through the stage's `@connections` API."""

from broadcaster.aws.address import Endpoint
from broadcaster.aws.at_once import run_at_once
from broadcaster.aws.environment import stage_endpoint
from broadcaster.aws.kept_connections import KeptConnections
from broadcaster.aws.retries import AwsError, Time
from broadcaster.http1 import ProtocolError
from broadcaster.signing import ConnectionSigner
from invocation import Invocation
from own_environment import credentials, required, tls_context

# For connecting and the answer together. A subscriber waits this long for its `subscription_succeeded` if the push
# hangs; the function itself has 10 s.
PUSH_SECONDS = 2.0

_TIME = Time()

# Who was told its id, or was tried to: each connection once. Else whoever knows the URL could have every frame push,
# and hold a function for as long as a push that hangs; a client asks for its id if it does not come.
_MOST_TOLD = 10_000  # connections of one process; the oldest are forgotten first
_told: dict[str, None] = {}

# Kept from one invocation to the next: where they lead to, and the connections.
_kept: tuple[Endpoint, KeptConnections] | None = None


def is_due(connection_id: str) -> bool:
    """Tell whether a connection is still to be told its id by this process; True at most once for each."""
    if connection_id in _told:
        return False
    if len(_told) >= _MOST_TOLD:
        del _told[next(iter(_told))]
    _told[connection_id] = None
    return True


def send(invocation: Invocation, frame: str, *, seconds: float = PUSH_SECONDS) -> None:
    """Send `frame` to the connection that `invocation` came from, over a connection kept from one call to the next.

    Takes at most `seconds`, name resolution and the set-up of TLS (in the first call of a process) apart.

    Raises:
        AwsError: API Gateway did not accept it, or could not be asked.
        ConfigurationError: Lambda did not set a variable, or one for another address holds no URL.
    """
    # Never the event's `domainName`: it is whatever host the client used, and behind a custom domain there is no stage
    # in the path.
    endpoint = stage_endpoint(invocation.api_id, invocation.stage, required("AWS_REGION"))
    body = frame.encode()
    signer = ConnectionSigner(
        credentials(),
        host=endpoint.authority,
        region=endpoint.region,
        base_path=endpoint.base_path,
        method="POST",
        body=body,
        now=_TIME.now(),
    )
    # A client that hears its connection id twice is no worse off, so the request bears being repeated.
    exchange = _connections(endpoint).exchange(signer.head(invocation.connection_id) + body, seconds=seconds)
    try:
        [answer] = run_at_once([exchange], most=1, time=_TIME)
    except TimeoutError as error:
        raise AwsError(f"{endpoint.authority} did not answer within {seconds:g} s") from error
    except (OSError, ProtocolError) as error:
        raise AwsError(f"{endpoint.authority} could not be asked: {error}") from error
    if not 200 <= answer.status < 300:
        raise AwsError(_refusal(answer.status, answer.headers.get("x-amzn-errortype", "")))


def close() -> None:
    """Close the kept connection and forget who was told; the next call opens another."""
    global _kept
    _told.clear()
    if _kept:
        _kept[1].close()
    _kept = None


def _connections(endpoint: Endpoint) -> KeptConnections:
    global _kept
    if not _kept or _kept[0] != endpoint:
        if _kept:
            _kept[1].close()
        _kept = (endpoint, KeptConnections(endpoint, tls=tls_context, time=_TIME))
    return _kept[1]


def _refusal(status: int, error_type: str) -> str:
    name = error_type.partition(":")[0][:80]  # it may come as `GoneException:http://…`
    hint = "; the function's role needs execute-api:ManageConnections on this stage" if status == 403 else ""
    return f"{status} {name}".rstrip() + hint
