"""cdk.json finds the Python that has the CDK: of `.venv`, as dev.py makes it, or of the active environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="the environments are links, which Windows allows to few"),
]


@pytest.fixture
def clone(tmp_path, project):
    """A fresh clone, in which dev.py has set up nothing."""
    folder = tmp_path / "clone"
    for name in ("stacks", "lambda_src", "broadcaster"):
        shutil.copytree(project / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "cdk.json"):
        shutil.copyfile(project / name, folder / name)
    return folder


@pytest.fixture
def commands(tmp_path):
    """A folder to search for programs that has Node and the shell, in which the CDK CLI runs the app, and no Python."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for program in ("node", "sh"):
        (folder / program).symlink_to(shutil.which(program))
    return folder


def cdk(clone, project, commands, *arguments):
    return subprocess.run(
        ["node", str(project / "node_modules" / "aws-cdk" / "bin" / "cdk"), "--no-notices", *arguments],
        cwd=clone,
        env={**os.environ, "PATH": str(commands)},
        capture_output=True,
        text=True,
        check=False,
    )


def program(path, options=""):
    """Make a command that runs this interpreter; a link would lead it out of its environment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!{shutil.which("sh")}\nexec "{sys.executable}" {options} "$@"\n')
    path.chmod(0o755)


def test_the_environment_that_dev_py_made_is_found_without_being_activated(clone, project, commands):
    (clone / ".venv").symlink_to(Path(sys.executable).parents[1], target_is_directory=True)
    done = cdk(clone, project, commands, "list")
    assert (done.returncode, done.stdout) == (0, "clearstar-websocket\n"), done.stderr


@pytest.mark.parametrize("place", ["clone/.venv/Scripts/python.exe", "programs/python", "programs/python3"])
def test_so_is_that_of_windows_and_so_is_an_active_one(clone, project, commands, tmp_path, place):
    program(tmp_path / place)
    done = cdk(clone, project, commands, "list")
    assert (done.returncode, done.stdout) == (0, "clearstar-websocket\n"), done.stderr


def test_a_python_without_the_cdk_is_told_in_one_sentence(clone, project, commands):
    program(commands / "python", options="-S -E")
    done = cdk(clone, project, commands, "list")
    assert done.returncode == 1
    assert f"error: {sys.executable} has no aws-cdk-lib; run `python3 dev.py synth`" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_python_at_all_is_told_in_one_sentence(clone, project, commands):
    done = cdk(clone, project, commands, "list")
    assert done.returncode == 1
    assert "error: neither .venv nor a Python was found; run `python3 dev.py synth`" in done.stderr
