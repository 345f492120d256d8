"""A WebSocket client for tests: synchronous, though its socket lives in the gateway's event loop."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from aiohttp import ClientWebSocketResponse, WSMsgType

DEFAULT_WAIT = 10.0  # seconds; a test that waits so long has failed
_SHOWN = 5  # messages in an error


class HandshakeRefusedError(Exception):
    """The gateway did not open the connection; `status` is the HTTP status of its answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ClientClosedError(Exception):
    """The connection has ended, and no message is left; `code` and `reason` say how."""

    def __init__(self, closed: "Closed") -> None:
        super().__init__(f"the connection was closed with {closed.code} {closed.reason}".rstrip())
        self.code, self.reason = closed


class Closed(NamedTuple):
    """How a connection ended, as the client saw it: 1006 if there was no close frame."""

    code: int
    reason: str


class Message(str):
    """One text message."""

    __slots__ = ()

    def json(self) -> Any:
        """Read the message as JSON.

        Raises:
            ValueError: it is none.
        """
        return json.loads(self)


class Client:
    """One connected client. Keeps everything that it gets; may be used from any thread, and as a context manager.

    Made by `LocalGateway.connect`.
    """

    def __init__(self, socket: ClientWebSocketResponse, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._socket = socket
        self._run = run
        self._arrived = threading.Condition()
        self._messages: list[Message] = []
        self._taken = 0
        self._closed: Closed | None = None
        self._reading = asyncio.get_running_loop().create_task(self._read())

    @property
    def subprotocol(self) -> str | None:
        """What the `$connect` handler chose."""
        return self._socket.protocol

    def send(self, message: Any) -> None:
        """Send one message: text as it is, bytes as a binary frame, anything else as JSON."""
        if isinstance(message, bytes):
            self._run(self._socket.send_bytes(message))
        else:
            self._run(self._socket.send_str(message if isinstance(message, str) else json.dumps(message)))

    def receive(self, timeout: float = DEFAULT_WAIT) -> Message:
        """Return the next message, in the order of arrival; waits for it up to `timeout` seconds.

        Raises:
            TimeoutError: none came.
            ClientClosedError: the connection has ended, and all that had come was received.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: self._taken < len(self._messages) or self._closed, timeout):
                raise TimeoutError(f"no message within {timeout:g} s; {self._so_far()}")
            if self._taken < len(self._messages):
                self._taken += 1
                return self._messages[self._taken - 1]
            if self._closed is None:
                raise RuntimeError("the wait ended for no reason")
            raise ClientClosedError(self._closed)

    def received(self) -> list[Message]:
        """Everything that has come so far, whether or not `receive` has returned it; does not wait."""
        with self._arrived:
            return list(self._messages)

    def wait_closed(self, timeout: float = DEFAULT_WAIT) -> Closed:
        """Wait up to `timeout` seconds until the connection has ended; returns how.

        Raises:
            TimeoutError: it is still open.
        """
        with self._arrived:
            self._arrived.wait_for(lambda: self._closed, timeout)
            if self._closed is None:
                raise TimeoutError(f"still open after {timeout:g} s; {self._so_far()}")
            return self._closed

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, and wait for the gateway's answer. May be called again."""
        self._run(self._end(code, reason))

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _end(self, code: int, reason: str) -> None:
        await self._socket.close(code=code, message=reason.encode())
        await self._reading

    async def _read(self) -> None:
        reason = ""
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.TEXT:
                with self._arrived:
                    self._messages.append(Message(message.data))
                    self._arrived.notify_all()
            elif message.type is WSMsgType.CLOSE:
                reason = message.extra or ""
                break
            elif message.type is not WSMsgType.BINARY:  # CLOSING by us, CLOSED, or ERROR
                break
        if not self._socket.closed:
            await self._socket.close()
        with self._arrived:
            self._closed = Closed(self._socket.close_code or 1006, reason)
            self._arrived.notify_all()

    def _so_far(self) -> str:
        shown = ", ".join(repr(str(message)[:100]) for message in self._messages[-_SHOWN:])
        return f"{len(self._messages)} came before" + (f", last {shown}" if shown else "")
