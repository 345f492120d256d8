"""How long a client that has missed messages takes to have them, through the local gateway and a backend's endpoint."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from broadcaster import MemoryRegistry
from broadcaster.history.choose import History

from .few_sender import DATA
from .gateway import connect, started_gateway
from .gateway_clients import text_frame

MISSED = 500
SUBSCRIBE = json.dumps({"action": "subscribe", "channel": "logs"})


def reconnections(times: int) -> list[float]:
    """Return the seconds of each, from opening the connection to the last of the missed messages."""
    history = History({"logs": 2_000}, 3_600, MemoryRegistry())
    before = history.position("logs")._asdict()
    for number in range(MISSED):
        message = {"channel": "logs", "event": "log", "data": DATA, "id": f"{number:016x}"}
        history.append("logs", json.dumps(message, separators=(",", ":")).encode(), token=str(number))
    with started_gateway() as (_, websocket, _), endpoint(history) as port:
        return [reconnect(websocket, port, before) for _ in range(times + 1)][1:]  # the first waits for the function


def reconnect(websocket: str, port: int, since: dict[str, object]) -> float:
    """Connect, ask for the connection id, subscribe, and then read; return the seconds."""
    began = time.perf_counter()
    with connect(websocket) as client:
        for frame in ("id", SUBSCRIBE):
            client.sendall(text_frame(frame))
            client.recv(4096)
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        asked.request("POST", "/", json.dumps({"channel": "logs", "since": since}))
        answer = json.loads(asked.getresponse().read())
        asked.close()
    seconds = time.perf_counter() - began
    numbers = [message["seq"] for message in answer["messages"]]
    if not answer["recovered"] or numbers != list(range(1, MISSED + 1)):
        raise RuntimeError(f"{len(numbers)} messages came, recovered: {answer['recovered']}")
    return seconds


@contextlib.contextmanager
def endpoint(history: History) -> Iterator[int]:
    """Serve the history over HTTP, as a backend does."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sent = json.dumps(history.read(request["channel"], since=request["since"])).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()
