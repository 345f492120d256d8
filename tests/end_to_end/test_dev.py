"""The commands of dev.py as a user types them, mistakes included."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def dev(*arguments, root=ROOT, timeout=110, **variables):
    return subprocess.run(
        [sys.executable, "dev.py", *arguments],
        cwd=root,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@pytest.fixture
def clone(tmp_path):
    """What is needed of a fresh clone to see its set-up begin."""
    for name in ("dev.py", "requirements.txt", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    shutil.copytree(ROOT / "commands", tmp_path / "commands", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_once_plays_the_whole_path_and_shows_every_frame(checkout):
    done = dev("run", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    frames = [line for line in done.stdout.splitlines() if line.startswith(("<", ">"))]
    assert frames[0] == '> {"action": "subscribe", "channel": "admin"}'
    assert re.fullmatch(r'< \{"type":"connection_id","connection_id":"[\w-]{15}="\}', frames[1])
    assert frames[2] == '< {"type":"subscription_succeeded","channel":"admin"}'
    assert '"type":"run_started"' in frames[3]
    assert done.stdout.splitlines()[-1] == "{'sent': 1, 'failed': 0, 'stale': 0}"


def test_once_plays_it_with_signed_subscriptions_where_the_gateway_registers(checkout):
    done = dev("run", "--once", "--registry", "dynamodb")
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"auth": ' in done.stdout
    assert done.stdout.splitlines()[-1] == "{'sent': 1, 'failed': 0, 'stale': 0}"


@pytest.mark.parametrize("option", ["--port", "--backend-port"])
def test_a_taken_port_is_one_sentence(checkout, option):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        other = "--backend-port" if option == "--port" else "--port"
        done = dev("run", option, number, other, "0")
    assert done.returncode == 1
    assert number in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_that_cannot_be_is_refused_with_the_stacks_own_sentence(checkout):
    done = dev("run", "--once", "-c", "memory=abc")
    assert done.returncode == 1
    assert "Synthesizing the stack: failed (setting memory='abc' is no whole number of MB from 128" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unknown_bench_is_refused_before_anything_is_installed(clone):
    shutil.copytree(ROOT / "bench", clone / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    done = dev("bench", "nope", root=clone)
    assert done.returncode == 2
    assert done.stderr.startswith("there is no bench 'nope'; there are fan_out, ")
    assert not (clone / ".dev").exists()


def test_a_missing_node_is_one_sentence(clone):
    done = dev("run", "--port", "0", "--backend-port", "0", root=clone, PATH="")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "install Node 20 or newer" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for an old Node is a shell script")
def test_a_node_that_is_too_old_is_one_sentence(clone):
    node = clone / "bin" / "node"
    node.parent.mkdir()
    node.write_text("#!/bin/sh\necho v18.20.4\n")
    node.chmod(0o755)
    done = dev("run", "--port", "0", "--backend-port", "0", root=clone, PATH=str(node.parent))
    assert done.returncode == 1
    assert done.stderr == (
        "dev.py: Node v18.20.4 is too old for the CDK CLI; install Node 20 or newer and run this again\n"
    )


def test_no_network_is_one_sentence(clone):
    nowhere = "http://127.0.0.1:9"
    done = dev("test", root=clone, PIP_INDEX_URL=nowhere, PIP_RETRIES="0", PIP_NO_CACHE_DIR="1", PIP_CONFIG_FILE="")
    assert done.returncode == 1
    assert "Is the network there" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unknown_command_names_the_known_ones():
    done = dev("frobnicate")
    assert done.returncode == 2
    assert "deploy" in done.stderr
    assert "Traceback" not in done.stderr


COMMANDS = ["run", "test", "check", "synth", "bootstrap", "diff", "deploy", "destroy", "bench"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_each_command_has_a_help_for_which_nothing_is_set_up(clone, command, option):
    shutil.copytree(ROOT / "bench", clone / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    done = dev(command, option, root=clone, PATH="")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"dev.py {command}" in done.stdout
    assert not (clone / ".venv").exists()


def test_the_help_names_every_command():
    said = dev("--help").stdout
    for command in COMMANDS:
        assert f"python3 dev.py {command} " in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the following arguments are required: command"),
        (["run", "fast"], "run does not know fast"),
        (["run", "--simulate", "fast"], "argument --simulate: invalid float value: 'fast'"),
        (["run", "--port", "http"], "argument --port: invalid int value: 'http'"),
        (["run", "--registry", "redis"], "argument --registry: invalid choice: 'redis'"),
        (["deploy", "--profile"], "argument --profile: expected one argument"),
        (["run", "-c", "stage"], "'stage' has no value; give NAME=VALUE, e.g. stage=production"),
        (["synth", "-c", "stage"], "'stage' has no value; give NAME=VALUE, e.g. stage=production"),
        (["deploy", "-c", "stage"], "'stage' has no value; give NAME=VALUE, e.g. stage=production"),
    ],
)
def test_wrong_arguments_are_told_at_once(arguments, sentence):
    done = dev(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--once"], ["--registry", "dynamodb"]])
def test_the_registry_of_the_local_system_is_no_setting_of_the_stack_alone(arguments):
    done = dev("run", *arguments, "-c", "registry=dynamodb")
    assert done.returncode == 1
    assert done.stderr.endswith("give it as --registry\n")
