"""A process that holds many WebSocket clients, as light as they can be, for bench/gateway.py.

It takes commands through a pipe and answers each: `("open", n)` with the seconds that it took, `("ids", n)` with the
connection ids of its first n clients, `("await", n)` with the moment on the system's monotonic clock at which the last
of those had n messages since they were last asked, `None` with its end.
"""

import asyncio
import os
import time
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

OPENING_AT_ONCE = 100
ASKING_AT_ONCE = 4  # ids; more would only have more Lambdas started
_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def text_frame(text: str) -> bytes:
    """A masked frame of less than 126 bytes; the mask is zero, which leaves the text as it is."""
    data = text.encode()
    return bytes([0x81, 0x80 | len(data)]) + b"\0\0\0\0" + data


class Client(asyncio.Protocol):
    """Counts the messages that it gets and keeps the last; all are shorter than 126 bytes."""

    __slots__ = ("_arrived", "_buffer", "is_open", "last", "messages", "transport")

    def __init__(self, arrived: Any) -> None:
        self._arrived = arrived
        self._buffer = b""
        self.is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.messages = 0
        self.last = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.is_open.done():
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.is_open.set_exception(ConnectionError(head.split(b"\r\n")[0].decode()))
                return
            self.is_open.set_result(None)
            self._buffer = rest
        while len(self._buffer) >= 2 and len(self._buffer) >= (size := 2 + self._buffer[1]):
            self.last, self._buffer = self._buffer[2:size], self._buffer[size:]
            self.messages += 1
            self._arrived()


class Clients:
    """All clients of this process."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._request = _HANDSHAKE.format(path=parts.path, host=parts.netloc).encode()
        self._clients: list[Client] = []
        self._asked: list[Client] = []
        self._left = 0
        self._done = asyncio.Event()

    async def open(self, number: int) -> float:
        slots = asyncio.Semaphore(OPENING_AT_ONCE)
        began = time.monotonic()

        async def one() -> Client:
            async with slots:
                _, client = await asyncio.get_running_loop().create_connection(
                    lambda: Client(self._arrived), *self._address
                )
                client.transport.write(self._request)
                await client.is_open
            return client

        self._clients += await asyncio.gather(*(one() for _ in range(number)))
        return time.monotonic() - began

    async def ids(self, number: int) -> list[str]:
        self._asked = self._clients[:number]
        for start in range(0, number, ASKING_AT_ONCE):
            part = self._asked[start : start + ASKING_AT_ONCE]
            self._expect(len(part))
            for client in part:
                client.transport.write(text_frame("id"))
            await self._done.wait()
        self._expect(len(self._asked))
        return [client.last.decode() for client in self._asked]

    async def wait(self, each: int) -> float:
        """Begins to count when the last wait has ended, so that nothing that comes in between is lost."""
        self._left += (each - 1) * len(self._asked)
        if self._left > 0:
            self._done.clear()
            await self._done.wait()
        ended = self._ended
        self._expect(len(self._asked))
        return ended

    def _expect(self, number: int) -> None:
        self._left = number
        self._done.clear()

    def _arrived(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._ended = time.monotonic()
            self._done.set()


def hold_clients(url: str, pipe: Connection) -> None:
    """The process's whole work."""
    asyncio.run(_serve(Clients(url), pipe))


async def _serve(clients: Clients, pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    commands = {"open": clients.open, "ids": clients.ids, "await": clients.wait}
    while (command := await loop.run_in_executor(None, pipe.recv)) is not None:
        name, number = command
        pipe.send(await commands[name](number))
    os._exit(0)  # 10,000 sockets are closed fastest by the system
