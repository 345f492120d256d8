"""HTTP connections to one server that are kept from one exchange to the next.

Nobody tells a process when the far side has hung up on a connection that it keeps, least of all a Lambda, which is
frozen between two invocations. So a kept connection is only ever a hope: what fails on it is tried once more on a
fresh one.
"""

import os
import socket
from collections.abc import Callable

from ..cheap_typing import TYPE_CHECKING
from ..http1 import Answer, AnswerReader, ProtocolError
from ..transfers import name_for_tls, plain_name, receive_or_end, transfers
from .address import Endpoint
from .at_once import READ, WRITE, is_readable
from .retries import Time

if TYPE_CHECKING:
    import ssl

    from .at_once import Exchange

# Seconds without use after which a kept connection is not tried any more: one that a NAT gateway has forgotten
# swallows a request without a sign, and a handshake is cheaper than waiting for that. AWS publishes no idle time for
# its services; NAT gateways forget after 350 s.
# https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
MAX_IDLE_SECONDS = 60.0
MOST_KEPT = 16

_CONNECT_SECONDS = 1.0  # for each address of a name
_READ_BYTES = 65_536


class _Connection:
    """A socket, how to use it without waiting, and the reader of its answers."""

    __slots__ = ("reader", "receive", "send", "socket", "used_at")

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.reader = AnswerReader()
        self.used_at = 0.0

    def begin(self) -> None:
        """Keep how the socket is read and written; call this once it is connected and TLS is established."""
        self.receive, self.send = transfers(self.socket)


class KeptConnections:
    """The connections to one server: opened when they are needed, kept for the next exchange.

    Thread-safe. A forked child begins without any and closes its copies of its parent's.

    Args:
        tls: makes what is needed for `https`; called once, at the first connection. Making one takes tens of ms.
    """

    def __init__(self, endpoint: Endpoint, *, tls: "Callable[[], ssl.SSLContext]", time: Time) -> None:
        self._endpoint = endpoint
        self._make_context = tls
        self._context: ssl.SSLContext | None = None
        self._time = time
        # By process: those that wait for an exchange, and all that are open.
        self._pools: dict[int, tuple[list[_Connection], set[_Connection]]] = {}

    def exchange(self, request: bytes, *, seconds: float) -> "Exchange[Answer]":
        """Send `request`, which must bear being sent twice, and return the answer, in at most `seconds` altogether.

        A kept connection gets half of them, so that there is time for a fresh one. Name resolution is not counted:
        nothing in the standard library can cut it short.

        Raises:
            OSError: the server cannot be reached; TimeoutError if it did not answer in time.
            ProtocolError: what it answered is not HTTP.
        """
        deadline = self._time.clock() + seconds
        if kept := self._take():
            try:
                return (yield from self._exchange_on(kept, request, deadline - seconds / 2))
            except (OSError, ProtocolError):
                pass  # it died while nobody looked
        fresh = yield from self._open(deadline)
        return (yield from self._exchange_on(fresh, request, deadline))

    def close(self) -> None:
        """Close the connections that wait; the next exchange opens others."""
        idle, _ = self._pool()
        while idle:
            self._drop(idle.pop())

    def _pool(self) -> tuple[list[_Connection], set[_Connection]]:
        # No lock, which a fork could leave locked: each of these operations is one step for other threads.
        process = os.getpid()
        pool = self._pools.get(process)
        if pool is None:
            pool = self._pools.setdefault(process, ([], set()))
            for other in [each for each in self._pools if each != process]:
                for connection in self._pools.pop(other, ((), ()))[1]:
                    connection.socket.close()
        return pool

    def _take(self) -> _Connection | None:
        idle, _ = self._pool()
        while True:
            try:
                connection = idle.pop()
            except IndexError:
                return None
            # Something to read before anything was asked is the end of the stream, or an answer to nobody.
            if self._time.now() - connection.used_at < MAX_IDLE_SECONDS and not is_readable(connection.socket):
                return connection
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        self._pool()[1].discard(connection)
        connection.socket.close()

    def _exchange_on(self, connection: _Connection, request: bytes, deadline: float) -> "Exchange[Answer]":
        is_reusable = False
        try:
            while request:
                try:
                    request = request[connection.send(request) :]
                except OSError as error:
                    yield connection.socket, _awaited(error, WRITE), deadline
            yield connection.socket, READ, deadline
            answer = None
            while answer is None:
                try:
                    data = receive_or_end(connection.receive, _READ_BYTES)
                except OSError as error:
                    # Only then: what TLS has taken off the socket already, no waiting shows.
                    yield connection.socket, _awaited(error, READ), deadline
                else:
                    answer = connection.reader.feed(data) if data else connection.reader.eof()
            is_reusable = answer.keep_alive and connection.reader.is_idle
            return answer
        finally:
            idle, _ = self._pool()
            if is_reusable and len(idle) < MOST_KEPT:
                connection.used_at = self._time.now()  # a monotonic clock may stand still while the process is frozen
                idle.append(connection)
            else:
                self._drop(connection)

    def _open(self, deadline: float) -> "Exchange[_Connection]":
        host, port = self._endpoint.host, self._endpoint.port
        if self._endpoint.scheme == "https" and self._context is None:
            self._context = self._make_context()
        refusal: OSError | None = None
        for family, kind, protocol, _, address in socket.getaddrinfo(plain_name(host), port, type=socket.SOCK_STREAM):
            connection = _Connection(socket.socket(family, kind, protocol))
            self._pool()[1].add(connection)
            is_open = False
            try:
                yield from self._connect(connection, address, min(deadline, self._time.clock() + _CONNECT_SECONDS))
                if self._context:
                    yield from _shake_hands(connection, self._context, host, deadline)
                connection.begin()
                is_open = True
            except OSError as error:
                refusal = error
            else:
                return connection
            finally:
                if not is_open:
                    self._drop(connection)
        raise refusal or OSError(f"{host} has no address")

    def _connect(self, connection: _Connection, address: "tuple[object, ...]", until: float) -> "Exchange[None]":
        connection.socket.setblocking(False)
        # A request is one write: it must not wait for the acknowledgement of the one before.
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection.socket.connect(address)
        except BlockingIOError:
            yield connection.socket, WRITE, until
            if code := connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, os.strerror(code)) from None


def _shake_hands(connection: _Connection, tls: "ssl.SSLContext", host: str, deadline: float) -> "Exchange[None]":
    secured = tls.wrap_socket(connection.socket, server_hostname=name_for_tls(host, tls), do_handshake_on_connect=False)
    connection.socket = secured
    while True:
        try:
            return secured.do_handshake()
        except OSError as error:
            yield secured, _awaited(error, READ), deadline


def _awaited(error: OSError, usual: int) -> int:
    """Return what to wait for where a socket could not go on at once; raise what is any other error."""
    if isinstance(error, BlockingIOError):
        return usual
    # By name, because a local gateway speaks plain HTTP and needs nothing of ssl.
    events = {"SSLWantReadError": READ, "SSLWantWriteError": WRITE}.get(type(error).__name__)
    if events is None:
        raise error
    return events
