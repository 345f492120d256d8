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
