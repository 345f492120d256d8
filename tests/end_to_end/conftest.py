"""The real stack, synthesized by the real CDK CLI, behind the local gateway in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
CDK = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"


class Urls(NamedTuple):
    websocket: str
    connections: str


@pytest.fixture(scope="session")
def assembly(tmp_path_factory):
    if not CDK.exists():
        pytest.skip("the CDK CLI is not installed; run `npm ci`, or `python3 dev.py test`, which does")
    folder = tmp_path_factory.mktemp("assembly")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(
        ["node", CDK, "synth", "--quiet", "--no-notices", "--output", folder],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        check=True,
        capture_output=True,
        timeout=100,
    )
    return folder


@pytest.fixture(scope="session")
def keys():
    return {
        "AWS_ACCESS_KEY_ID": "LOCALEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@pytest.fixture(scope="session")
def gateway(assembly, keys):
    """The addresses of a gateway that serves the stack."""
    command = [sys.executable, "-m", "local_gateway", "--assembly", assembly, "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **keys}, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline().split() for _ in Urls._fields]
        assert [word for word, _ in lines] == list(Urls._fields)
        yield Urls(*(url for _, url in lines))
        process.terminate()
        assert process.wait(10) == 0


@pytest.fixture
def backend_environment(gateway, keys, monkeypatch):
    """What `dev.py run` gives to the backend: local keys, and AWS's variable for the management API."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**keys, "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": gateway.connections}.items():
        monkeypatch.setenv(name, value)
