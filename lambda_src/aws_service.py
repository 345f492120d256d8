"""Requests to those services of AWS that speak JSON: signed, over kept connections, repeated while time is left."""

import json
import os
import time
from typing import TYPE_CHECKING, Any

from aws_environment import AwsError, Endpoint, credentials, domain, required
from broadcaster.http1 import ProtocolError, request
from broadcaster.signing import sign_request
from kept_connection import KeptConnection, tls_context

if TYPE_CHECKING:
    import ssl

# Seconds for connecting and the answer. Both services answer within some tens of ms.
ATTEMPT_SECONDS = 2.0
FIRST_PAUSE = 0.05  # seconds; each further one is up to twice as long
LONGEST_PAUSE = 0.5  # seconds

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
# https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
_PASSING = frozenset(
    {
        "InternalServerError",
        "InternalServiceError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
    }
)

# Loading the certificate authorities takes longer than a handshake, so all services share it.
_tls: "ssl.SSLContext | None" = None
_requests = 0


class Pauses:
    """Waits before another attempt: at first for a moment, each time up to twice as long, until the time is over.

    Args:
        deadline: a time of `time.monotonic()`.
    """

    __slots__ = ("_deadline", "_longest")

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._longest = FIRST_PAUSE

    def wait(self) -> bool:
        """Wait, or return False at once if no time is left for that and an attempt."""
        # Random, so that those who were throttled together part again; `random` itself is slow to import.
        pause = self._longest * int.from_bytes(os.urandom(2)) / 65_536
        self._longest = min(2 * self._longest, LONGEST_PAUSE)
        if time.monotonic() + pause + FIRST_PAUSE > self._deadline:
            return False
        time.sleep(pause)
        return True


class Service:
    """One service, whose requests must bear being repeated.

    Args:
        name: in its host's name and in signatures, e.g. `dynamodb`.
        variable: of the environment, for another address than AWS's own.
        json_version: of its protocol, `1.0` or `1.1`.
        target: what the names of its operations are prefixed with in requests.
    """

    def __init__(self, name: str, *, variable: str, json_version: str, target: str) -> None:
        self._name = name
        self._variable = variable
        self._json_version = json_version
        self._target = target
        self._kept: tuple[tuple[str, str, int], KeptConnection] | None = None

    def call(self, operation: str, members: dict[str, Any], *, deadline: float) -> dict[str, Any]:
        """Ask for an operation and return the members of the answer, again and again while it fails in passing.

        Raises:
            AwsError: the service said no, or could not be asked before the `deadline` of `time.monotonic()`.
        """
        body = json.dumps(members, separators=(",", ":")).encode()
        pauses = Pauses(deadline)
        while True:
            try:
                return self._attempt(operation, body, deadline)
            except AwsError as error:
                if not error.is_passing or not pauses.wait():
                    raise

    def close(self) -> None:
        """Close the kept connection; the next call opens another."""
        if self._kept:
            self._kept[1].close()
        self._kept = None

    def _attempt(self, operation: str, body: bytes, deadline: float) -> dict[str, Any]:
        global _requests
        region = required("AWS_REGION")
        endpoint = Endpoint(self._variable, f"{self._name}.{domain(region)}")
        path = f"{endpoint.base_path}/"
        headers = sign_request(
            credentials(),
            service=self._name,
            region=region,
            method="POST",
            host=endpoint.authority,
            path=path,
            body=body,
            now=time.time(),
            headers={
                "Content-Type": f"application/x-amz-json-{self._json_version}",
                "X-Amz-Target": f"{self._target}.{operation}",
            },
        )
        connection = self._connect(endpoint.origin)
        seconds = min(ATTEMPT_SECONDS, deadline - time.monotonic())
        if seconds <= 0:
            raise AwsError(f"no time was left to ask {endpoint.authority}")
        _requests += 1
        try:
            answer = connection.exchange(request("POST", path, headers, body), seconds=seconds)
        except TimeoutError as error:
            raise AwsError(f"{endpoint.authority} did not answer within {seconds:.1g} s", is_passing=True) from error
        except (OSError, ProtocolError) as error:
            raise AwsError(f"{endpoint.authority} could not be asked: {error}", is_passing=True) from error
        return self._read(operation, answer.status, answer.body)

    def _read(self, operation: str, status: int, body: bytes) -> dict[str, Any]:
        try:
            members = json.loads(body)
        except ValueError:
            members = None
        if not isinstance(members, dict):
            members = {}
            status = status if status >= 300 else 502  # a proxy's page, for instance
        if 200 <= status < 300:
            return members
        # Only the name: the message may quote what it is about.
        code = str(members.get("__type", "")).rpartition("#")[2][:80]
        hint = f"; the function's role needs {self._name}:{operation}" if code == "AccessDeniedException" else ""
        raise AwsError(
            f"{self._name} refused {operation}: {status} {code}".rstrip() + hint,
            code=code,
            is_passing=status >= 500 or code in _PASSING,
        )

    def _connect(self, origin: tuple[str, str, int]) -> KeptConnection:
        global _tls
        if not self._kept or self._kept[0] != origin:
            self.close()
            if origin[0] == "https" and _tls is None:
                _tls = tls_context()
            self._kept = (origin, KeptConnection(*origin, tls=_tls))
        return self._kept[1]


def requests_made() -> int:
    """Return how many requests all services together were sent since the process began, for the log."""
    return _requests
