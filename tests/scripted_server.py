"""An HTTP server on loopback that answers as it is told, for whatever asks a service of AWS."""

import contextlib
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Request(NamedTuple):
    """What the server was asked, and on which of its connections."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


class ScriptedServer:
    """An HTTP server that keeps what it was asked, and answers 200 unless `answers` holds something else to do first.

    An answer is a status, a status with headers and perhaps a body, or one of `"hang"` (say nothing), `"vanish"`
    (answer 200, then close the connection without a word), `"mutter"` (answer 200, then 408 to nobody, then set
    `has_muttered`), `"garble"` (answer something that is not HTTP).
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.answers: list[Any] = []
        self.has_muttered = threading.Event()
        self._released = threading.Event()
        self._connections: list[Any] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            timeout = 20

            def setup(self) -> None:
                super().setup()
                api._connections.append(self.connection)
                self.number = len(api._connections)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                api.requests.append(Request(self.command, self.path, dict(self.headers), body, self.number))
                api._answer(self, api.answers.pop(0) if api.answers else 200)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = (
                128  # with five, as it is by default, the kernel makes some of many callers wait a second
            )
            block_on_close = True
            daemon_threads = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that does not trust the certificate, or that hangs up

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/production"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def _answer(self, handler: BaseHTTPRequestHandler, answer: Any) -> None:
        if answer == "hang":
            self._released.wait(20)
            handler.close_connection = True
            return
        if answer == "garble":
            handler.wfile.write(b"220 mail.example.com ESMTP\r\n\r\n")
            handler.close_connection = True
            return
        status, headers, *body = (
            answer if isinstance(answer, tuple) else (200 if isinstance(answer, str) else answer, {})
        )
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(sum(map(len, body))))
        handler.end_headers()
        handler.wfile.write(b"".join(body))
        if answer == "vanish":
            handler.close_connection = True
        if answer == "mutter":
            handler.wfile.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            self.has_muttered.set()

    @property
    def connections(self) -> int:
        """How many connections clients have opened."""
        return len(self._connections)

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        for connection in self._connections:
            with contextlib.suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()
