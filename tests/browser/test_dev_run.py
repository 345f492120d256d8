"""The command itself: `dev.py run`, the link that it prints, and the lines to paste."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def printed():
    """What `dev.py run` prints once all of it is up."""
    if not all((ROOT / folder / ".made-from").exists() for folder in (".venv", "node_modules")):
        pytest.skip("dev.py has not set up this clone; run the tests with `python3 dev.py test`")
    command = [sys.executable, "dev.py", "run", "--port", "0", "--backend-port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        yield "".join(lines)
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    assert process.returncode == 143


def pasted(printed, title):
    """The command behind a title, as a shell reads it."""
    command = re.search(rf"^{title} +((?:.*\\\n)*.*)", printed, re.MULTILINE)[1]
    return shlex.split(command.replace("\\\n", " "))


def test_the_printed_link_leads_to_a_live_page_and_the_printed_commands_reach_it(context, printed):
    if shutil.which("curl") is None:
        pytest.skip("curl was not found; install it")
    page = context.new_page()
    page.goto(re.search(r"^  dashboard +(\S+)", printed, re.MULTILINE)[1])
    page.get_by_role("button", name="Sign in").click()
    page.locator("#connection[data-state=connected]").wait_for()
    register = pasted(printed, "Register it")
    body = register.index("-d") + 1
    connection_id = page.locator("#socket").text_content().split()[-1]
    register[body] = json.dumps({"connection_id": connection_id})
    for command in (register, pasted(printed, "Send an event")):
        done = subprocess.run([*command, "--silent", "--fail-with-body"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"sent": 1, "failed": 0, "stale": 0}
    page.locator("#run-list .name", has_text="My Workflow").wait_for()


def test_the_printed_commands_do_nothing_without_the_password(printed):
    if shutil.which("curl") is None:
        pytest.skip("curl was not found; install it")
    command = pasted(printed, "Send an event")
    at = command.index("-u")
    del command[at : at + 2]
    done = subprocess.run(
        [*command, "--silent", "--write-out", "%{http_code}"], capture_output=True, text=True, timeout=30
    )
    assert done.stdout.endswith("401")
