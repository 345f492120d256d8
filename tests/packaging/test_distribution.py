"""The library as its users get it: a wheel in an empty environment, or the folder copied into a backend."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
USE = """
from broadcaster import broadcast_admin_event, init_broadcaster, register_connection, unregister_connection
init_broadcaster(api_id="abc123xyz", region="us-east-1")
register_connection("L0SM9cOFvHcCIhw=")
unregister_connection("L0SM9cOFvHcCIhw=")
print(broadcast_admin_event({"type": "run_started"}))
"""
USE_THE_PLUGIN = """
import pytest
def echo(event, context):
    return {"statusCode": 200, "body": event.get("body")}
@pytest.mark.local_gateway(handler=echo)
def test_echo(local_gateway, local_gateway_environment):
    with local_gateway.connect() as client:
        client.send("hello")
        assert client.receive() == "hello"
"""


def run(*command, cwd):
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_is_typed_and_holds_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    packages = {"broadcaster", "broadcaster_stacks", "local_gateway"}
    assert {f"{package}/py.typed" for package in packages} <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == packages


def test_the_wheel_works_in_an_empty_environment(wheel, tmp_path):
    run(sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, "env", cwd=tmp_path)
    python = tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, wheel, cwd=tmp_path)
    assert run(python, "-I", "-c", USE, cwd=tmp_path) == "{'sent': 0, 'failed': 0, 'stale': 0}\n"


def test_the_cli_extra_brings_what_the_commands_need(wheel, tmp_path):
    run(sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, "env", cwd=tmp_path)
    scripts = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", scripts / "python", f"{wheel}[cli]"]
    run(*install, cwd=tmp_path)
    assert "find out why nothing arrives" in run(scripts / "broadcaster", "--help", cwd=tmp_path)
    tail = [
        scripts / "broadcaster",
        "tail",
        "--registry",
        "memory://",
        "--api-id",
        "abc123xyz",
        "--region",
        "eu-west-3",
    ]
    done = subprocess.run(tail, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "in the memory of your backend" in done.stderr
    run(scripts / "python", "-c", "from websockets.sync.client import connect", cwd=tmp_path)


def test_the_testing_extra_brings_the_pytest_plugin(wheel, tmp_path):
    run(sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, "env", cwd=tmp_path)
    python = tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, f"{wheel}[testing]", cwd=tmp_path)
    (tmp_path / "test_echo.py").write_text(USE_THE_PLUGIN)
    assert "1 passed" in run(python, "-m", "pytest", "-W", "error", "test_echo.py", cwd=tmp_path)


def test_the_folder_works_when_it_is_copied_into_a_backend(tmp_path):
    shutil.copytree(ROOT / "broadcaster", tmp_path / "broadcaster")
    (tmp_path / "app.py").write_text(USE)
    assert run(sys.executable, "-S", "app.py", cwd=tmp_path) == "{'sent': 0, 'failed': 0, 'stale': 0}\n"


def test_importing_the_library_brings_in_nothing_heavy():
    heavy = {"asyncio", "boto3", "botocore", "dataclasses", "http.client", "inspect", "json", "logging", "redis", "ssl"}
    heavy |= {"re", "socket", "threading", "typing"}
    code = "import sys; sys.path.insert(0, '.'); import broadcaster; print(*sys.modules)"
    loaded = run(sys.executable, "-S", "-c", code, cwd=ROOT).split()
    assert heavy.isdisjoint(loaded)
