"""The benches still work: the smallest run, with all its checks of what arrived."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import sink

ROOT = Path(__file__).parents[2]
SENDERS = ("this engine", "wrk, signs nothing", "aiohttp, our signing", "boto3, 32 threads", "boto3 in a loop")


def test_a_tiny_run_prints_every_sender_and_every_promise():
    if gone := sink.missing():
        pytest.skip(f"{' and '.join(gone)} not found; {sink.HOW_TO_GET}")
    words = [argument for sender in SENDERS for argument in ("--only", sender)]
    command = [sys.executable, "-m", "bench", "fan_out", "--quick", "--rounds", "1", "--messages", "200", *words]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stderr
    for sender in SENDERS:
        lines = re.findall(rf"^{sender} +\d", run.stdout, re.MULTILINE)
        assert len(lines) == 4, run.stdout  # one for each kind of message and answer
    for promise in ("engine to wrk", "messages/s", "import broadcaster", "first message", "memory", "ids read"):
        assert f"\n{promise}" in run.stdout
