"""The README's Python runs as it stands; only the connection id is one that exists."""

import hmac
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUICK_START, BACKEND, FAILURES, AUTHORIZE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SECRET = "6b6f2d6e3a0c4d5f8e9a1b2c3d4e5f60"  # as long as one has to be

pytestmark = pytest.mark.usefixtures("backend_environment")


@pytest.fixture
def client(gateway):
    with gateway.connect() as client:
        yield client


@pytest.fixture
def connection_id(client):
    client.send({"action": "connection_id"})
    return client.receive().json()["connection_id"]


def test_the_quick_start_is_within_the_first_forty_lines():
    assert QUICK_START.splitlines()[-2] in README.splitlines()[:40]


def test_the_quick_start_prints_what_it_says(client, connection_id):
    code = QUICK_START.replace("L0SM9cOFvHcCIhw=", connection_id)
    done = subprocess.run([sys.executable, "-c", code + FAILURES], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "{'sent': 1, 'failed': 0, 'stale': 0}\n", done.stderr
    assert client.receive().json()["data"]["type"] == "run_started"


def test_the_backend_registers_broadcasts_and_authorizes(client, connection_id, tmp_path):
    (tmp_path / "readme_backend.py").write_text(BACKEND + AUTHORIZE)
    code = "import socket, uvicorn; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); "
    code += "uvicorn.Server(uvicorn.Config('readme_backend:app', log_level='warning')).run([s])"
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "BROADCASTER_SECRET": SECRET}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) as process:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        post(f"{url}/websocket/register", {"connection_id": connection_id})
        assert post(f"{url}/runs", {}) == {"sent": 1, "failed": 0, "stale": 0}
        assert {client.receive().json()["event"] for _ in range(2)} == {"log", "admin_event"}
        subscription = {"connection_id": connection_id, "channel": "admin"}
        signature = hmac.digest(SECRET.encode(), f"{connection_id}:admin".encode(), "sha256").hex()
        assert post(f"{url}/websocket/auth", subscription) == {"auth": signature}
        for wrong in ("", "L0SM9cOFvHcCIhw%3D", "../x", connection_id * 9):
            for path in ("register", "auth"):
                with pytest.raises(urllib.error.HTTPError) as refused:
                    post(f"{url}/websocket/{path}", {"connection_id": wrong, "channel": "admin"})
                assert refused.value.code == 422
                refused.value.close()
        process.terminate()


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_every_setting_and_output_of_the_stack_is_in_the_tables():
    code = "import json; from stacks.settings import Settings; print(json.dumps(list(Settings.__dataclass_fields__)))"
    tables = README + (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    for name in json.loads(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT)):
        assert f"| `{name}` |" in tables
