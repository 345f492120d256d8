"""An interpreter that ends while events wait: sends what it can in two seconds, and says what it could not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.broadcaster.publishing.received import data_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("aws_keys")]
ROOT = Path(__file__).parents[3]
VIEWER = "L0SM9cOFvHcCIhw="
# What is registered with `atexit` first is called last.
_PROGRAM = """
import atexit, os, sys, time
atexit.register(lambda: print(time.monotonic() - began))
from broadcaster import Broadcaster, MemoryRegistry
def make(**options):
    caster = Broadcaster(endpoint_url=os.environ["ENDPOINT"], region="us-east-1", **options)
    caster.register_connection("L0SM9cOFvHcCIhw=")
    return caster
"""
# For what does not test how long it takes: on a busy machine two seconds are not enough to make boto3's client.
_UNHURRIED = """
from broadcaster.publishing import closing
closing.SECONDS = 50.0
"""
_END = """
began = time.monotonic()
"""


@pytest.fixture
def end(server):
    """Runs a program to its end; returns the seconds from its last line to its end, and its log."""

    def end(code, **environment):
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM + code + _END],
            cwd=ROOT,
            env={**os.environ, "ENDPOINT": server.endpoint.url, "PYTHONWARNINGS": "error", **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return float(done.stdout), done.stderr.splitlines()

    return end


@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_what_waits_is_sent_before_the_interpreter_ends(end, server, sender):
    _, log = end(
        f"""{_UNHURRIED}
caster = make(window=30.0, sender={sender!r})
for number in range(100):
    caster.publish("logs", "log", number)
"""
    )
    assert data_of(server, VIEWER) == list(range(100))
    assert log == []


@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_many_that_hang_take_two_seconds_altogether_and_a_line_each(end, server, sender):
    server.script = lambda connection_id, attempt: "hang"
    seconds, log = end(
        f"""
casters = [make(sender={sender!r}, timeout=60.0, deadline=60.0) for _ in range(8)]
for caster in casters:
    for number in range(5):
        caster.publish("logs", "log", number)
"""
    )
    assert seconds < 8, "each took its two seconds"
    assert len(log) == 8
    assert all(
        re.fullmatch(r"5 published events were not sent within [\d.]+ seconds, and are dropped", line) for line in log
    )


HANGING_REGISTRY = """
class Hanging(MemoryRegistry):
    def pages(self, channel):
        time.sleep(50)
    def remove(self, connection_ids):
        time.sleep(50)
"""


@pytest.mark.parametrize(
    ("code", "deed"),
    [
        (HANGING_REGISTRY + "caster = make(registry=Hanging())", "200"),
        (HANGING_REGISTRY + "del Hanging.pages\ncaster = make(registry=Hanging())", "410"),
        ("caster = make()", "500"),
        ("caster = make(sender='boto3')", "500"),
    ],
    ids=["the registry hangs", "the removal of who is gone hangs", "API Gateway fails", "API Gateway fails, boto3"],
)
def test_whatever_hangs_the_interpreter_ends_in_time(end, server, code, deed):
    server.script = lambda connection_id, attempt: deed
    seconds, log = end(
        f"""{code}
caster.publish("logs", "log", 1)
time.sleep(0.5)  # so that it is under way
"""
    )
    assert seconds < 20
    lines = [line for line in log if "published events were not sent" in line]
    assert len(lines) == (deed != "410")


def test_credentials_that_take_long_do_not_hold_up_the_end(end, tmp_path):
    (tmp_path / "config").write_text("[default]\ncredential_process = sleep 30\n")
    seconds, log = end(
        """
for name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_CONFIG_FILE"]:
    del os.environ[name]
caster = make()
for number in range(3):
    caster.publish("logs", "log", number)
time.sleep(0.5)
""",
        AWS_CONFIG_FILE=str(tmp_path / "config"),
    )
    assert seconds < 20
    assert [line for line in log if line.startswith("3 published events were not sent within 2.0 seconds")]


def test_what_daemon_threads_go_on_publishing_is_in_the_line_too(end, server):
    server.answer_after = 0.1  # while which they publish more
    _, log = end(
        """
import threading
caster = make(window=30.0)
def publish():
    while not caster._is_closed:
        caster.publish("logs", "log", 1)
        time.sleep(0.001)
for _ in range(2):
    threading.Thread(target=publish, daemon=True).start()
time.sleep(0.5)
"""
    )
    assert any("published events were not sent" in line for line in log), log


def test_an_asyncio_application_that_ends_without_close_sends_what_waits(end, server):
    end(
        _UNHURRIED
        + """
import asyncio
from broadcaster.aio import AsyncBroadcaster
async def main():
    global caster
    caster = AsyncBroadcaster(endpoint_url=os.environ["ENDPOINT"], region="us-east-1", window=30.0)
    await caster.register_connection("L0SM9cOFvHcCIhw=")
    for number in range(10):
        caster.publish("logs", "log", number)
asyncio.run(main())
"""
    )
    assert data_of(server, VIEWER) == list(range(10))


def test_what_is_published_while_the_interpreter_ends_is_counted_and_no_error_for_the_caller(end, server):
    _, log = end(
        _UNHURRIED
        + """
def late():
    caster.publish("logs", "log", "late")
    print(caster.publisher_stats().dropped["closed"], file=sys.stderr)
atexit.register(late)
caster = make()
caster.publish("logs", "log", "in time")
"""
    )
    assert data_of(server, VIEWER) == ["in time"]
    assert log[-1] == "1"
    assert "this broadcaster was closed" in log[0]


# ---------------------------------------------------------------------------------------------------------- AWS Lambda


def test_on_lambda_an_event_is_sent_before_publish_returns(end, server):
    _, log = end(
        """
caster = make(window=30.0)
for number in range(10):
    caster.publish("logs", "log", number)
    print(caster.publisher_stats().events, file=sys.stderr)
""",
        AWS_LAMBDA_FUNCTION_NAME="backend",
    )
    assert log == [str(number) for number in range(1, 11)]
    assert data_of(server, VIEWER) == list(range(10))


def test_on_lambda_a_hanging_browser_holds_the_caller_for_its_timeout_and_no_longer(end, server):
    server.script = lambda connection_id, attempt: "hang"
    _, log = end(
        """
caster = make(timeout=0.5, deadline=60.0)
caster.publish("logs", "log", 1)
print(caster.publisher_stats().queued, file=sys.stderr)
caster.close(0.0)
""",
        AWS_LAMBDA_FUNCTION_NAME="backend",
    )
    assert log[0] == "1"


def test_on_lambda_asyncio_callers_are_not_raised_at(end, server):
    _, log = end(
        """
import asyncio
from broadcaster.aio import AsyncBroadcaster
async def main():
    async with AsyncBroadcaster(endpoint_url=os.environ["ENDPOINT"], region="us-east-1") as caster:
        await caster.register_connection("L0SM9cOFvHcCIhw=")
        caster.publish("logs", "log", 1)
        print(caster.publisher_stats().events, file=sys.stderr)
asyncio.run(main())
""",
        AWS_LAMBDA_FUNCTION_NAME="backend",
    )
    assert log == ["1"]
