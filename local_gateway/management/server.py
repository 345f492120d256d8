"""The HTTP server: it answers a sender's posts at once, and leaves everything else to aiohttp.

A sender posts small requests, one after the other, over connections that it keeps. aiohttp, which can do anything, runs
two tasks for each and makes a request and a response object; that is two thirds of what a post would take. Whatever is
not exactly one whole, plain POST to a connection (split, chunked, pipelined, with an expectation, malformed, and every
handshake) goes to aiohttp, and with it the socket for good, so that aiohttp alone interprets HTTP in all its forms.

A connection that begins with a TLS handshake is served the same inside it.
"""

import asyncio
import contextlib
import logging
import re
import ssl
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import cast

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from .api import Answer, Call
from .tls import FIRST_BYTE, begin_tls

_POST = re.compile(
    rb"POST (/[!-~]*) HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)+)"  # RFC 9110, 5.1 and 5.5, without the bytes that are obsolete
    rb"\r\n"
)
_FIELD = re.compile(r"([^:]+):[\t ]*(.*)\r\n")
_READ_SIZE = 64 * 1024  # bytes
_NOT_PLAIN = ("Transfer-Encoding", "Expect", "Upgrade", "Connection")


class PostServer(web.Server):
    """An aiohttp server that answers posts itself.

    Args:
        answer: answers a post at once, or returns None if aiohttp is to handle it.
        warn: told of requests that are no HTTP/1.1, which anybody may send, and of handshakes that fail.
        tls: what a TLS handshake is answered with.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        answer: Callable[[Call], Answer | None],
        warn: Callable[[str], None],
        tls: ssl.SSLContext,
    ) -> None:
        super().__init__(handler, access_log=None, auto_decompress=False, logger=_logger(warn))
        self.answer = answer
        self.protocols: set[_PostProtocol] = set()
        self._warn = warn
        self._tls = tls
        self._securing: set[asyncio.Task[None]] = set()

    def __call__(self) -> asyncio.Protocol:  # type: ignore[override]
        return _PostProtocol(self)

    def make_handler(self) -> asyncio.Protocol:
        """Make what handles HTTP in all its forms on one connection."""
        return super().__call__()

    def secure(self, transport: asyncio.Transport, data: bytes) -> None:
        """Begin TLS on a connection, and serve what is said inside it."""
        transport.pause_reading()
        task = asyncio.get_running_loop().create_task(self._secure(transport, data))
        self._securing.add(task)
        task.add_done_callback(self._securing.discard)

    async def _secure(self, transport: asyncio.Transport, data: bytes) -> None:
        try:
            secured, early = await begin_tls(transport, data, self._tls)
        except OSError as error:
            reason = getattr(error, "reason", None) or "the client has gone"
            self._warn(
                f"a TLS handshake failed: {reason}; what a function starts trusts this gateway by SSL_CERT_FILE and"
                " AWS_CA_BUNDLE of the function's environment"
            )
            return
        protocol = self()
        secured.set_protocol(protocol)
        protocol.connection_made(secured)
        if early.data:
            protocol.data_received(early.data)
        if early.is_lost:
            protocol.connection_lost(None)

    def pre_shutdown(self) -> None:
        for protocol in list(self.protocols):
            protocol.close()
        super().pre_shutdown()


def _logger(warn: Callable[[str], None]) -> logging.Logger:
    """aiohttp's logger, but for malformed requests: they are answered with 400, and a sentence is enough for them."""

    def is_fault(record: logging.LogRecord) -> bool:
        if not record.exc_info or not isinstance(record.exc_info[1], HttpProcessingError):
            return True
        warn("a request that is not HTTP/1.1 was answered with 400")
        return False

    logger = logging.Logger("aiohttp.server.local_gateway")
    logger.parent = logging.getLogger("aiohttp.server")
    logger.addFilter(is_fault)
    return logger


class _PostProtocol(asyncio.Protocol):
    """One connection, from its beginning to the first thing that it says that is not a plain post."""

    def __init__(self, server: PostServer) -> None:
        self._server = server
        self._has_been_read = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # asyncio makes a buffer of this size, 256 KB otherwise, for each read: a fifth of what a post took.
        with contextlib.suppress(AttributeError):  # other loops have none
            self._transport.max_size = _READ_SIZE  # type: ignore[attr-defined]
        self._server.protocols.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._server.protocols.discard(self)

    def data_received(self, data: bytes) -> None:
        if not self._has_been_read and data.startswith(FIRST_BYTE):
            self._server.secure(self._transport, data)
            return
        self._has_been_read = True
        call = _read(data)
        answer = self._server.answer(call) if call is not None else None
        if answer is None:
            self._hand_over(data)
        else:
            self._transport.write(_write(answer))

    def close(self) -> None:
        self._transport.close()

    def _hand_over(self, data: bytes) -> None:
        self._server.protocols.discard(self)
        handler = self._server.make_handler()
        self._transport.set_protocol(handler)
        handler.connection_made(self._transport)
        handler.data_received(data)


def _read(data: bytes) -> Call | None:
    """Return the call if `data` is exactly one plain POST."""
    match = _POST.match(data)
    if match is None:
        return None
    headers = CIMultiDict(_FIELD.findall(match[2].decode("ascii")))
    body = data[match.end() :]
    if headers.getall("Content-Length", ["0"]) != [str(len(body))] or any(name in headers for name in _NOT_PLAIN):
        return None
    return Call("POST", match[1].decode("ascii"), headers, body)


def _write(answer: Answer) -> bytes:
    headers = {"Date": rfc822_formatted_time(), "Content-Length": len(answer.body), **answer.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n{lines}\r\n".encode("latin-1") + answer.body
