"""The tour against a backend and a gateway that answer wrongly: one sentence says which step failed."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from websockets.sync.server import serve

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow  # each starts a backend


@pytest.fixture
def gateway_that_says():
    """Starts a WebSocket server that answers each frame with the next of these texts."""
    servers = []

    def start(*texts):
        left = list(texts)

        def answer(socket):
            for _ in socket:
                while left:
                    socket.send(left.pop(0))

        server = serve(answer, "127.0.0.1", 0)
        threading.Thread(target=server.serve_forever).start()
        servers.append(server)
        return f"ws://127.0.0.1:{server.socket.getsockname()[1]}/production"

    yield start
    for server in servers:
        server.shutdown()


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["Internal server error"], "expected the frame to be a JSON object, got 'Internal server error'"),
        (["[]"], "expected the frame to be a JSON object, got '[]'"),
        (['{"message": "Internal server error", "connectionId": "x"}'], "expected a frame of type connection_id"),
        (
            ['{"type":"connection_id"}', '{"type":"subscription_succeeded"}'],
            '/websocket/register was answered with 422: {"detail":"',
        ),
    ],
)
def test_a_frame_that_is_not_what_is_expected_is_one_sentence(backend, gateway_that_says, texts, said):
    addresses = ["--websocket", gateway_that_says(*texts), "--backend", f"http://127.0.0.1:{backend.port}"]
    done = subprocess.run(
        [sys.executable, "-m", "examples.tour", *addresses],
        cwd=ROOT,
        env={**os.environ, "DEMO_PASSWORD": "correct horse"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.startswith("failed: ")
    assert done.stderr.count("\n") == 1
