"""A Next.js front end: it installs the packed client, builds, and has one connection, also in strict mode."""

import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("next_app")
PASSWORD = "correct horse"
NEXT = ["node", "node_modules/next/dist/bin/next"]

# Installing takes a minute and 350 MB, building half a minute.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def npm(*arguments, cwd):
    if shutil.which("npm") is None:
        pytest.skip("npm was not found; install Node 20 or newer")
    done = subprocess.run(["npm", *arguments], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line and "log of this run" not in line]
        pytest.skip(f"npm {arguments[0]} failed: {(errors or ['no output'])[0]}")
    return done.stdout


@pytest.fixture(scope="module")
def app():
    """The app with Next.js and the client installed. There is no lock file: not every mirror has every platform's."""
    folder = ROOT / ".dev" / "next_app"
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    client = ROOT / "client"
    if not (client / "node_modules").exists():
        npm("ci", "--no-audit", "--no-fund", cwd=client)
    package = npm("pack", "--silent", "--pack-destination", folder, cwd=client).split()[-1]
    npm("install", "--no-audit", "--no-fund", f"./{package}", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def environment(system):
    return {
        **os.environ,
        "NEXT_PUBLIC_PUSHER_KEY": system.websocket,
        "NEXT_PUBLIC_PUSHER_CLUSTER": "us-east-1",
        "BACKEND_URL": system.url,
        "NEXT_TELEMETRY_DISABLED": "1",
    }


@pytest.fixture(scope="module")
def built(app, environment):
    done = subprocess.run([*NEXT, "build"], cwd=app, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def served(mode, app, environment):
    """The app's address while `next dev` or `next start` serves it."""
    command = [*NEXT, mode, "--hostname", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(
        command, cwd=app, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            output = ""
            for line in process.stdout:
                output += line
                if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                    break
            else:
                pytest.fail(f"next {mode} did not start: {output}")
            yield found[0]
        finally:
            process.terminate()
            process.stdout.read()


@pytest.mark.parametrize("mode", ["start", "dev"])
def test_the_page_connects_once_whatever_is_mounted_how_often(mode, app, built, environment, system, context):
    """`next dev` mounts every component twice, which is what strict mode is."""
    with served(mode, app, environment) as url:
        credentials = {"user": "demo", "password": PASSWORD}
        assert context.request.post(f"{url}/session", data=credentials).status == 204
        page = context.new_page()
        problems, sockets = [], []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("websocket", lambda socket: sockets.append(socket.url))
        page.goto(url)
        for id_ in ("one", "other"):
            page.locator(f"#{id_}[data-ready=true]").wait_for(state="attached", timeout=120_000)
        assert system.start_run("from Python")["sent"] == 1
        for id_ in ("one", "other"):
            page.locator(f"#{id_} li").first.wait_for()
            assert page.locator(f"#{id_} li").all_text_contents() == ["from Python"]
        if mode == "dev":
            source = app / "app" / "runs.jsx"
            source.write_text(source.read_text().replace("<ul id={id}", '<ul className="changed" id={id}'))
            page.locator("#one.changed").wait_for(state="attached", timeout=60_000)
            system.start_run("after a hot reload")
            page.locator("#one li", has_text="after a hot reload").wait_for()
        assert sockets.count(system.websocket) == 1
        assert problems == []
        page.close()
