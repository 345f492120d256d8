"""A Next.js front end: it installs the packed client, builds, and has one connection, also in strict mode."""

import os
import re
import shutil
import signal
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError as NotInTime

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("next_app")
PASSWORD = "correct horse"
NEXT = ["node", "node_modules/next/dist/bin/next"]

# The first time, Next.js is installed: half a minute and 350 MB.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def app(npm, install_node_modules):
    """The app with Next.js and the client installed. There is no lock file: not every mirror has every platform's."""
    folder = ROOT / ".dev" / "next_app"
    shutil.rmtree(folder / ".next", ignore_errors=True)  # what an earlier run built and cached
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    client = ROOT / "client"
    install_node_modules(client)
    package = npm("pack", "--silent", "--pack-destination", folder, cwd=client).split()[-1]
    npm("install", "--no-audit", "--no-fund", "--prefer-offline", f"./{package}", cwd=folder)
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
        command,
        cwd=app,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
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
            # It waits for connections to end that the browser keeps, even for those that nothing was asked on.
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=10)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


class HotReload:
    """Changes a component as an editor does, while a page shows it that `next dev` serves."""

    def __init__(self, page, source):
        self._page = page
        self._source = source
        self._original = source.read_text()
        self._frames = []
        page.on("websocket", self._listen)

    def _listen(self, socket):
        if "/_next/" in socket.url:
            socket.on("framereceived", lambda frame: self._frames.append(str(frame)))

    def change_until_shown(self):
        """Save changes until the page shows one.

        The server sends what is saved after it has taken in what the page subscribed to; it never sends what is saved
        before, and never says when it has.
        """
        while not any("turbopack-connected" in frame for frame in self._frames):
            self._page.wait_for_timeout(50)  # before, a change has the page loaded again as a whole
        for version in range(1, 21):
            self._save(self._original.replace("<ul ", f'<ul data-version="{version}" '))
            with suppress(NotInTime):
                return self._page.locator(f"#one[data-version='{version}']").wait_for(state="attached", timeout=3_000)
        return pytest.fail("no change was shown")

    def _save(self, text):
        """Put the file there as a whole: Turbopack reads also what is half written, and may stay with the error."""
        beside = self._source.with_suffix(".saved")
        beside.write_text(text)
        beside.replace(self._source)


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
        hot_reload = HotReload(page, app / "app" / "runs.jsx")
        page.goto(url)
        for id_ in ("one", "other"):
            page.locator(f"#{id_}[data-ready=true]").wait_for(state="attached", timeout=120_000)
        started = ["from Python"]
        assert system.start_run(started[-1])["sent"] == 1
        assert_shown(page, started)
        if mode == "dev":
            hot_reload.change_until_shown()
            started.append("after a hot reload")
            assert system.start_run(started[-1])["sent"] == 1
            assert_shown(page, started)
        assert sockets.count(system.websocket) == 1
        assert problems == []
        page.close()


def assert_shown(page, names):
    """Assert that both components show each name once."""
    for id_ in ("one", "other"):
        page.locator(f"#{id_} li", has_text=names[-1]).first.wait_for()
        assert page.locator(f"#{id_} li").all_text_contents() == names
