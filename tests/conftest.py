"""What all tests share: the synthesized stack, and that where CI runs them a skipped test is a failed one."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

# The first as an installed distribution's entry point does.
pytest_plugins = ["local_gateway.pytest_plugin", "tests.slow"]

ROOT = Path(__file__).parents[1]
CDK = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"

# An example's time says more about the machine than about the code.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")

# A shell lets what it runs in the background ignore Ctrl-C, and so would all that is started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("FAIL_ON_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and FAIL_ON_SKIP is set: {report.longrepr[-1]}"
    return report


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory):
    """Has the CDK CLI synthesize the stack with settings, as with `-c`, and returns the folder of the assembly."""

    def synthesize(**settings):
        if not CDK.exists():
            pytest.skip("the CDK CLI is not installed; run `npm ci`, or `python3 dev.py test`, which does")
        folder = tmp_path_factory.mktemp("assembly")
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        subprocess.run(
            ["node", CDK, "synth", "--quiet", "--no-notices", "--output", folder]
            + [word for name, value in settings.items() for word in ("-c", f"{name}={value}")],
            cwd=ROOT,
            env={**os.environ, "PATH": path},
            check=True,
            capture_output=True,
            timeout=100,
        )
        return folder

    return synthesize


@pytest.fixture(scope="session")
def assembly(slow, synthesized):
    """The stack with its defaults."""
    return synthesized()


@pytest.fixture(scope="session")
def npm(slow):
    """Runs npm in a folder and returns its output; skips the test, saying why, where that is not possible."""

    def run(*arguments, cwd):
        command = shutil.which("npm")
        if command is None:
            pytest.skip("npm was not found; install Node 20 or newer")
        done = subprocess.run([command, *arguments], cwd=cwd, capture_output=True, text=True)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "error" in line and "log of this run" not in line]
            pytest.skip(f"npm {arguments[0]} failed: {(errors or ['no output'])[0]}")
        return done.stdout

    return run


@pytest.fixture(scope="session")
def install_node_modules(npm):
    """Makes a folder's `node_modules` what its package-lock.json says; other test processes wait for it."""

    def install(folder):
        mark = folder / "node_modules" / ".made-from"
        digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
        (ROOT / ".dev").mkdir(exist_ok=True)
        with FileLock(ROOT / ".dev" / f"{folder.name}.lock"):
            if not mark.is_file() or mark.read_text() != digest:
                npm("ci", "--no-audit", "--no-fund", cwd=folder)
                mark.write_text(digest)
        return mark.parent

    return install


@pytest.fixture(scope="session")
def checkout(slow):
    """Skips the test where dev.py would first have to install everything."""
    if not all((ROOT / folder / ".made-from").exists() for folder in (".venv", "node_modules")):
        pytest.skip("dev.py has not set up this clone; run the tests with `python3 dev.py test`")
