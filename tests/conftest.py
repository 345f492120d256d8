"""What all tests share: the synthesized stack, and that where CI runs them a skipped test is a failed one."""

import os
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

# As an installed distribution's entry point does.
pytest_plugins = ["local_gateway.pytest_plugin"]

ROOT = Path(__file__).parents[1]
CDK = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"

# An example's time says more about the machine than about the code.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("FAIL_ON_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and FAIL_ON_SKIP is set: {report.longrepr[-1]}"
    return report


@pytest.fixture(scope="session")
def assembly(tmp_path_factory):
    """The stack as the CDK CLI synthesizes it."""
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
