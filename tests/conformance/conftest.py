"""A gateway with a small function, and JavaScript's clients in a `node_modules` of their own."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def answer(event, context):
    """Let everybody in, tell a connection its id, and send anything else back."""
    body = event.get("body")
    return {"statusCode": 200, "body": event["requestContext"]["connectionId"] if body == "id" else body}


@pytest.fixture(scope="session")
def gateway(local_gateway_factory):
    return local_gateway_factory(handler=answer)


@pytest.fixture
def connected(gateway):
    """A client and its connection id."""
    with gateway.connect() as client:
        client.send("id")
        yield client, str(client.receive())


@pytest.fixture(scope="session")
def node_modules():
    """The folder that package-lock.json describes, installed once."""
    folder = HERE / "node_modules"
    mark = folder / ".made-from"
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if not mark.is_file() or mark.read_text() != digest:
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm was not found; install Node 20 with npm")
        ran = subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=HERE, capture_output=True, text=True)
        if ran.returncode:
            last = [line for line in ran.stderr.splitlines() if line.strip()][-1:]
            pytest.skip(f"npm could not install the clients of JavaScript: {''.join(last)}")
        mark.write_text(digest)
    return folder
