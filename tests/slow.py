"""Which tests are slow: `python3 dev.py test quick` leaves them out, every other way to run the tests does not.

Slow is what needs a browser, the CDK's command line, npm, or a stand-in for DynamoDB and Secrets Manager, and what
takes long for another reason. A new test gets into its class by itself: by its folder, or because it asks for a fixture
that asks for `slow`. What is long for another reason is marked `@pytest.mark.slow`. A test that is none of these and
starts such a program all the same, or takes more than `MOST_CPU_SECONDS`, fails and says what to do.
"""

import os
import sys
from pathlib import Path

import pytest

FOLDERS = {"bench", "browser", "ci", "client", "conformance", "deployment", "end_to_end", "packaging", "security"}
PROGRAMS = {"chromium", "docker", "node", "npm", "npx"}
WORDS = ("aws-cdk", "dev.py", "examples.stand_in", "moto.server")  # of command lines, wherever they stand in them
MOST_CPU_SECONDS = 10  # of the test and the processes that it started: several times what the longest one needs

WHAT_TO_DO = "mark the test with @pytest.mark.slow, or let the fixture that does it ask for the fixture `slow`"

_is_quick = False  # whether the test that runs now is one


@pytest.fixture(scope="session")
def slow():
    """Makes slow what asks for it: each fixture that starts a slow program does, and so their tests are."""


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out by `python3 dev.py test quick`")
    sys.addaudithook(_refuse_slow_programs)


def pytest_ignore_collect(collection_path, config):
    """Leave out slow folders unread: every process of a quick run would import what their tests do, and then wait."""
    is_slow = collection_path.name in FOLDERS and collection_path.parent == config.rootpath / "tests"
    return True if is_slow and config.option.markexpr == "not slow" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    for item in items:
        if "slow" in item.fixturenames or item.path.relative_to(config.rootpath / "tests").parts[0] in FOLDERS:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    global _is_quick
    _is_quick = item.get_closest_marker("slow") is None
    try:
        return (yield)
    finally:
        _is_quick = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    before = sum(os.times()[:4])
    result = yield
    used = sum(os.times()[:4]) - before
    if _is_quick and used > MOST_CPU_SECONDS:
        pytest.fail(f"it took {used:.0f} seconds of CPU; {WHAT_TO_DO}", pytrace=False)
    return result


def _refuse_slow_programs(event, arguments):
    if event != "subprocess.Popen" or not _is_quick:
        return
    command = arguments[1]
    words = [command] if isinstance(command, str | bytes | os.PathLike) else list(command)
    words = [os.fsdecode(word) for word in words]
    text = " ".join(words)
    if "jsii" in text:  # Node too, but it is the CDK's constructs, and takes a second
        return
    if Path(words[0]).stem in PROGRAMS or any(word in text for word in WORDS):
        pytest.fail(f"it starts {text[:100]!r}; {WHAT_TO_DO}")
