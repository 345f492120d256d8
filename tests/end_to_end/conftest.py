"""The real stack, synthesized by the real CDK CLI, behind the local gateway."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CDK = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"


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
def gateway(assembly, local_gateway_factory):
    """A gateway that serves the stack to every test here."""
    return local_gateway_factory(template=assembly)


@pytest.fixture
def backend_environment(gateway, monkeypatch):
    """What `dev.py run` gives to the backend: local keys, and AWS's variable for the management API."""
    gateway.set_environment(monkeypatch)
