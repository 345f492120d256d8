"""The command that starts the example backend, with its users' mistakes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow  # each starts a backend

RIGHT = {"AWS_REGION": "us-east-1", "WEBSOCKET_API_ID": "abc123xyz", "DEMO_PASSWORD": "correct horse"}


@pytest.mark.parametrize(
    ("arguments", "changed", "said"),
    [
        ([], {"AWS_REGION": ""}, "AWS_REGION must be set"),
        ([], {"DEMO_PASSWORD": ""}, "DEMO_PASSWORD must be set: choose the password of the user 'demo'"),
        (["--simulate", "1000"], {}, "--simulate 1000 is not between 0 and 50"),
        (["--simulate", "nan"], {}, "--simulate nan is not between 0 and 50"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, changed, said):
    done = subprocess.run(
        [sys.executable, "-m", "examples.backend", "--port", "0", *arguments],
        cwd=ROOT,
        env={**os.environ, **RIGHT, **changed},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
