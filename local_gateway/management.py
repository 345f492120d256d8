"""The management API: POST, GET and DELETE on `/<stage>/@connections/<connection id>`."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from aiohttp import web

from .accepted import Accepted
from .connections import NORMAL, BufferFullError, Close, Connection, ConnectionTable, GoneError
from .event_log import EventLog
from .faults import Faults
from .ids import is_id, new_id
from .limits import MAX_MESSAGE, billed_messages


class RefusedError(Exception):
    """The call is answered with an error; `error_type` is the name that SDKs raise it under."""

    def __init__(self, status: int, error_type: str, message: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message

    def response(self) -> web.Response:
        """The HTTP answer. A missing message is an empty body: so does AWS answer 410."""
        return web.Response(
            status=self.status,
            headers={"x-amzn-ErrorType": self.error_type, "x-amzn-RequestId": new_id()},
            body=b"" if self.message is None else json.dumps({"message": self.message}).encode(),
            content_type="application/json",
        )


def forbidden() -> RefusedError:
    """The answer to another stage or path than those that exist."""
    return RefusedError(403, "ForbiddenException", "Forbidden")


class ManagementApi:
    """Answers calls to `@connections`.

    Args:
        authorize: raises RefusedError for a request (with its body) that may not call.
        close: ends a connection in the background.
        now: the gateway's clock, for a connection's idle time.
    """

    def __init__(
        self,
        connections: ConnectionTable,
        *,
        authorize: Callable[[web.BaseRequest, bytes], None],
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
        self._methods: dict[str, Callable[[str, bytes], Awaitable[web.Response]]] = {
            "POST": self._post,
            "GET": self._get,
            "DELETE": self._delete,
        }

    async def handle(self, request: web.BaseRequest, connection_id: str) -> web.Response:
        """Answer one call; `connection_id` is the path's last part, decoded once."""
        began = time.perf_counter()
        size = 0
        try:
            method = self._methods.get(request.method)
            if method is None:
                raise RefusedError(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
            body = await self._body(request)
            size = len(body)
            self._authorize(request, body)
            if self._faults.is_throttled():
                raise RefusedError(429, "LimitExceededException", "Rate exceeded")
            if self._faults.strikes(self._faults.post_errors):
                raise RefusedError(500, "InternalServerErrorException", "Internal server error")
            if not is_id(connection_id):
                raise RefusedError(400, "BadRequestException", f"Invalid connectionId: {connection_id}")
            response = await method(connection_id, body)
        except RefusedError as refusal:
            response = refusal.response()
        except GoneError:
            response = RefusedError(410, "GoneException", None).response()
        except BufferFullError:
            response = RefusedError(
                429, "LimitExceededException", "The WebSocket client side buffer is full"
            ).response()
        is_billed = request.method == "POST" and response.status == 200
        self._log.event(
            request.method,
            connection_id[:16],
            str(response.status),
            seconds=time.perf_counter() - began,
            billed=billed_messages(size) if is_billed else 0,
            is_error=response.status >= 400,
        )
        return response

    async def _body(self, request: web.BaseRequest) -> bytes:
        too_large = RefusedError(413, "PayloadTooLargeException", "Payload too large")
        if (request.content_length or 0) > MAX_MESSAGE:
            raise too_large
        if not request.body_exists:
            return b""
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise too_large from None
        if len(body) > MAX_MESSAGE:
            raise too_large
        return body

    async def _post(self, connection_id: str, body: bytes) -> web.Response:
        connection = self._connections.find(connection_id)
        if connection.is_half_open and self._faults.half_open_delay:
            await asyncio.sleep(self._faults.half_open_delay)
        await connection.send(body)  # an empty body is sent as an empty frame: AWS's answer to it is unknown (inferred)
        connection.touch(self._now())
        return Accepted()

    async def _get(self, connection_id: str, body: bytes) -> web.Response:
        connection = self._connections.find(connection_id)
        description = {
            "connectedAt": _iso(connection.connected_at),
            "identity": {"sourceIp": connection.source_ip, "userAgent": connection.user_agent or ""},
            "lastActiveAt": _iso(connection.last_active_at),
        }
        return web.json_response(description)

    async def _delete(self, connection_id: str, body: bytes) -> web.Response:
        self._close(self._connections.find(connection_id), NORMAL)
        return web.Response(status=204)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
