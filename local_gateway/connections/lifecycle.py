"""A connection from the request for an upgrade to its $disconnect event."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, hdrs, web
from aiohttp.http_websocket import WebSocketError

from ..clock import Clock
from ..event_log import EventLog
from ..faults import Faults
from ..lambdas.integration import Integrations, Reply
from ..limits import billed_messages
from ..template.api import WebSocketApi
from .error_frames import ENDPOINT_REQUEST_TIMED_OUT, FORBIDDEN, TOO_MANY_REQUESTS, error_frame
from .events import connect_event, disconnect_event, message_event, new_trace_id
from .ids import new_id
from .table import (
    ABNORMAL,
    GOING_AWAY,
    NO_STATUS,
    NORMAL,
    BufferFullError,
    Close,
    Connection,
    ConnectionTable,
    GoneError,
)
from .turns import Turns
from .websocket import GatewayWebSocket

_STOP_WAIT = 1.0  # seconds that clients get to say goodbye when the gateway stops
_REASONS = {close.code: close.reason for close in (NORMAL, GOING_AWAY)}


class Lifecycle:
    """Serves the WebSocket side of one stage.

    Args:
        api: gives the API as it is now; a template that changed on disk takes effect with the next event.
        authority: gives host and port under which the functions find the gateway, as events tell them.
        admits: whether a throttle lets a request for this route key pass.
        opened: told of each connection that has been opened.
        buffer_limit: bytes that may wait for one slow client.
        is_serial: handle the messages of one connection one after the other.
    """

    def __init__(
        self,
        api: Callable[[], WebSocketApi],
        connections: ConnectionTable,
        integrations: Integrations,
        *,
        authority: Callable[[], str],
        admits: Callable[[str], bool],
        opened: Callable[[Connection], None],
        clock: Clock,
        faults: Faults,
        log: EventLog,
        buffer_limit: int,
        is_serial: bool = False,
    ) -> None:
        self._api = api
        self._connections = connections
        self._integrations = integrations
        self._authority = authority
        self._admits = admits
        self._opened = opened
        self._clock = clock
        self._faults = faults
        self._log = log
        self._buffer_limit = buffer_limit
        # AWS documents no order of one connection's messages, so they run at the same time unless told otherwise.
        self._is_serial = is_serial
        self._turns = Turns()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sessions: set[asyncio.Task[Any]] = set()
        self._is_stopping = False

    async def handle(self, request: web.BaseRequest, query: str) -> web.StreamResponse:
        """Serve one request for an upgrade, which stays pending until $connect has returned."""
        if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
            return web.json_response({"message": "Upgrade Required"}, status=426, headers={"Upgrade": "websocket"})
        if not GatewayWebSocket().can_prepare(request):
            return web.json_response({"message": "Bad Request"}, status=400)
        handshakes = self._faults.handshakes
        if (handshakes is not None and not handshakes.take()) or not self._admits("$connect"):
            self._log.event("$connect", "-", "429", seconds=0.0, billed=0, is_error=True)
            return web.json_response({"message": TOO_MANY_REQUESTS}, status=429)
        connection = Connection(
            request.remote or "",
            request.headers.get(hdrs.USER_AGENT),
            host=request.headers.get(hdrs.HOST, ""),
            domain_name=self._authority(),
            now=self._clock.now(),
            buffer_limit=self._buffer_limit,
        )
        self._connections.add(connection)  # pending: known, so that its id is not given twice, but not to be reached
        began = time.perf_counter()
        request_id, trace_id = new_id(), new_trace_id()
        route = self._api().routes.get("$connect")
        reply = Reply(200)
        if route is not None:
            event = connect_event(
                self._api(),
                connection,
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers],
                query=query,
                request_id=request_id,
                trace_id=trace_id,
            )
            reply = await self._integrations.invoke(route, event, request_id=request_id, trace_id=trace_id)
        if reply.problem is not None:  # 504 for the integration's timeout is inferred; 502 was seen
            status = 504 if reply.problem == ENDPOINT_REQUEST_TIMED_OUT else 502
        else:
            status = 101 if 200 <= reply.status < 300 else reply.status
        self._log.event(
            "$connect",
            connection.id,
            str(status),
            seconds=time.perf_counter() - began,
            billed=0,
            outcome=reply.outcome,
            is_error=status != 101,
        )
        if status != 101:
            self._connections.remove(connection)
            message = reply.problem or FORBIDDEN
            return web.Response(
                status=status,
                text=error_frame(message, connection_id=connection.id, request_id=request_id),
                content_type="application/json",
            )
        socket = GatewayWebSocket(reply.headers.get("sec-websocket-protocol"))
        try:
            await socket.prepare(request)
        except ConnectionError:  # the client did not wait; its $connect has succeeded, so a $disconnect follows
            self._end(connection, ABNORMAL)
            return web.Response(status=499)
        del reply, request  # held by nobody else, and of no use for the hours that may follow
        await self._run(connection, socket)
        return socket

    def close(self, connection: Connection, close: Close) -> None:
        """Begin to close an open connection from our side; posts to it are refused at once."""
        if connection.close is not None:
            return
        connection.close = close
        if connection.has_session and connection.socket is not None:
            connection.socket.interrupt(close)
        elif connection.socket is not None:  # a half-open one, whose client has really gone meanwhile
            self._end(connection, close)

    async def stop(self) -> None:
        """Close every connection with 1001, invoke nothing any more, and wait until all is quiet."""
        self._is_stopping = True
        for connection in self._connections.all():
            self.close(connection, GOING_AWAY)
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=_STOP_WAIT)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, connection: Connection, socket: GatewayWebSocket) -> None:
        connection.socket = socket
        connection.has_session = True
        connection.is_half_open = self._faults.strikes(self._faults.half_open)
        connection.touch(self._clock.now())
        self._opened(connection)
        session = asyncio.current_task()
        if session is not None:
            self._sessions.add(session)
            session.add_done_callback(self._sessions.discard)
        close = await self._receive(connection, socket)
        connection.has_session = False
        is_ours = connection.close is not None
        if is_ours or not connection.is_half_open:  # nobody learns that a half-open one has gone, until it is idle
            self._end(connection, close)
        if close is not ABNORMAL:
            code = WSCloseCode.OK if close is NO_STATUS else close.code
            await socket.close(code=code, message=close.reason.encode() if is_ours else b"")

    async def _receive(self, connection: Connection, socket: GatewayWebSocket) -> Close:
        """Take the client's messages until the connection is to end; returns how."""
        while True:
            message = await socket.receive()
            if message.type is WSMsgType.TEXT:
                if connection.is_half_open or connection.close is not None:
                    continue
                if self._is_serial:
                    await self._message(connection, message.data)
                else:
                    await self._turns.wait(connection)
                    task = self._spawn(self._message(connection, message.data))
                    task.add_done_callback(lambda _: self._turns.end(connection))
            elif message.type is WSMsgType.BINARY:
                return Close(WSCloseCode.UNSUPPORTED_DATA, "")
            elif message.type is WSMsgType.CLOSE:
                if not message.data:
                    return NO_STATUS
                return Close(message.data, message.extra or _REASONS.get(message.data, ""))
            elif message.type is WSMsgType.ERROR and isinstance(message.data, Close):
                return message.data
            elif message.type is WSMsgType.ERROR and isinstance(message.data, WebSocketError):
                return Close(message.data.code, "")
            else:
                return ABNORMAL

    async def _message(self, connection: Connection, body: str) -> None:
        if self._faults.reorder:
            await asyncio.sleep(self._faults.chance.uniform(0.0, self._faults.reorder))
        began = time.perf_counter()
        connection.touch(self._clock.now())
        api = self._api()
        billed = billed_messages(len(body.encode()))
        request_id = new_id()
        key = api.selection.select(body, api.routes)
        answer, reply = b"", Reply()
        if key is None:
            problem: str | None = FORBIDDEN
        elif not self._admits(key):
            problem = TOO_MANY_REQUESTS
        else:
            event = message_event(api, connection, route_key=key, body=body, request_id=request_id)
            reply = await self._integrations.invoke(api.routes[key], event, request_id=request_id)
            problem = reply.problem
            if api.routes[key].is_two_way:
                answer = reply.body  # an empty one is no frame: what AWS sends for it is not documented (inferred)
        if problem is not None:  # sent on routes without a route response too
            answer = error_frame(problem, connection_id=connection.id, request_id=request_id).encode()
        if answer:
            try:
                connection.send(answer)
            except (GoneError, BufferFullError):
                answer = b""
            else:
                connection.touch(self._clock.now())
                billed += billed_messages(len(answer))
        self._log.event(
            key or "(none)",
            connection.id,
            str(reply.status) if problem is None else problem,
            seconds=time.perf_counter() - began,
            billed=billed,
            outcome=reply.outcome,
            is_error=problem is not None,
        )

    def _end(self, connection: Connection, close: Close) -> None:
        """Forget a connection and invoke $disconnect, once."""
        if not self._connections.remove(connection) or self._is_stopping:
            return
        if connection.close is None:
            connection.close = close
        connection.socket = None
        if "$disconnect" not in self._api().routes:
            return
        if self._faults.strikes(self._faults.lost_disconnects):
            self._log.event("$disconnect", connection.id, "lost", seconds=0.0, billed=0, is_error=True)
            return
        self._spawn(self._disconnect(connection, close))

    async def _disconnect(self, connection: Connection, close: Close) -> None:
        began = time.perf_counter()
        api = self._api()
        request_id = new_id()
        event = disconnect_event(api, connection, close=close, request_id=request_id)
        reply = await self._integrations.invoke(api.routes["$disconnect"], event, request_id=request_id)
        self._log.event(
            "$disconnect",
            connection.id,
            str(close.code),
            seconds=time.perf_counter() - began,
            billed=0,
            outcome=reply.outcome,
            is_error=reply.problem is not None,
        )

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
