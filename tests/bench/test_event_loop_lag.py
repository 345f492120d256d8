"""The bench of the event loop's lag still works: the smallest run, with its checks of what arrived."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import event_loop_lag, sink

ROOT = Path(__file__).parents[2]


def test_a_tiny_run_prints_every_contender_and_the_figure():
    if gone := sink.missing():
        pytest.skip(f"{' and '.join(gone)} not found; {sink.HOW_TO_GET}")
    command = [sys.executable, "-m", "bench", "lag", "--rounds", "1", "--messages", "300", "--boto3-messages", "40"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert run.stderr == ""
    for contender in ("idle", "AsyncBroadcaster", "boto3 in 32 threads"):
        assert len(re.findall(rf"^{contender} +[\d.]+ ", run.stdout, re.MULTILINE)) == 2
    assert re.search(r"^p99 lag .* ms ", run.stdout, re.MULTILINE)


def test_the_figure_is_what_the_other_process_does_not_explain():
    quiet, busy = [0.0001] * 990 + [0.02] * 10, [0.0001] * 950 + [0.003] * 35 + [0.02] * 15
    assert event_loop_lag.above(quiet, quiet) == 0.0001
    assert event_loop_lag.above(busy, quiet) == 0.003
