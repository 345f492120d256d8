"""TLS that begins on a connection whose first bytes have been read already."""

import asyncio
import ssl
from typing import cast

FIRST_BYTE = b"\x16"  # of a TLS handshake (RFC 8446, 5.1), and of no HTTP request


class EarlyData(asyncio.Protocol):
    """Keeps what a client says right behind its handshake, until somebody listens."""

    def __init__(self) -> None:
        self.data = b""
        self.is_lost = False

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, _: Exception | None) -> None:
        self.is_lost = True


async def begin_tls(
    transport: asyncio.Transport, data: bytes, context: ssl.SSLContext
) -> tuple[asyncio.Transport, EarlyData]:
    """Answer a handshake that begins with `data`; returns the transport inside and what has come through it.

    Raises:
        OSError: the handshake failed; the connection has been closed.
    """
    loop, early = asyncio.get_running_loop(), EarlyData()
    starting = loop.create_task(loop.start_tls(transport, early, context, server_side=True))
    # asyncio has no word for "these bytes came before". Its TLS protocol is set in the task's first step and connected
    # in the turn of the loop after that; it reads nothing before the turn after that one.
    for _ in range(2):
        await asyncio.sleep(0)
    if not starting.done():
        _feed(cast(asyncio.BufferedProtocol, transport.get_protocol()), data)
    secured = await starting
    if secured is None:
        raise ConnectionResetError("the client has gone")
    return secured, early


def _feed(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    while data:
        buffer = memoryview(protocol.get_buffer(len(data)))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]
