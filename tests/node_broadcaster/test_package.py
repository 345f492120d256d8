"""The Node.js library's own tests, in Node's test runner."""

import re
import subprocess
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "node_broadcaster"


def npm(*arguments):
    return subprocess.run(["npm", *arguments], cwd=PACKAGE, capture_output=True, text=True, timeout=110)


@pytest.fixture(scope="module", autouse=True)
def installed(node_modules):
    pass


def test_the_packages_own_tests_pass():
    done = npm("test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"^\S pass (\d+)", done.stdout, re.MULTILINE)[1]) > 60
    assert re.search(r"^\S skipped 0", done.stdout, re.MULTILINE)


def test_its_types_hold():
    done = npm("run", "types")
    assert done.returncode == 0, done.stdout + done.stderr
