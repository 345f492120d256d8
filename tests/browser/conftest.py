"""A real browser, and the processes that `dev.py run` starts, one set for each file of tests."""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import boto3
import pytest
from playwright.sync_api import Error, sync_playwright

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PASSWORD = "correct horse"
KEYS = {
    "AWS_ACCESS_KEY_ID": "LOCALEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG",
    "AWS_REGION": "us-east-1",
}


class Process:
    """A server in a process of its own, with the addresses that it prints when it is ready."""

    def __init__(self, arguments, lines, **variables):
        environment = {**os.environ, **KEYS, **variables, "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            [sys.executable, *map(str, arguments)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        self.urls = [self._process.stdout.readline().split()[-1] for _ in range(lines)]
        # Nothing that it prints later may fill the pipe and hold it up.
        self._reader = Thread(target=self._process.stdout.read, daemon=True)
        self._reader.start()

    def kill(self):
        self._process.kill()
        self._process.wait(10)

    @contextlib.contextmanager
    def frozen(self):
        """For the time of a `with`, the process does nothing, and its sockets stay open."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self):
        self._process.terminate()
        try:
            self._process.wait(10)
        finally:
            self.kill()
            self._reader.join(10)
            self._process.stdout.close()


class System:
    """The gateway and the example backend, started as `dev.py run` does."""

    def __init__(self, assembly, *options):
        self._gateway_arguments = ["-m", "local_gateway", "--assembly", assembly, "--quiet", *options]
        with contextlib.ExitStack() as parts:
            self._gateway = Process([*self._gateway_arguments, "--port", 0], 2)
            parts.callback(lambda: self._gateway.stop())  # which may be another by then
            self.websocket, self.connections = self._gateway.urls
            self.management = boto3.session.Session().client(
                "apigatewaymanagementapi",
                endpoint_url=self.connections,
                region_name="us-east-1",
                aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            )
            parts.callback(self.management.close)
            self._backend_variables = {
                "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": self.connections,
                "WEBSOCKET_API_ID": "local",
                "WEBSOCKET_URL": self.websocket,
                "DEMO_PASSWORD": PASSWORD,
                "SESSION_KEY": "of every backend of this system",  # who is signed in stays so after a restart
            }
            self._backend = self._make_backend(0)
            parts.callback(lambda: self._backend.stop())
            (self.url,) = self._backend.urls
            self.link = f"{self.url}/#demo:{PASSWORD}"
            self._parts = parts.pop_all()

    def _make_backend(self, port):
        return Process(["-m", "examples.backend", "--port", port], 1, **self._backend_variables)

    def kill_backend(self):
        self._backend.kill()

    def start_backend(self):
        """Start another backend where the killed one was."""
        self._backend.stop()
        self._backend = self._make_backend(self.url.rpartition(":")[2])

    def frozen_gateway(self):
        return self._gateway.frozen()

    def frozen_backend(self):
        return self._backend.frozen()

    def kill_gateway(self):
        self._gateway.kill()

    def start_gateway(self):
        """Start another gateway where the killed one was."""
        port = self.websocket.split(":")[2].split("/")[0]
        self._gateway.stop()
        self._gateway = Process([*self._gateway_arguments, "--port", port], 2)

    def ask(self, method, path, body=None):
        """Send a request to the backend as curl does; return its JSON."""
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", "Basic " + base64.b64encode(f"demo:{PASSWORD}".encode()).decode())
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def start_run(self, name):
        """Have the backend broadcast one event; return what became of it."""
        return self.ask("POST", "/runs", {"run_name": str(name)})

    def wait_until_gone(self, connection_id):
        """Wait until the gateway has noticed that a connection is over."""
        with contextlib.suppress(self.management.exceptions.GoneException):
            while self.management.get_connection(ConnectionId=connection_id):
                time.sleep(0.02)

    def stop(self):
        self._parts.close()


@pytest.fixture(scope="session")
def start_system(assembly):
    """Starts a System with further arguments for its gateway, for the time of a `with`."""

    @contextlib.contextmanager
    def start(*options):
        system = System(assembly, *options)
        try:
            yield system
        finally:
            system.stop()

    return start


@pytest.fixture(scope="module")
def system(start_system):
    with start_system() as system:
        yield system


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no browser was found; install Chromium, on Debian `apt-get install chromium`")
    # Chromium's sandbox does not work for root, which is who containers run as.
    arguments = [*QUIET, *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]
    # Of one file only: while Playwright is there, no test of another file may use asyncio.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def context(browser):
    context = browser.new_context(viewport={"width": 1360, "height": 860}, color_scheme="light")
    context.set_default_timeout(30_000)
    yield context
    context.close()


class Dashboard:
    """The page as somebody sees it, and the client in it as its scripts do."""

    def __init__(self, context, system):
        self.system = system
        self.page = context.new_page()
        self.problems = []  # what a console would show
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def open(self):
        self.page.goto(self.system.link)
        self.page.locator("#app:not([hidden]), #sign-in:not([hidden])").wait_for()
        if self.page.locator("#sign-in").is_visible():  # another tab of this context may have done it
            self.page.get_by_role("button", name="Sign in").click()
        self.wait_until_live()
        return self

    def wait_until_live(self):
        """Wait until the page says that it receives events."""
        self.page.locator("#connection[data-state=connected]").wait_for()

    def listen(self):
        """Note from now on, in the page's `heard`, the name of each run that starts, through a claim of our own."""
        self.page.evaluate(
            """async () => {
                const { Gateway } = await import("/client/gateway.js");
                window.gateway = Gateway.latest;
                window.heard = [];
                window.states = [];
                gateway.connection.bind("state_change", ({ current }) => states.push(current));
                window.claim = gateway.subscribe("admin");
                claim.bind("admin_event", ({ run_name }) => heard.push(run_name));
            }"""
        )
        self.wait_until_live()

    def heard(self):
        return self.page.evaluate("heard")

    def wait_until_heard(self, name):
        self.page.wait_for_function("name => heard.includes(name)", arg=str(name))

    def run(self, name):
        """The run of that name on the page."""
        return self.page.locator("#run-list .face", has=self.page.get_by_text(str(name), exact=True))

    def item(self, name):
        """The same with all that it shows when it is chosen."""
        return self.page.locator("#run-list .run", has=self.page.get_by_text(str(name), exact=True))

    def figure(self, id_):
        return int(self.page.locator(f"#{id_}").text_content().replace(",", ""))

    def socket_id(self):
        return self.page.evaluate(
            "async () => (await import('/client/gateway.js')).Gateway.latest.connection.socket_id"
        )


@pytest.fixture
def open_dashboard(context, system):
    """Opens the dashboard in another tab, signed in and connected."""
    return lambda: Dashboard(context, system).open()


@pytest.fixture
def dashboard(open_dashboard):
    return open_dashboard()


@pytest.fixture
def new_dashboard(context):
    """Makes a Dashboard for a system of the test's own; nothing is opened yet."""
    return lambda system: Dashboard(context, system)


@pytest.fixture
def playwright_error():
    return Error


@pytest.fixture
def serve_page():
    """Serves an empty page with the client's modules; a test's functions answer its POSTs.

    Each is called with the JSON of the request and returns a status, headers and a body.
    """
    client = ROOT / "client" / "src"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/client/"):
                self._say(
                    200, {"Content-Type": "text/javascript"}, (client / self.path.rpartition("/")[2]).read_bytes()
                )
            else:
                self._say(200, {"Content-Type": "text/html"}, b"<!doctype html><title>A page</title>")

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._say(*self.server.answers[self.path.partition("?")[0]](body))

        def _say(self, status, headers, body):
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()

        def serve(answers):
            server.answers = answers
            return f"http://127.0.0.1:{server.server_port}"

        yield serve
        server.shutdown()
        thread.join()
