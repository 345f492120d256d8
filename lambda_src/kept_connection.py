"""One HTTP connection that outlives the invocation that opened it.

Between two invocations Lambda freezes the process, and nobody tells it that the other side has hung up meanwhile. So
a kept connection is only ever a hope: what fails on it is tried once more on a fresh one.
"""

import select
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from broadcaster.http1 import Answer, AnswerReader, ProtocolError

if TYPE_CHECKING:
    import ssl

# Seconds without use after which a kept connection is not tried any more: one that a NAT gateway has forgotten
# swallows a request without a sign, and a handshake is cheaper than waiting for that. AWS publishes no idle time for
# `@connections`; NAT gateways forget after 350 s.
# https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
MAX_IDLE_SECONDS = 60.0

_READ_BYTES = 65_536


class KeptConnection:
    """A connection to one server, opened when it is first needed and kept for the next exchange.

    For one thread: Lambda runs one invocation at a time in a process. Making one for `https` costs tens of ms of CPU
    time, for `ssl` and the certificate authorities.

    Args:
        tls: to be used with `https` instead of a context of its own.
        clock: the time of day in seconds; a monotonic clock may stand still while the process is frozen.
    """

    def __init__(
        self,
        scheme: str,
        host: str,
        port: int,
        *,
        tls: "ssl.SSLContext | None" = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._host = host
        self._port = port
        self._clock = clock
        self._tls = (tls or tls_context()) if scheme == "https" else None
        self._socket: socket.socket | None = None
        self._used_at = 0.0

    def exchange(self, request: bytes, *, seconds: float) -> Answer:
        """Send `request`, which must bear being sent twice, and return the answer, in at most `seconds` altogether.

        A kept connection gets half of them, so that there is time for a fresh one. Name resolution is not counted:
        nothing in the standard library can cut it short.

        Raises:
            OSError: the server cannot be reached; TimeoutError if it did not answer in time.
            ProtocolError: what it answered is not HTTP.
        """
        deadline = time.monotonic() + seconds
        if self._socket and self._is_worth_trying(self._socket):
            try:
                return self._exchange_on(self._socket, request, deadline - seconds / 2)
            except (OSError, ProtocolError):
                pass  # it died while nobody looked
        self.close()
        self._socket = self._open(deadline)
        return self._exchange_on(self._socket, request, deadline)

    def close(self) -> None:
        """Close the connection if there is one; the next exchange opens another."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _is_worth_trying(self, kept: socket.socket) -> bool:
        # Something to read before anything was asked is the end of the stream, or an answer to nobody.
        return self._clock() - self._used_at < MAX_IDLE_SECONDS and not select.select([kept], [], [], 0)[0]

    def _exchange_on(self, connected: socket.socket, request: bytes, deadline: float) -> Answer:
        reader = AnswerReader()
        is_reusable = False
        try:
            connected.settimeout(_left(deadline))
            connected.sendall(request)
            answer = None
            while not answer:
                connected.settimeout(_left(deadline))
                data = connected.recv(_READ_BYTES)
                answer = reader.feed(data) if data else reader.eof()
            is_reusable = answer.keep_alive and reader.is_idle
            return answer
        finally:
            self._used_at = self._clock()
            if not is_reusable:
                self.close()

    def _open(self, deadline: float) -> socket.socket:
        # Not socket.create_connection, which gives each address of a name the whole time.
        refusal: OSError | None = None
        for family, kind, protocol, _, address in socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM):
            fresh = socket.socket(family, kind, protocol)
            try:
                fresh.settimeout(_left(deadline))
                fresh.connect(address)
                return self._tls.wrap_socket(fresh, server_hostname=self._host) if self._tls else fresh
            except OSError as error:
                fresh.close()
                refusal = error
        raise refusal or OSError(f"{self._host} has no address")


def tls_context() -> "ssl.SSLContext":
    """Return a context that trusts the authorities of the system; making one takes tens of ms of CPU time."""
    # Imported here because a local gateway speaks plain HTTP and needs none of it.
    import ssl

    return ssl.create_default_context()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left
