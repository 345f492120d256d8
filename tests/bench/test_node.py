"""The bench of the Node.js library still works: the smallest run, with its checks of what arrived."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import sink

ROOT = Path(__file__).parents[2]


def test_a_tiny_run_prints_both_senders_and_the_promise(install_node_modules):
    if gone := sink.missing():
        pytest.skip(f"{' and '.join(gone)} not found; {sink.HOW_TO_GET}")
    install_node_modules(ROOT / "node_broadcaster")
    command = [sys.executable, "-m", "bench", "node", "--rounds", "1", "--connections", "50"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert run.stderr == ""
    for sender in ("library", "sdk"):
        assert len(re.findall(rf"^{sender}, answers .* \d", run.stdout, re.MULTILINE)) == 2, run.stdout
    assert len(re.findall(r"^library to SDK, answers .* \d", run.stdout, re.MULTILINE)) == 2, run.stdout
