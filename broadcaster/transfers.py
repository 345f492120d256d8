"""How a socket that does not wait is read and written, with or without TLS, and how it is told a host's name."""

from .cheap_typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    Receive = Callable[[int], bytes]
    Send = Callable[[bytes | memoryview], int]


def transfers(connected: "socket.socket") -> "tuple[Receive, Send]":
    """Return the functions that read and write a connected socket as `recv` and `send` do; call it after the handshake.

    Those of Python's TLS sockets are Python around a C object, six calls for each message that check what is known
    here: without them a message takes 6 to 10 % less. `SSLWantReadError` and `SSLWantWriteError` tell what to wait for.
    """
    tls: Any = getattr(connected, "_sslobj", None)
    return (connected.recv, connected.send) if tls is None else (tls.read, tls.write)


def receive_or_end(receive: "Receive", count: int) -> bytes:
    """Receive, and return b"" for an end without TLS's own goodbye too, which is an error to the C object."""
    try:
        return receive(count)
    except OSError as error:
        if type(error).__name__ != "SSLEOFError":
            raise
        return b""


def plain_name(name: str) -> str | bytes:
    """Return a host's name as bytes if it is ASCII: for text Python imports its tables of international names.

    That takes 3 ms, and a child that is forked meanwhile could never look up a name.
    """
    return name.encode() if name.isascii() else name


def name_for_tls(name: str, context: "ssl.SSLContext") -> str | bytes:
    """Return a host's name as `wrap_socket` takes it: as `plain_name`, but gevent and eventlet want text."""
    return plain_name(name) if type(context).__module__ == "ssl" else name
