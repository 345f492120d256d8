"""The answer to a post that was taken, which is what the gateway sends most often by far."""

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time

from .ids import new_id


class Accepted(web.Response):
    """200 without a body, written in one piece.

    aiohttp's way to write an answer, which can do anything, takes a quarter of the time of a whole post.
    """

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the whole answer; called by aiohttp once the handler has returned it."""
        self._keep_alive = request.keep_alive
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the caller has gone")
        close = "" if request.keep_alive else "Connection: close\r\n"
        head = f"HTTP/1.1 200 OK\r\nDate: {rfc822_formatted_time()}\r\nContent-Length: 0\r\n{close}"
        transport.write(f"{head}x-amzn-RequestId: {new_id()}\r\n\r\n".encode("ascii"))
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""
