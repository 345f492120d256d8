"""A WebSocket connection to the deployment, as a browser has one; needs the package `websockets`."""

import json
import time
from contextlib import ExitStack
from typing import Any

from ..endpoint import Endpoint
from ..errors import ConfigurationError, RefusedError, UnavailableError
from ..tls import make_context

SECONDS = 10.0  # for the handshake, and for an answer

# API Gateway ends a connection after ten minutes in which nothing was said.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
_PING_AFTER = 240.0  # seconds


class SocketClosedError(Exception):
    """The connection has ended; the text says how."""


class Socket:
    """One connection, which keeps itself from being idle while it is read. To be used by one thread.

    Attributes:
        connection_id: its id.
        handshake_seconds: how long connecting took, the name's look-up and TLS included.
        answer_seconds: how long the Lambda took to answer the first frame.

    Args:
        origin: sent as the `Origin` of the page; needed where the deployment lists the origins that it admits.

    Raises:
        ConfigurationError: websockets is not installed.
        RefusedError: the handshake was refused, or nothing answers.
        UnavailableError: the connection was made, and no answer came on it.
    """

    def __init__(self, endpoint: Endpoint, *, origin: str | None = None) -> None:
        try:
            from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
            from websockets.sync.client import connect
        except ImportError as error:
            raise ConfigurationError(
                "this needs a WebSocket client, the package websockets, which is not installed; "
                'pip install "websockets>=15"'
            ) from error
        self._closed = ConnectionClosed
        began = time.monotonic()
        self._open = ExitStack()
        url = f"{'wss' if endpoint.scheme == 'https' else 'ws'}://{endpoint.authority}{endpoint.base_path}"
        options: dict[str, Any] = {"ssl": make_context(True)} if endpoint.scheme == "https" else {}
        try:
            self._socket = self._open.enter_context(
                connect(
                    url,
                    origin=origin,  # type: ignore[arg-type]  # a type of its own for text
                    open_timeout=SECONDS,
                    close_timeout=2,
                    ping_interval=None,  # API Gateway does not count them as life
                    **options,
                )
            )
        except InvalidStatus as error:
            status = error.response.status_code
            hint = ": is the stage right? Where the deployment lists origins, give one of them as --origin"
            raise RefusedError(
                f"{url} refused the handshake with HTTP {status}" + (hint if status == 403 else "")
            ) from error
        except (OSError, InvalidHandshake) as error:
            raise RefusedError(f"{url} cannot be reached: {error or 'no answer in time'}") from error
        self._spoken_at = time.monotonic()
        self.handshake_seconds = self._spoken_at - began
        self.connection_id = self._ask_for_id(url)
        self.answer_seconds = time.monotonic() - self._spoken_at

    def send(self, frame: dict[str, Any]) -> None:
        """Send one frame.

        Raises:
            SocketClosedError: the connection has ended.
        """
        self._spoken_at = time.monotonic()
        try:
            self._socket.send(json.dumps(frame))
        except self._closed as error:
            raise SocketClosedError(str(error)) from error

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """Return the next message that is a JSON object; None if none comes in time.

        Raises:
            SocketClosedError: the connection has ended.
        """
        if time.monotonic() - self._spoken_at > _PING_AFTER:
            self.send({"action": "ping"})
        try:
            text = self._socket.recv(timeout=min(seconds, _PING_AFTER))
        except TimeoutError:
            return None
        except self._closed as error:
            raise SocketClosedError(str(error)) from error
        try:
            message = json.loads(text)
        except ValueError:
            return None
        return message if isinstance(message, dict) else None

    def wait_for(self, **members: object) -> dict[str, Any] | None:
        """Return the next message with these members, passing over others; None if none comes within ten seconds.

        Raises:
            SocketClosedError: the connection has ended.
        """
        ends = time.monotonic() + SECONDS
        while (left := ends - time.monotonic()) > 0:
            message = self.receive(left)
            if message is not None and members.items() <= message.items():
                return message
        return None

    def close(self) -> None:
        """Close the connection; more than once is fine."""
        self._open.close()

    def _ask_for_id(self, url: str) -> str:
        try:
            self.send({"action": "connection_id"})
            answer = self.wait_for(type="connection_id")
        except SocketClosedError as error:
            self.close()
            raise UnavailableError(f"{url} closed the connection before it answered: {error}") from error
        if answer is None:
            self.close()
            raise UnavailableError(
                f'{url} does not answer {{"action": "connection_id"}}; is the stack\'s Lambda behind it, and well?'
            )
        return str(answer["connection_id"])
