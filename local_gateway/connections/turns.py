"""How many messages run or wait for a process, so that what clients send cannot fill the memory."""

import asyncio

from ..limits import LAMBDA_CONCURRENCY
from .table import Connection

# Messages of one connection and of all; Lambda would run a thousand at once.
OF_ONE = 100
OF_ALL = LAMBDA_CONCURRENCY


class Turns:
    """Bounds messages. What a client sends beyond stays in its socket, because its connection is not read."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(OF_ALL)

    async def wait(self, connection: Connection) -> None:
        """Wait until one more message of a connection may run or wait."""
        if connection.messages >= OF_ONE:
            connection.turn = asyncio.get_running_loop().create_future()
            await connection.turn
        await self._all.acquire()
        connection.messages += 1

    def end(self, connection: Connection) -> None:
        """Note that a message has been handled."""
        connection.messages -= 1
        if connection.turn is not None and not connection.turn.done():
            connection.turn.set_result(None)
        self._all.release()
