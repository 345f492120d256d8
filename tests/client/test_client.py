"""The client's own tests, in Node's test runner, and its size."""

import re
import subprocess
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "client"
LARGEST = 5632  # bytes, minified and gzipped


def npm(*arguments):
    return subprocess.run(["npm", *arguments], cwd=CLIENT, capture_output=True, text=True, timeout=110)


@pytest.fixture(scope="module", autouse=True)
def installed(install_node_modules):
    install_node_modules(CLIENT)


def test_the_clients_own_tests_pass():
    done = npm("test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"^# pass (\d+)", done.stdout, re.MULTILINE)[1]) > 50
    assert re.search(r"^# skipped 0", done.stdout, re.MULTILINE)


def test_its_types_hold():
    done = npm("run", "types")
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_small():
    done = npm("run", "--silent", "size")
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) bytes gzipped", done.stdout)[1]) <= LARGEST
