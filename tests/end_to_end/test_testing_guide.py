"""The examples of docs/testing.md run as they stand, each as a test file of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "testing.md").read_text(encoding="utf-8"), re.DOTALL)


OPTIONS = ["--strict-markers", "-oasyncio_default_fixture_loop_scope=function"]


@pytest.mark.parametrize("number", range(4))
def test_an_example_passes(number, tmp_path):
    assert len(EXAMPLES) == 4
    (tmp_path / "test_example.py").write_text(EXAMPLES[number], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-W", "error", "-p", "local_gateway.pytest_plugin", *OPTIONS],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
