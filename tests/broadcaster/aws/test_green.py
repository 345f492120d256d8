"""AWS's services over TLS under gevent and eventlet: each in a process of its own, because they change it whole."""

import json
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from tests.scripted_server import ScriptedServer

ROOT = Path(__file__).parents[3]
GREEN = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import warnings; warnings.simplefilter('ignore'); import eventlet; eventlet.monkey_patch()",
    "neither": "",
}
CODE = """
from broadcaster.registries.dynamodb import DynamoDBRegistry
registry = DynamoDBRegistry("connections", region="us-east-1", scope="x")
registry.add("L0SM9cOFvHcCIhw=")
print([list(registry.pages("admin")) for _ in range(3)])
registry.close()
"""


@pytest.mark.slow
@pytest.mark.usefixtures("aws_keys")
@pytest.mark.parametrize("kind", GREEN)
def test_two_lists_are_read_at_once_over_tls(kind, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = ScriptedServer(context)
    page = json.dumps({"Items": [{"sk": {"S": "L0SM9cOFvHcCIhw="}}]}).encode()
    server.answers = [(200, {}, b"{}"), *[(200, {}, page)] * 20]
    variables = {
        "AWS_ENDPOINT_URL_DYNAMODB": f"https://localhost:{server.port}",
        "AWS_CA_BUNDLE": str(tmp_path / "ca.pem"),
        "PYTHONWARNINGS": "default",
    }
    run = subprocess.run(
        [sys.executable, "-c", f"{GREEN[kind]}\n{CODE}"],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    server.close()
    assert run.stdout == f"{[[['L0SM9cOFvHcCIhw=']]] * 3}\n", run.stderr
    assert server.connections == 4  # as many as lists, those from before deployments were kept apart among them


NATIVE_THREAD = """
from gevent import monkey; monkey.patch_all()
import select, socket
import gevent
from broadcaster.aws.address import parse_url
from broadcaster.aws.at_once import run_at_once
from broadcaster.aws.kept_connections import KeptConnections
from broadcaster.aws.retries import Time

connections = []

def serve(listener):
    while connections.append(listener.accept()[0]) is None:
        gevent.spawn(answer, connections[-1])

def answer(connection):
    while connection.recv(4096):
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")

def ask():
    request = b"POST / HTTP/1.1\\r\\nContent-Length: 0\\r\\n\\r\\n"
    [got] = run_at_once([kept.exchange(request, seconds=5)], most=1, time=Time())
    return got.status

listener = socket.create_server(("127.0.0.1", 0))
gevent.spawn(serve, listener)
url = f"http://127.0.0.1:{listener.getsockname()[1]}"
kept = KeptConnections(parse_url(url, "us-east-1", name="url", example=""), tls=None, time=Time())
print(ask())
connections[0].sendall(b"HTTP/1.1 408 Request Timeout\\r\\nContent-Length: 0\\r\\n\\r\\n")
[waiting], _ = kept._pool()
select.select([waiting.socket], [], [])
print(gevent.get_hub().threadpool.apply(ask))
"""


def test_an_answer_to_nobody_is_seen_in_a_native_thread_beside_gevent():
    code = [sys.executable, "-c", NATIVE_THREAD]
    run = subprocess.run(code, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout == "200\n200\n", run.stderr
