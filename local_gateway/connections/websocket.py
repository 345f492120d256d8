"""The server's end of a WebSocket: aiohttp's, with API Gateway's limit on single frames.

aiohttp knows a limit for whole messages only and, when it is passed, closes the socket while the client still sends,
so that many clients see a broken connection rather than code 1009. The two classes here hook into the points where
aiohttp makes its reader, gives it bytes, and has a complete frame; everything else of the protocol is aiohttp's.
"""

import sys

from aiohttp import WSCloseCode, WSMessage, WSMsgType, hdrs, web

# aiohttp keeps these two to itself; its version is pinned because of them and of the hooks below.
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp._websocket.writer import WebSocketWriter
from aiohttp.http_websocket import WebSocketError, WebSocketReader

from ..limits import MAX_MESSAGE
from .frame_limit import FrameLimit

# Seconds that a client gets to answer a close frame before its socket is closed.
_CLOSE_WAIT = 3.0
_NEVER_SENT = WSCloseCode.ABNORMAL_CLOSURE.to_bytes(2, "big")  # RFC 6455, 7.4.1; aiohttp lets it pass
_READ_AHEAD = 64 * 1024  # bytes of messages not yet handled after which aiohttp stops reading from the socket


class LimitedReader(WebSocketReader):
    """Reads frames; one too many bytes, in a frame or a message, ends the reading with code 1009."""

    __slots__ = ("_is_told", "_limit", "_messages")

    def __init__(self, messages: WebSocketDataQueue) -> None:
        super().__init__(messages, MAX_MESSAGE + 1, compress=False, decode_text=True)
        self._messages = messages
        self._limit = FrameLimit()
        self._is_told = False

    def feed_data(self, data: bytes | bytearray | memoryview) -> tuple[bool, bytes]:
        passed = self._limit.take(bytes(data))
        answer: tuple[bool, bytes] = super().feed_data(passed.before)
        if self._limit.is_over:
            if not self._is_told:
                self._is_told = True
                error = WebSocketError(WSCloseCode.MESSAGE_TOO_BIG, "a frame or a message is too large")
                self._messages.feed_data(WSMessage(WSMsgType.ERROR, error, None), 0)
            answer = super().feed_data(passed.after)
        return answer

    def _handle_frame(self, fin: bool, opcode: int, payload: bytes | bytearray, compressed: int) -> None:
        if opcode == WSMsgType.CLOSE and payload[:2] == _NEVER_SENT:
            raise WebSocketError(WSCloseCode.PROTOCOL_ERROR, "close code 1006 in a frame")
        super()._handle_frame(fin, opcode, payload, compressed)


class GatewayWebSocket(web.WebSocketResponse):
    """A WebSocket without extensions, as API Gateway offers it, that never waits for a slow client.

    `subprotocol` is sent back exactly as the $connect handler returned it, whether or not the client offered it.
    """

    def __init__(self, subprotocol: str | None = None) -> None:
        super().__init__(
            timeout=_CLOSE_WAIT,
            autoclose=False,  # so that a client's close frame is answered with its own code
            compress=False,
            protocols=(subprotocol,) if subprotocol else (),
            writer_limit=sys.maxsize,  # a full buffer is answered with 429, so a send must not wait for it to drain
        )
        if subprotocol:
            self.headers[hdrs.SEC_WEBSOCKET_PROTOCOL] = subprotocol

    def _post_start(self, request: web.BaseRequest, protocol: str | None, writer: WebSocketWriter) -> None:
        self._ws_protocol = protocol
        self._writer = writer
        loop = request._loop
        self._reader = WebSocketDataQueue(request._protocol, _READ_AHEAD, loop=loop)
        self._parser = LimitedReader(self._reader)
        request.protocol.set_parser(self._parser)
        request.protocol.keep_alive(False)

    def send_text(self, data: bytes) -> None:
        """Send one text frame; what the client does not take now waits in the transport's buffer.

        Raises:
            ConnectionError: the socket is closing.
        """
        writer = self._writer
        if writer is None or writer._closing:
            raise ConnectionResetError("the socket is closing")
        writer._write_websocket_frame(data, WSMsgType.TEXT, 0)  # what send_frame does, which is a coroutine

    def interrupt(self, ending: object) -> None:
        """Have the task that receives from this socket get an ERROR message with `ending` after those that wait.

        So it is always that task that closes, and it can wait for the client's answer; aiohttp's `close` from another
        task cuts the socket before the client has answered.
        """
        if self._reader is not None:
            self._reader.feed_data(WSMessage(WSMsgType.ERROR, ending, None), 0)

    @property
    def unsent(self) -> int:
        """Bytes that the client has not taken yet, beyond what its and our system's socket buffers hold."""
        writer = self._writer
        return writer.transport.get_write_buffer_size() if writer is not None else 0
