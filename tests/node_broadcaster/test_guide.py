"""The JavaScript of the package's README runs as it stands, against the real stack; only the connection ids exist."""

import json
import os
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "node_broadcaster"
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
QUICK_START, MODULE, BACKEND, BROADCAST, FAILURES = re.findall(r"```js\n(.*?)```", README, re.DOTALL)

# As much of Express as the README uses.
APP = """
const routes = {};
const app = { post: (path, route) => (routes[path] = route) };
const { createServer } = require('node:http');
const server = createServer(async (request, response) => {
  const parts = await request.toArray();
  const json = (value) => response.end(JSON.stringify(value));
  await routes[request.url]({ body: JSON.parse(Buffer.concat(parts)) }, { json });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


@pytest.fixture(scope="module")
def gateway(assembly, local_gateway_factory):
    return local_gateway_factory(template=assembly)


@pytest.fixture
def client(gateway):
    with gateway.connect() as client:
        yield client


@pytest.fixture
def connection_id(client):
    client.send({"action": "connection_id"})
    return client.receive().json()["connection_id"]


@pytest.fixture
def folder(tmp_path, gateway, monkeypatch):
    """An application's folder, with the package and the module of its own."""
    gateway.set_environment(monkeypatch)
    monkeypatch.delenv("BROADCASTER_REGISTRY", raising=False)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "apigw-broadcaster").symlink_to(PACKAGE, target_is_directory=True)
    (tmp_path / "broadcaster.js").write_text(MODULE)
    return tmp_path


def run(folder, code):
    (folder / "example.js").write_text(code)
    done = subprocess.run(["node", "example.js"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", [QUICK_START, BROADCAST], ids=["quick start", "test a broadcast"])
def test_an_example_prints_what_it_says_and_the_browser_hears_it(example, folder, client, connection_id):
    assert "// { sent: 1, failed: 0, stale: 0 }" in example
    assert run(folder, example.replace("L0SM9cOFvHcCIhw=", connection_id)) == "{ sent: 1, failed: 0, stale: 0 }\n"
    received = client.receive().json()
    assert (received["channel"], received["event"]) == ("admin", "admin_event")
    assert received["data"]["type"] == "run_started"


def test_the_backend_registers_and_broadcasts(folder, client, connection_id):
    (folder / "example.js").write_text(APP + BACKEND)
    with subprocess.Popen(
        ["node", "example.js"], cwd=folder, env=os.environ, stdout=subprocess.PIPE, text=True
    ) as process:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        assert post(f"{url}/websocket/register", {"connection_id": connection_id}) == {"success": True}
        assert post(f"{url}/runs", {}) == {"sent": 1, "failed": 0, "stale": 0}
        assert client.receive().json()["data"]["run_name"] == "My Workflow"
        process.terminate()


def test_failures_are_read_as_it_says(folder):
    failure = {"connectionId": "L0SM9cOFvHcCIhw=", "reason": "HTTP 413", "status": 413}
    code = f"const result = {{ failures: [{json.dumps(failure)}] }};\n{FAILURES}"
    assert run(folder, code) == "L0SM9cOFvHcCIhw= HTTP 413 413\n"


def test_every_function_and_setting_is_in_the_tables():
    types = (PACKAGE / "index.d.ts").read_text(encoding="utf-8")
    functions = re.findall(r"^export (?:const|function) (\w+)", types, re.MULTILINE)
    settings = re.findall(
        r"^  (\w+)\?: [^(\n]*\| undefined;$", types[: types.index("export interface Failure")], re.MULTILINE
    )
    assert len(functions) == 10
    assert len(settings) == 12
    for name in functions:
        assert f"| `{name}(" in README
    for name in settings:
        assert re.search(rf"^\|[^|]*`{name}`[^|]*\|", README, re.MULTILINE), name


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
