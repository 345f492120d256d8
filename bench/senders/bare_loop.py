"""The least that Python can do: TLS sockets, a selector, one request that was signed before, no look at the answer.

What this costs is TLS, the kernel and the interpreter between them; `profile` takes it off what the engine costs.
"""

import selectors
import socket
import ssl
from urllib.parse import urlsplit

from ..message import HeaderSigner

_CONNECTIONS = 256  # as many as the engine has


class Sender:
    """See `senders.Sender`."""

    def __init__(self, url: str, authority: str) -> None:
        self._host = urlsplit(url).netloc
        context = ssl.create_default_context(cafile=authority)
        self._sockets = []
        self._selector = selectors.DefaultSelector()
        for _ in range(_CONNECTIONS):
            plain = socket.create_connection(("127.0.0.1", urlsplit(url).port))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wrapped = context.wrap_socket(plain, server_hostname="localhost")
            wrapped.setblocking(False)
            self._sockets.append(wrapped)
            self._selector.register(wrapped, selectors.EVENT_READ)

    def send(self, stage: str, body: bytes, connection_ids: list[str]) -> None:
        """See `senders.Sender`; every post is to the first of the connections."""
        wire = HeaderSigner(self._host, stage, body).request(connection_ids[0]) + body
        begun = min(len(self._sockets), len(connection_ids))
        left, waiting = len(connection_ids) - begun, begun
        for each in self._sockets[:begun]:
            each.send(wire)
        while waiting:
            for key, _ in self._selector.select():
                each = key.fileobj  # type: ignore[assignment]
                try:
                    answer = each.recv(16_384)
                except ssl.SSLWantReadError:
                    continue
                if not answer.startswith(b"HTTP/1.1 200 "):
                    raise RuntimeError(answer)
                if left:
                    left -= 1
                    each.send(wire)
                else:
                    waiting -= 1

    def close(self) -> None:
        """See `senders.Sender`."""
        for each in self._sockets:
            each.close()
        self._selector.close()
