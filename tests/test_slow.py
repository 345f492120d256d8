"""A new test falls into its class by itself, or fails and says what to do: pytest is run on small files."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SENTENCE = "mark the test with @pytest.mark.slow, or let the fixture that does it ask for the fixture `slow`"

pytestmark = pytest.mark.slow  # they start what a quick test must not


@pytest.fixture
def run_tests(tmp_path):
    """Writes a test file below `tests`, runs pytest on it with the arguments, and returns what it printed."""

    def run(code, *arguments, folder="broadcaster"):
        file = tmp_path / "tests" / folder / "test_it.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-p", "tests.slow", "--rootdir", tmp_path, *arguments, file]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100).stdout

    return run


@pytest.mark.parametrize("command", [["node", "--version"], [sys.executable, "-m", "moto.server", "--help"]])
def test_a_test_that_starts_a_slow_program_fails_and_says_what_to_do(run_tests, command):
    said = run_tests(f"import subprocess\ndef test_it():\n    subprocess.run({command!r})\n")
    assert "1 failed" in said
    assert SENTENCE in said


def test_one_that_is_marked_may_start_it_and_is_not_quick(run_tests):
    code = "import subprocess, pytest\n@pytest.mark.slow\ndef test_it():\n    subprocess.run(['node', '--version'])\n"
    assert "1 passed" in run_tests(code)
    assert "1 deselected" in run_tests(code, "-m", "not slow")


def test_one_whose_fixture_asks_for_slow_is_not_quick(run_tests):
    code = "import pytest\n@pytest.fixture\ndef server(slow):\n    pass\ndef test_it(server):\n    pass\n"
    assert "1 deselected" in run_tests(code, "-m", "not slow")


def test_one_in_a_slow_folder_is_not_quick(run_tests):
    code = "def test_it():\n    pass\n"
    assert "1 deselected" in run_tests(code, "-m", "not slow", folder="browser")
    assert "1 passed" in run_tests(code, "-m", "not slow")


def test_a_slow_folder_is_not_even_read(run_tests, tmp_path):
    code = "raise SystemError\n"
    assert "no tests ran" in run_tests(code, "-m", "not slow", tmp_path / "tests", folder="browser")
    assert "SystemError" in run_tests(code, tmp_path / "tests", folder="browser")
    assert "SystemError" in run_tests(code, "-m", "not slow", tmp_path / "tests")


def test_one_that_takes_long_fails_and_says_what_to_do(run_tests):
    code = "import tests.slow\ntests.slow.MOST_CPU_SECONDS = 0\ndef test_it():\n    sum(range(10**7))\n"
    said = run_tests(code)
    assert "1 failed" in said
    assert SENTENCE in said
