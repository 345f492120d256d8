"""A server that speaks real HTTP(S) on loopback and misbehaves by script."""

import asyncio
import contextlib
import math
import socket
import ssl
import struct
import threading
from collections import Counter

import pytest
import trustme

from broadcaster.endpoint import Endpoint
from broadcaster.sending.engine import links

REASONS = {200: "OK", 410: "Gone", 429: "Too Many Requests"}
ERRORS = {
    403: "ForbiddenException",
    410: "GoneException",
    413: "PayloadTooLargeException",
    429: "LimitExceededException",
}


class HostileServer:
    """Serves in a thread of its own until it is closed.

    What it does with a request is named by `script(connection_id, attempt)`: a status (`"200"`, `"410"` …) or one of
    the misdeeds in `_act`. What it does with a new connection is named by `greet(number)`: `"ok"`, `"stall"` (never
    reads, never shakes hands), `"reset"` or `"close"`.
    """

    def __init__(self, tls=None, host="127.0.0.1"):
        self.script = lambda connection_id, attempt: "200"
        self.greet = lambda number: "ok"
        self.answer_after = 0.0
        self.attempts = Counter()
        self.requests = []  # (method, connection id, headers, body)
        self._opened = 0
        self.requests_by_connection = Counter()  # the first that was opened is 1
        self.open_now = 0
        self.most_at_once = 0
        self.body = b""
        self.headers = b""
        self.at_once = 0
        self.at_once_to = Counter()
        self.most_at_once_to_one = 0
        self._tls = tls
        self._tasks = set()
        self._stopping = threading.Event()
        self.host = host
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()

    @property
    def endpoint(self):
        name = "localhost" if self._tls else self.host
        return Endpoint("https" if self._tls else "http", name, self.port, "/production", "us-east-1")

    @property
    def opened(self):
        """How many connections have been opened so far, including those that have carried no request."""

        async def count():
            for _ in range(100):  # turns of the loop, for a connection that waits to be accepted
                await asyncio.sleep(0)
            return self._opened

        return asyncio.run_coroutine_threadsafe(count(), self._loop).result()

    @property
    def bodies(self):
        """What each connection has been sent, in order."""
        received = {}
        for _, connection_id, _, body in self.requests:
            received.setdefault(connection_id, []).append(body)
        return received

    def close_connections(self):
        """Close every open connection without a word, as a server or a firewall does with idle ones."""
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result()

    def close(self):
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._thread.join()

    def _run(self, started):
        asyncio.set_event_loop(self._loop)

        async def serve():
            self._server = await asyncio.start_server(self._serve, self.host, 0, backlog=1024)
            self.port = self._server.sockets[0].getsockname()[1]
            self._stopped = asyncio.Event()
            started.set()
            await self._stopped.wait()

        self._loop.run_until_complete(serve())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _stop(self):
        for listening in self._server.sockets:
            self._loop.remove_reader(listening)
        for _ in range(100):  # turns of the loop: what was accepted just now begins, is ended, and its socket closed
            await asyncio.sleep(0)
            await self._cancel_all()
        self._server.close()  # not before: asyncio never closes what was accepted and then finds it closed
        self._stopped.set()

    async def _cancel_all(self):
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self._opened += 1
        self.open_now += 1
        try:
            await self._converse(self._opened, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self.open_now -= 1
            self._tasks.discard(task)
            writer.transport.abort()

    async def _converse(self, number, reader, writer):
        greeting = self.greet(number)
        if greeting == "stall":
            writer.transport.pause_reading()
            await asyncio.sleep(3600)
        if greeting == "reset":
            _reset(writer)
        if greeting != "ok":
            return
        if self._tls is not None:
            await writer.start_tls(self._tls, ssl_handshake_timeout=3600)
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = dict(line.split(": ", 1) for line in head[1:-2])
            body = await reader.readexactly(int(headers.get("Content-Length", 0)))
            connection_id = target.rpartition("/")[2].replace("%3D", "=")
            self.attempts[connection_id] += 1
            self.requests_by_connection[number] += 1
            self.requests.append((method, connection_id, headers, body))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.at_once_to[connection_id] += 1
            self.most_at_once_to_one = max(self.most_at_once_to_one, self.at_once_to[connection_id])
            try:
                if self.answer_after:
                    await asyncio.sleep(self.answer_after)
                deed = self.script(connection_id, self.attempts[connection_id])
            finally:
                self.at_once -= 1
                self.at_once_to[connection_id] -= 1
            if not await self._act(deed, writer):
                return

    async def _act(self, deed, writer):
        """Do the deed; return whether the connection goes on."""
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        match deed:
            case "close":  # without an answer
                return False
            case "reset":
                _reset(writer)
                return False
            case "close-in-head":
                writer.write(whole[:20])
            case "close-in-body":
                writer.write(whole[:-2])
            case "close-in-chunk":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
            case "garbage":
                writer.write(b"\x16\x03\x01 what is this?\r\n\r\n")
            case "huge":
                writer.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")
            case "hang":
                await asyncio.sleep(3600)
            case "until-close":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
            case "close-announced":
                writer.write(whole.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            case "close-unannounced":
                writer.write(whole)
            case "slowly":
                for at in range(len(whole)):
                    writer.write(whole[at : at + 1])
                    await asyncio.sleep(0)
                return True
            case "chunked":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nh\r\n")
                await asyncio.sleep(0)
                writer.write(b"4\r\nello\r\n0\r\nTrailer: x\r\n\r\n")
                return True
            case "interim":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + whole)
                return True
            case "large-headers":
                writer.write(whole.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 30_000 + b"\r\n\r\n"))
                return True
            case status:
                code = int(status)
                error = f"x-amzn-ErrorType: {ERRORS[code]}\r\n".encode() if code in ERRORS else b""
                start = f"HTTP/1.1 {code} {REASONS.get(code, 'Reason')}\r\nConnection: keep-alive\r\n".encode()
                length = b"" if code == 204 else b"Content-Length: %d\r\n" % len(self.body)
                writer.write(start + error + self.headers + length + b"\r\n" + self.body)
                return True
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
            await asyncio.sleep(0.01)
        return False


def _reset(writer):
    """Close so that the far side sees a reset instead of an end."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A certificate authority of the tests' own, and the path of its certificate."""
    ca = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    ca.path = str(path)
    return ca


@pytest.fixture(scope="session")
def server_tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def server():
    """A plain HTTP server."""
    running = HostileServer()
    yield running
    running.close()


@pytest.fixture
def tls_server(server_tls):
    running = HostileServer(server_tls)
    yield running
    running.close()


@pytest.fixture
def start_server():
    """Start further servers: `start_server(tls=…, host=…)`."""
    running = []

    def start(**options):
        running.append(HostileServer(**options))
        return running[-1]

    yield start
    for one in running:
        one.close()


@pytest.fixture
def aws_keys(monkeypatch):
    """Keys in the environment, and nothing else that botocore might find."""
    for name in ("AWS_PROFILE", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def no_slow_links(monkeypatch):
    """Let no link count as slow: the engine opens another beside a slow one, so their number depends on the machine."""
    monkeypatch.setattr(links, "STUCK_AFTER", math.inf)
    monkeypatch.setattr(links, "SLOW_OPENING_AFTER", math.inf)
