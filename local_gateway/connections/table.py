"""The connections that the gateway holds, and what may be said to each."""

import asyncio
import math
import time
from typing import NamedTuple

from .ids import new_id
from .websocket import GatewayWebSocket

# Bytes that may wait for one slow client before posts to it are refused. AWS names the refusal ("the WebSocket client
# side buffer is full") but not the size: inferred.
SOCKET_BUFFER = 1024 * 1024


class Close(NamedTuple):
    """How a connection ended, in the words of the $disconnect event."""

    code: int
    reason: str


# The pairs that were captured from AWS; for a code without one, the reason is what the close frame said.
NORMAL = Close(1000, "Connection Closed Normally")
GOING_AWAY = Close(1001, "Going away")
NO_STATUS = Close(1005, "Client-side close frame status not set")
ABNORMAL = Close(1006, "Connection closed abnormally")  # inferred: no capture of a vanished client has a code


class GoneError(Exception):
    """The connection is not open: not yet, not any more, or it never was."""


class BufferFullError(Exception):
    """The client reads too slowly to be sent more now."""


class Connection:
    """One client, from the request for an upgrade to the end."""

    __slots__ = (
        "buffer_limit",
        "close",
        "connected_at",
        "domain_name",
        "ends_at",
        "has_session",
        "host",
        "id",
        "is_half_open",
        "last_active",
        "last_active_at",
        "messages",
        "socket",
        "source_ip",
        "turn",
        "user_agent",
    )

    def __init__(
        self,
        source_ip: str,
        user_agent: str | None,
        *,
        host: str,
        domain_name: str,
        now: float,
        buffer_limit: int,
    ) -> None:
        self.id = new_id()
        self.host = host  # that the client used
        self.domain_name = domain_name  # under which the gateway is found
        self.source_ip = source_ip
        self.user_agent = user_agent
        self.connected_at = time.time()  # seconds since the epoch, as the Lambda sees it
        self.last_active_at = self.connected_at
        self.last_active = now  # on the gateway's clock, which may be scaled
        self.socket: GatewayWebSocket | None = None  # none while $connect is running
        self.close: Close | None = None  # how it ended, set as soon as that is decided
        self.ends_at = math.inf  # when its longest life is over, on the gateway's clock
        self.has_session = False  # a task receives from its socket
        self.is_half_open = False  # the client is taken to have vanished without a word
        self.buffer_limit = buffer_limit
        self.messages = 0  # of the client's, that run or wait for a process
        self.turn: asyncio.Future[None] | None = None  # of the next one, while there are too many

    def touch(self, now: float) -> None:
        """Note a message, in either direction: it keeps the connection from being idle."""
        self.last_active = now
        self.last_active_at = time.time()

    def send(self, data: bytes) -> None:
        """Send one text frame, without waiting for anything; a client that has vanished may never get it.

        Raises:
            GoneError: the connection is not open.
            BufferFullError: too much is waiting for this client already.
        """
        if self.socket is None or self.close is not None:
            raise GoneError
        if self.is_half_open:
            return
        if self.socket.unsent + len(data) > max(self.buffer_limit, len(data)):
            raise BufferFullError
        try:
            self.socket.send_text(data)
        except ConnectionError as error:
            raise GoneError from error


class ConnectionTable:
    """Every connection that is open or about to be."""

    def __init__(self) -> None:
        self._by_id: dict[str, Connection] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, connection: Connection) -> None:
        self._by_id[connection.id] = connection

    def remove(self, connection: Connection) -> bool:
        """Forget a connection; returns whether it was there."""
        return self._by_id.pop(connection.id, None) is not None

    def get(self, connection_id: str) -> Connection | None:
        """Find the connection with this id, whether open or about to be."""
        return self._by_id.get(connection_id)

    def find(self, connection_id: str) -> Connection:
        """Find the open connection with this id.

        Raises:
            GoneError: there is none, or its $connect has not returned yet.
        """
        connection = self._by_id.get(connection_id)
        if connection is None or connection.socket is None or connection.close is not None:
            raise GoneError
        return connection

    def all(self) -> list[Connection]:
        return list(self._by_id.values())
