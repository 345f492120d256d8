import os
import subprocess
import sys

import pytest


def call(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "broadcaster", *arguments], capture_output=True, text=True, **options
    )


def test_it_is_run_as_a_module(environment, listen):
    client, connection_id = listen("admin")
    done = call("send", "admin", "admin_event", "-", input='{"type": "hello"}')
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"sent": 1, "failed": 0, "stale": 0}\n', "")
    assert client.receive().json()["data"] == {"type": "hello"}
    done = call("connections", "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(connection_id)


@pytest.mark.parametrize("arguments", [(), ("sned",), ("send", "admin")])
def test_a_wrong_call_shows_what_is_right(arguments):
    done = call(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: broadcaster" in done.stderr


def test_help_needs_no_settings():
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BROADCASTER_"))}
    for command in ("doctor", "tail", "send", "connections", "disconnect"):
        done = call(command, "--help", env=environment)
        assert done.returncode == 0
        assert "--registry" in done.stdout


def test_the_package_does_not_import_its_commands():
    code = "import sys, broadcaster; sys.exit('broadcaster.commands' in sys.modules or 'argparse' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_pipe_that_closes_early_is_no_error(environment, registry):
    for number in range(2_000):  # more than a pipe holds
        registry.add(f"connection{number:04}", ["logs"])
    command = [sys.executable, "-W", "error", "-m", "broadcaster", "connections", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0
