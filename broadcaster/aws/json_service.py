"""Requests to those services of AWS that speak JSON: signed, over kept connections, repeated while time is left.

What to ask is a *job*: a generator that yields an `Ask`, is sent the members of the answer, and returns its result.
So whoever needs several requests in turn writes them down in turn, several jobs are under way at once, and nothing of
a job knows how its requests travel.
"""

import json
from collections.abc import Callable, Generator, Iterable

from ..cheap_typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from ..compact_json import make_writer
from ..http1 import ProtocolError, request
from ..signing import BodySigner, Credentials
from .address import Endpoint
from .at_once import run_at_once
from .kept_connections import KeptConnections
from .retries import AwsError, Patience, Pauses, checked, is_retryable

if TYPE_CHECKING:
    import ssl
    from typing import TypeVar

    from .at_once import Exchange

    Got = TypeVar("Got")
    Job = Generator["Ask", dict[str, Any], Got]

    class ReadCredentials(Protocol):
        """Returns the credentials to sign with now; `anew` looks for such as were replaced."""

        def __call__(self, *, anew: bool = ...) -> Credentials: ...


CONCURRENCY = 16  # requests under way at a time

# That a condition was not met is an answer: a job that asks for the item in the way, with
# ReturnValuesOnConditionCheckFailure, is sent it as "Item".
UNMET_CONDITION = "ConditionalCheckFailedException"

# By service: the version of its protocol, and what the names of its operations are prefixed with in requests.
_PROTOCOLS = {"dynamodb": ("1.0", "DynamoDB_20120810"), "secretsmanager": ("1.1", "secretsmanager")}

# The keys may have been replaced in a file since they were read.
_REPLACED_KEYS = frozenset({"ExpiredTokenException", "InvalidSignatureException", "UnrecognizedClientException"})

# Seconds. A signature is good for five minutes around its time; this leaves four for clocks that differ.
_SIGN_AGAIN_AFTER = 60.0
_MOST_KEPT_WIRES = 100  # of some 2 KB
_NO_BODY = b"\r\nContent-Length: 0\r\n\r\n"

_write = make_writer()
_decode = json.JSONDecoder().decode
_requests = 0


class Ask(NamedTuple):
    """One request of a job; it must bear being repeated."""

    operation: str
    members: "dict[str, Any]"
    is_again: bool = False  # the service left a part of it undone: wait a little, within the time that is left
    is_kept: bool = False  # the same object will be asked again: it is written once, and signed once a minute


class JsonService:
    """One service, asked over connections of its own. Thread-safe, and safe to use after `fork`.

    Args:
        name: in its host's name and in signatures: `dynamodb` or `secretsmanager`.
        credentials: called for each attempt.
        tls: makes what is needed for `https`.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        *,
        credentials: "ReadCredentials",
        tls: "Callable[[], ssl.SSLContext]",
        patience: Patience = Patience(),  # noqa: B008 - it is immutable
    ) -> None:
        self._name = name
        self._endpoint = endpoint
        self._credentials = credentials
        self._patience = patience
        self._time = patience.time
        version, self._target = _PROTOCOLS[name]
        self._content_type = f"application/x-amz-json-{version}"
        self._connections = KeptConnections(endpoint, tls=tls, time=patience.time)
        # By operation: what its requests begin with, who signs them, with which credentials, and since when.
        self._signers: dict[str, tuple[bytes, BodySigner, Credentials, float]] = {}
        # By its id: what is asked again, who has signed it, and the bytes.
        self._wires: dict[int, tuple[Ask, BodySigner, bytes]] = {}

    def run(self, jobs: "Iterable[Job[Got]]", *, deadline: float | None = None) -> "list[Got]":
        """Run jobs at once, in this thread, and return their results in order.

        If one raises, the others end first, and then that is raised.

        Args:
            deadline: a time of `time.monotonic()`.

        Raises:
            AwsError: the service said no, or could not be asked in time.
        """
        return run_at_once((self._drive(job, deadline) for job in jobs), most=CONCURRENCY, time=self._time)

    def close(self) -> None:
        """Close the kept connections; the next use opens others."""
        self._connections.close()

    def _drive(self, job: "Job[Got]", deadline: float | None) -> "Exchange[Got]":
        answer: Any = None
        pauses = Pauses(0.0, self._time)
        while True:
            try:
                ask = job.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            answer = None  # which may be a MB, while the next one is read
            if not ask.is_again:
                pauses = Pauses(self._time.clock() + self._patience.total if deadline is None else deadline, self._time)
            elif (end_of_pause := pauses.next()) is not None:
                yield None, 0, end_of_pause
            else:
                raise AwsError(f"{self._name} throttles, and left a part of {ask.operation} undone", is_retryable=True)
            answer = yield from self._call(ask, pauses)

    def _call(self, ask: Ask, pauses: Pauses) -> "Exchange[dict[str, Any]]":
        credentials = self._credentials()
        may_be_replaced = True
        while True:
            try:
                return (yield from self._attempt(ask, credentials, pauses.deadline))
            except AwsError as error:
                if error.code in _REPLACED_KEYS and may_be_replaced:
                    may_be_replaced = False
                    before, credentials = credentials, self._credentials(anew=True)
                    if credentials != before:
                        continue
                end_of_pause = pauses.next() if error.is_retryable else None
                if end_of_pause is None:
                    raise
            yield None, 0, end_of_pause

    def _attempt(self, ask: Ask, credentials: Credentials, deadline: float) -> "Exchange[dict[str, Any]]":
        global _requests
        authority = self._endpoint.authority
        wire = self._sign(ask, credentials)
        seconds = min(self._patience.attempt, deadline - self._time.clock())
        if seconds <= 0:
            raise AwsError(f"no time was left to ask {authority}")
        _requests += 1
        try:
            answer = yield from self._connections.exchange(wire, seconds=seconds)
        except TimeoutError as error:
            raise AwsError(f"{authority} did not answer within {seconds:.1g} s", is_retryable=True) from error
        except (OSError, ProtocolError) as error:
            is_final = type(error).__name__ == "SSLCertVerificationError"  # it would be the same again
            raise AwsError(f"{authority} could not be asked: {error}", is_retryable=not is_final) from error
        return self._read(ask.operation, answer.status, answer.body)

    def _sign(self, ask: Ask, credentials: Credentials) -> bytes:
        """Return the bytes of a request; what does not change with the body is kept for a minute."""
        operation, now = ask.operation, self._time.now()
        kept = self._signers.get(operation)
        if kept is None or kept[2] != credentials or abs(now - kept[3]) > _SIGN_AGAIN_AFTER:
            path = f"{self._endpoint.base_path}/"
            signer = BodySigner(
                credentials,
                service=self._name,
                region=self._endpoint.region,
                method="POST",
                host=self._endpoint.authority,
                path=path,
                now=now,
                headers={"Content-Type": self._content_type, "X-Amz-Target": f"{self._target}.{operation}"},
            )
            bare = request("POST", path, {**signer.headers, "Authorization": signer.authorization})
            kept = bare.removesuffix(_NO_BODY), signer, credentials, now
            self._signers[operation] = kept
        start, signer = kept[:2]
        if ask.is_kept and (known := self._wires.get(id(ask))) and known[0] is ask and known[1] is signer:
            return known[2]
        # Half a surrogate pair, as a browser may send: UTF-8 has no place for it, JSON's escapes do.
        body = _write(ask.members).encode("utf-8", "backslashreplace")
        signature = signer.signature(body).encode()
        wire = b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (start, signature, len(body), body)
        if ask.is_kept:
            if len(self._wires) >= _MOST_KEPT_WIRES:
                self._wires.clear()
            self._wires[id(ask)] = ask, signer, wire
        return wire

    def _read(self, operation: str, status: int, body: bytes) -> "dict[str, Any]":
        try:
            members = _decode(body.decode())
        except ValueError:
            members = None
        if not isinstance(members, dict):
            members = {}
            status = status if status >= 300 else 502  # a proxy's page, for instance
        if 200 <= status < 300:
            return checked(operation, members)
        # Only the name in the text: the message may quote what it is about.
        code = str(members.get("__type", "")).rpartition("#")[2][:80]
        if code == UNMET_CONDITION:
            return members
        hint = f"; the credentials need {self._name}:{operation}" if code == "AccessDeniedException" else ""
        raise AwsError(
            f"{self._name} refused {operation}: {status} {code}".rstrip() + hint,
            code=code,
            message=str(members.get("message") or members.get("Message") or ""),
            is_retryable=is_retryable(status, code),
        )


def once(ask: Ask) -> "Job[dict[str, Any]]":
    """Return the job of one request, whose result is the answer."""
    return (yield ask)


def requests_made() -> int:
    """Return how many attempts all services of this process made, for the Lambda's log."""
    return _requests
