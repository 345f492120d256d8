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


@pytest.fixture(scope="module", params=["backend", "dynamodb"])
def registry(request):
    """Who registers connections."""
    return request.param


@pytest.fixture(scope="module")
def printed(checkout, registry):
    """What `dev.py run` prints once all of it is up."""
    command = [sys.executable, "dev.py", "run", "--port", "0", "--backend-port", "0", "--registry", registry]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **output) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        yield "".join(lines)
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    assert process.returncode == 143


@pytest.fixture
def link(printed):
    return re.search(r"^  dashboard +(\S+)", printed, re.MULTILINE)[1]


@pytest.fixture
def page(context, link):
    """The dashboard behind the printed link."""
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    page.locator("#connection[data-state=connected]").wait_for()
    return page


def pasted(printed, title):
    """The command behind a title, as a shell reads it."""
    command = re.search(rf"^{title} +((?:.*\\\n)*.*)", printed, re.MULTILINE)[1]
    return shlex.split(command.replace("\\\n", " "))


def curl(command, *arguments):
    if shutil.which("curl") is None:
        pytest.skip("curl was not found; install it")
    return subprocess.run([*command, "--silent", *arguments], capture_output=True, text=True, timeout=30)


def test_the_printed_link_leads_to_a_live_page_and_the_printed_command_reaches_it(page, printed):
    done = curl(pasted(printed, "Send an event"), "--fail-with-body")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"sent": 1, "failed": 0, "stale": 0}
    page.locator("#run-list .name", has_text="My Workflow").wait_for()


def test_a_page_that_is_opened_in_the_middle_of_a_run_shows_its_log_from_the_beginning(page, context, link):
    page.get_by_role("button", name="Start a run").click()
    run = page.locator(".run", has_text=re.compile(r" [1-9]\d lines"))
    run.wait_for()
    late = context.new_page()
    late.goto(link)
    name = run.locator(".meta").text_content().split(" · ")[0]
    metas = [each.locator(".meta", has_text=name) for each in (page, late)]
    while metas[0].text_content() != metas[1].text_content():
        page.wait_for_timeout(50)


def test_the_printed_command_does_nothing_without_the_password(printed):
    command = pasted(printed, "Send an event")
    at = command.index("-u")
    del command[at : at + 2]
    assert curl(command, "--write-out", "%{http_code}").stdout.endswith("401")


@pytest.mark.parametrize("registry", ["backend"], indirect=True, scope="module")
def test_the_printed_command_registers_a_connection(page, printed):
    register = pasted(printed, "Register it")
    register[register.index("-d") + 1] = json.dumps(
        {"connection_id": page.locator("#socket").text_content().split()[-1]}
    )
    assert curl(register, "--fail-with-body").returncode == 0


@pytest.mark.parametrize("registry", ["dynamodb"], indirect=True, scope="module")
def test_a_wrong_signature_is_refused_and_the_page_beside_it_goes_on(page, printed):
    refusal = page.evaluate(
        """async () => {
            const { Gateway } = await import("/client/gateway.js");
            const { websocket_url } = await (await fetch("/config.json")).json();
            const other = new Gateway(websocket_url, { auth: () => "0".repeat(64) });
            return new Promise((resolve) => other.subscribe("admin").bind("pusher:subscription_error", resolve));
        }"""
    )
    assert refusal["status"] == 403
    assert json.loads(curl(pasted(printed, "Send an event")).stdout)["sent"] == 1
    page.locator("#run-list .name", has_text="My Workflow").first.wait_for()


@pytest.mark.parametrize("registry", ["dynamodb"], indirect=True, scope="module")
def test_history_is_read_over_the_socket_too_where_the_gateway_registers_connections(page, printed):
    curl(pasted(printed, "Send an event"))
    name = page.evaluate(
        """async () => {
            const { Gateway } = await import("/client/gateway.js");
            const { websocket_url } = await (await fetch("/config.json")).json();
            const other = new Gateway(websocket_url, { auth: "/websocket/auth", history: true });
            const { promise, resolve } = Promise.withResolvers();
            other.subscribe("admin", { rewind: 1 }).bind("admin_event", ({ run_name }) => resolve(run_name));
            return promise;
        }"""
    )
    assert name == "My Workflow"
