"""The example of docs/publishing.md runs as it stands; its figures and reasons are those of the code."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from broadcaster.publishing.closing import SECONDS
from broadcaster.publishing.courier import UNWATCHED_SECONDS
from broadcaster.publishing.lanes import LANE_BYTES
from broadcaster.publishing.ledger import Ledger
from broadcaster.publishing.settings import DEFAULT_MAX_AGE, DEFAULT_QUEUE, DEFAULT_WINDOW
from broadcaster.sending.defaults import DEFAULT_TIMEOUT
from tests.broadcaster.publishing.received import heard

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "publishing.md").read_text(encoding="utf-8")
[EXAMPLE] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
VIEWER = "L0SM9cOFvHcCIhw="


@pytest.mark.usefixtures("aws_keys")
def test_the_example_runs_as_it_stands(server):
    register = f"\nfrom broadcaster import register_connection\nregister_connection({VIEWER!r})\n"
    made, published = EXAMPLE.split("\n\n", 2)[1], EXAMPLE.split("\n\n", 2)[2]
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLE.split("\n\n", 1)[0] + "\n" + made + register + published],
        cwd=ROOT,
        env={**os.environ, "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": server.endpoint.url},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    is_out, stats = done.stdout.splitlines()
    assert is_out == "True"
    assert stats.startswith("PublisherStats(queued=0, events=2, messages=2")
    assert sorted(channel for channel, _, _ in heard(server, VIEWER)) == ["admin", "logs"]


def test_every_reason_is_in_the_table():
    assert set(re.findall(r"^\| `(\w+)` \| [a-zA-Z]", PAGE, re.MULTILINE)) >= set(Ledger().dropped)


def test_the_figures_are_those_of_the_code():
    for figure in (
        f"`{DEFAULT_WINDOW}`, the default",
        f"({DEFAULT_QUEUE:,}) events or 32 MB",
        f"({DEFAULT_MAX_AGE:.0f} seconds)",
        f"more than {LANE_BYTES // 1024} KB for one connection",
        f"in {SECONDS:.0f} seconds altogether",
        f"({DEFAULT_TIMEOUT:.0f} by default)",
        f"less than {UNWATCHED_SECONDS + DEFAULT_WINDOW + 0.1:.1f} seconds",
    ):
        assert figure in " ".join(PAGE.split()), figure
