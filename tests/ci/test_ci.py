"""What `.ci/run` does when a Python is missing, and with a test that fails once."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BASH = shutil.which("bash") or "bash"


def test_a_python_that_is_missing_ends_the_run_with_one_sentence(tmp_path):
    (tmp_path / "dirname").symlink_to(shutil.which("dirname"))
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run([BASH, ROOT / ".ci" / "run"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == (
        ".ci/run: Python 3.12 was not found, neither as python3.12 nor in pyenv; install it, the library supports it\n"
    )


def run_twice(folder, code):
    """Run a file of tests as `.ci/run` does."""
    (folder / "test_it.py").write_text(code, encoding="utf-8")
    script = (
        f"set -euo pipefail; source {ROOT}/.ci/two_tries.sh; trap name_flaky EXIT; in_two_tries Some {sys.executable}"
    )
    return subprocess.run(
        [BASH, "-c", f"{script} -m pytest test_it.py"],
        cwd=folder,
        env={**os.environ, "PYTEST_ADDOPTS": f"--rootdir {folder}"},
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_one_that_passes_on_the_second_try_is_named_at_the_end(tmp_path):
    flaky = "def test_flaky():\n    was = Path('was').exists()\n    Path('was').touch()\n    assert was\n"
    done = run_twice(tmp_path, "from pathlib import Path\n" + flaky + "def test_sound():\n    pass\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "flaky, failed once and then passed: test_it.py::test_flaky (Some)"


def test_one_that_fails_twice_ends_the_run(tmp_path):
    done = run_twice(tmp_path, "def test_broken():\n    assert False\n")
    assert done.returncode == 1
    assert "flaky" not in done.stdout


def test_when_all_pass_at_once_nothing_is_flaky(tmp_path):
    done = run_twice(tmp_path, "def test_sound():\n    pass\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "flaky" not in done.stdout
