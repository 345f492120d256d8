"""One kept-alive connection to the service: a non-blocking socket, TLS on top where wanted, one request at a time."""

import os
import selectors
import socket

from ...cheap_typing import TYPE_CHECKING, Any
from ...http1 import AnswerReader
from ...transfers import name_for_tls, transfers
from .addresses import Address

if TYPE_CHECKING:
    import ssl

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE

# What a link is doing.
OPENING, IDLE, SENDING, RECEIVING, CLOSED = range(5)


class Link:
    """A connection and the request that is under way on it. The loop that made it owns it; not thread-safe.

    Attributes:
        since: when it began to do what it is doing.
        task: the broadcast whose request is under way.
        connection_id: whom that request is about.
        is_kept: whether it has carried an answer before, so that the far side may have closed it meanwhile.
        unsent: what the socket has not taken yet of the request.
        events: what the selector waits for.
    """

    __slots__ = (
        "_context",
        "_is_connected",
        "_name",
        "_session",
        "address",
        "connection_id",
        "events",
        "is_kept",
        "reader",
        "receive",
        "send",
        "since",
        "socket",
        "state",
        "task",
        "unsent",
    )

    def __init__(
        self,
        address: Address,
        name: str,
        now: float,
        context: "ssl.SSLContext | None" = None,
        session: "ssl.SSLSession | None" = None,
    ) -> None:
        """Begin to connect; `open` goes on with it.

        Raises:
            OSError: it failed at once.
        """
        self.address = address
        self.state = OPENING
        self.since = now
        self.task: Any = None
        self.connection_id = ""
        self.is_kept = False
        self.unsent: bytes | memoryview = b""
        self.events = WRITE
        self.reader = AnswerReader()
        self._name = name
        self._context = context
        self._session = session
        self._is_connected = False
        family, where = address
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self.socket.setblocking(False)
            # A request is one write: it must not wait for the acknowledgement of the one before.
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.connect(where)
        except BlockingIOError:
            pass
        except BaseException:
            self.socket.close()
            raise

    def open(self) -> int:
        """Go on connecting and shaking hands; return what to wait for before the next call, 0 when it is open.

        Raises:
            OSError: it failed.
        """
        if not self._is_connected:
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, error_text(error))
            self._is_connected = True
            if self._context is not None:
                self.socket = self._context.wrap_socket(
                    self.socket,
                    server_hostname=name_for_tls(self._name, self._context),
                    do_handshake_on_connect=False,
                    session=self._session,
                )
        if self._context is not None:
            import ssl

            try:
                self.socket.do_handshake()  # type: ignore[attr-defined]
            except ssl.SSLWantReadError:
                return READ
            except ssl.SSLWantWriteError:
                return WRITE
        self.receive, self.send = transfers(self.socket)
        return 0

    @property
    def session(self) -> "ssl.SSLSession | None":
        """What resumes this TLS session, which saves the next link half of the handshake's work."""
        return self.socket.session if self._context is not None else None  # type: ignore[attr-defined]

    def close(self) -> None:
        """Close the socket, without waiting for anything."""
        self.state = CLOSED
        self.task = None
        self.socket.close()


def error_text(number: int) -> str:
    """Return the words for an error of a socket; Windows keeps its own elsewhere than `os.strerror` looks."""
    texts: dict[int, str] = getattr(socket, "errorTab", {})
    return texts.get(number) or os.strerror(number)
