"""The example backend in a process of its own. Nobody is connected, so it broadcasts to nobody and needs no gateway."""

import http.client
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse"


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def json(self):
        return json.loads(self.text)


class Backend:
    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None, **headers):
        """Send a request; a body that is neither text nor bytes is sent as JSON."""
        if body is not None and not isinstance(body, str | bytes):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def sign_in(self):
        """Return the Cookie header of a new session."""
        answer = self.ask("POST", "/session", {"user": "demo", "password": PASSWORD})
        assert answer.status == 204
        return answer.headers["Set-Cookie"].partition(";")[0]


@contextmanager
def running(*arguments, **variables):
    environment = {
        **os.environ,
        "AWS_REGION": "us-east-1",
        "WEBSOCKET_API_ID": "abc123xyz",
        "DEMO_PASSWORD": PASSWORD,
        **variables,
    }
    command = [sys.executable, "-m", "examples.backend", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        yield Backend(int(process.stdout.readline().rpartition(":")[2]))
        process.terminate()
        assert process.wait(60) in (0, -15)


@pytest.fixture(scope="module")
def backend():
    with running() as backend:
        yield backend


@pytest.fixture
def simulating_backend():
    """A backend that simulates runs from its start."""
    with running("--simulate", "2") as backend:
        yield backend


@pytest.fixture
def start_backend():
    """Starts a backend with further variables, for the time of a `with`."""
    return running


@pytest.fixture
def cookie(backend):
    return backend.sign_in()
