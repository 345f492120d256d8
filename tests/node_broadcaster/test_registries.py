"""The registries of the Node.js library, in Node's test runner, over real servers and in memory."""

import os
import re
import subprocess
from pathlib import Path

TESTS = Path(__file__).with_name("registries.test.mjs")


def run(registry):
    environment = {**os.environ, "BROADCASTER_REGISTRY": registry}
    command = ["node", "--no-warnings", "--test", "--test-reporter", "tap", TESTS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"^# pass (\d+)", done.stdout, re.MULTILINE)[1]) >= 7


def test_a_registry_on_a_server_keeps_to_the_contract(registry, node_modules):
    run(registry)


def test_the_memory_registry_keeps_to_the_contract(node_modules):
    run("memory://")
