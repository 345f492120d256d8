"""The bench of broadcasts to a few still works, with all its checks of who was reached."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import sink

ROOT = Path(__file__).parents[2]
SENDERS = ("sync, memory", "sync, redis", "sync, dynamodb", "asyncio, dynamodb", "boto3, posts alone", "boto3, two")


def test_a_tiny_run_prints_every_sender_and_every_promise():
    if gone := [*sink.missing(), *(() if shutil.which("redis-server") else ("redis-server",))]:
        pytest.skip(f"{' and '.join(gone)} not found; {sink.HOW_TO_GET} redis-server")
    words = [argument for sender in SENDERS for argument in ("--only", sender)]
    command = [sys.executable, "-m", "bench", "few", "--rounds", "1", "--share", "0.01", *words]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    for sender in SENDERS:
        assert re.search(rf"^{sender}.*(?: +[\d,]+){{4}}$", run.stdout, re.MULTILINE), run.stdout + run.stderr
    assert len(re.findall(r"^boto3.* to sync, .* x +\d", run.stdout, re.MULTILINE)) == 5, run.stdout
    assert run.returncode in (0, 1), run.stderr  # 1: something is dearer than promised, as a run of this size may be
