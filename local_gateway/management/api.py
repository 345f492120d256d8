"""The management API: POST, GET and DELETE on `/<stage>/@connections/<connection id>`."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from aiohttp import web
from multidict import MultiMapping

from ..connections.ids import is_id, new_id
from ..connections.table import NORMAL, BufferFullError, Close, Connection, ConnectionTable, GoneError
from ..event_log import EventLog
from ..faults import Faults
from ..limits import MAX_MESSAGE, billed_messages

_TOO_LARGE = bytes(MAX_MESSAGE + 1)  # stands for the body of a call that is refused before it has been read


class Call(NamedTuple):
    """A request to the management API, as it came over the wire."""

    method: str
    target: str  # path and query
    headers: MultiMapping[str]
    body: bytes


class Answer(NamedTuple):
    """What a call is answered with."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    def response(self) -> web.Response:
        return web.Response(status=self.status, headers=self.headers, body=self.body)


class RefusedError(Exception):
    """The call is answered with an error; `error_type` is the name that SDKs raise it under."""

    def __init__(self, status: int, error_type: str, message: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message

    def answer(self) -> Answer:
        """Return the HTTP answer. A missing message is an empty body: so does AWS answer 410."""
        return _answer(
            self.status,
            b"" if self.message is None else json.dumps({"message": self.message}).encode(),
            {"x-amzn-ErrorType": self.error_type},
        )


def forbidden() -> RefusedError:
    """Return the answer to another stage or path than those that exist."""
    return RefusedError(403, "ForbiddenException", "Forbidden")


class ManagementApi:
    """Answers calls to `@connections`.

    Args:
        authorize: raises RefusedError for a call that may not be made.
        close: ends a connection in the background.
        now: the gateway's clock, for a connection's idle time.
    """

    def __init__(
        self,
        connections: ConnectionTable,
        *,
        authorize: Callable[[Call], None],
        close: Callable[[Connection, Close], None],
        now: Callable[[], float],
        faults: Faults,
        log: EventLog,
    ) -> None:
        self._connections = connections
        self._authorize = authorize
        self._close = close
        self._now = now
        self._faults = faults
        self._log = log
        self._methods: dict[str, Callable[[Connection, bytes], Answer]] = {
            "POST": self._post,
            "GET": self._get,
            "DELETE": self._delete,
        }

    async def handle(self, request: web.BaseRequest, connection_id: str) -> web.Response:
        """Answer a request; `connection_id` is the path's last part, decoded once."""
        began = time.perf_counter()
        call = Call(request.method, request.raw_path, request.headers, await _body(request))
        if call.method == "POST":
            await asyncio.sleep(self.delay(connection_id))
        return self.answer(call, connection_id, began).response()

    def delay(self, connection_id: str) -> float:
        """Return the seconds that a post takes by a fault: to a vanished client it takes long, and succeeds."""
        connection = self._connections.get(connection_id)
        return self._faults.half_open_delay if connection is not None and connection.is_half_open else 0.0

    def answer(self, call: Call, connection_id: str, began: float) -> Answer:
        """Do what a call asks for, and log how long it has taken since `began`, by `time.perf_counter`."""
        try:
            answer = self._do(call, connection_id)
        except RefusedError as refusal:
            answer = refusal.answer()
        except GoneError:
            answer = RefusedError(410, "GoneException", None).answer()
        except BufferFullError:
            answer = RefusedError(429, "LimitExceededException", "The WebSocket client side buffer is full").answer()
        is_billed = call.method == "POST" and answer.status == 200
        self._log.event(
            call.method,
            connection_id[:16],
            str(answer.status),
            seconds=time.perf_counter() - began,
            billed=billed_messages(len(call.body)) if is_billed else 0,
            is_error=answer.status >= 400,
        )
        return answer

    def _do(self, call: Call, connection_id: str) -> Answer:
        method = self._methods.get(call.method)
        if method is None:
            raise RefusedError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        if len(call.body) > MAX_MESSAGE:
            raise RefusedError(413, "PayloadTooLargeException", "Payload too large")
        self._authorize(call)
        if self._faults.is_throttled():
            raise RefusedError(429, "LimitExceededException", "Rate exceeded")
        if self._faults.strikes(self._faults.post_errors):
            raise RefusedError(500, "InternalServerErrorException", "Internal server error")
        if not is_id(connection_id):
            raise RefusedError(400, "BadRequestException", f"Invalid connectionId: {connection_id}")
        return method(self._connections.find(connection_id), call.body)

    def _post(self, connection: Connection, body: bytes) -> Answer:
        connection.send(body)  # an empty body is sent as an empty frame: AWS's answer to it is unknown (inferred)
        connection.touch(self._now())
        return _answer(200)

    def _get(self, connection: Connection, _: bytes) -> Answer:
        description = {
            "connectedAt": _iso(connection.connected_at),
            "identity": {"sourceIp": connection.source_ip, "userAgent": connection.user_agent or ""},
            "lastActiveAt": _iso(connection.last_active_at),
        }
        return _answer(200, json.dumps(description).encode())

    def _delete(self, connection: Connection, _: bytes) -> Answer:
        self._close(connection, NORMAL)
        return _answer(204)


def _answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, {"Content-Type": "application/json", "x-amzn-RequestId": new_id(), **(headers or {})}, body)


async def _body(request: web.BaseRequest) -> bytes:
    """Return the whole body, or enough of one that is too large to see that it is."""
    if (request.content_length or 0) > MAX_MESSAGE:
        return _TOO_LARGE
    if not request.body_exists:
        return b""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return _TOO_LARGE


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
