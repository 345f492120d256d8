"""Whoever only deploys, or only runs the system, installs what that needs and no more."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def environment(folder, requirements):
    """A new environment with a requirements file; its Python."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, "-r", ROOT / requirements], check=True)
    return python


def run(python, *arguments, **variables):
    command = [python, *arguments]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def installed(python):
    listed = subprocess.check_output([sys.executable, "-m", "uv", "pip", "list", "--format=json", "--python", python])
    return {package["name"] for package in json.loads(listed)}


def test_what_deploys_synthesizes_the_stack_and_brings_neither_browser_nor_emulator(tmp_path):
    python = environment(tmp_path / "env", "requirements/deploy.txt")
    run(python, "app.py", CDK_OUTDIR=str(tmp_path / "cdk.out"))
    assert (tmp_path / "cdk.out" / "clearstar-websocket.template.json").is_file()
    assert {"aws-cdk-lib", "boto3"} <= installed(python)
    assert not {"playwright", "moto", "mypy", "pytest", "fastapi", "aiohttp"} & installed(python)


def test_what_runs_has_all_that_the_system_imports_and_nothing_of_the_tests(tmp_path):
    python = environment(tmp_path / "env", "requirements/run.txt")
    for program in ("local_gateway", "examples.backend", "examples.stand_in", "examples.tour"):
        assert "usage:" in run(python, "-m", program, "--help")
    assert not {"playwright", "mypy", "pytest", "awscli"} & installed(python)


@pytest.mark.parametrize(("smaller", "larger"), [("deploy", "run"), ("run", "test"), ("deploy", "test")])
def test_an_environment_that_has_more_will_do_and_one_that_has_less_will_not(tmp_path, smaller, larger):
    program = f"""
from pathlib import Path
from commands.set_up import REQUIREMENTS, once_for
sources = list(REQUIREMENTS.values())
def asks(purpose):
    with once_for(Path({str(tmp_path)!r}), *sources[list(REQUIREMENTS).index(purpose):]) as is_due:
        return is_due
print(asks("{larger}"), asks("{smaller}"), asks("{larger}"))
Path({str(tmp_path)!r}, ".made-from").unlink()
print(asks("{smaller}"), asks("{smaller}"), asks("{larger}"))
"""
    assert run(sys.executable, "-c", program).split() == ["True", "False", "False", "True", "False", "True"]
