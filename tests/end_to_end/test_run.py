"""`dev.py run` as somebody uses it with a backend of their own, who has what it prints and nothing else."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path
from threading import Thread

import pusher
import pytest
from websockets.exceptions import InvalidHandshake
from websockets.sync.client import connect

ROOT = Path(__file__).parents[2]
OWN_BACKEND = """
import os, sys
from broadcaster import authorize_subscription, broadcast_admin_event, init_broadcaster, register_connection
init_broadcaster(api_id=os.environ["WEBSOCKET_API_ID"], region=os.environ["AWS_REGION"])
task, connection_id = sys.argv[1:]
if task == "sign":
    print(authorize_subscription(connection_id, "admin"))
    sys.exit()
if task == "register":
    register_connection(connection_id)
print(broadcast_admin_event({"type": "run_started"}))
"""


class Run:
    """`dev.py run` with what it has printed so far."""

    def __init__(self, *options):
        command = [sys.executable, "dev.py", "run", "--port", "0", "--backend-port", "0", *options]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self._process = subprocess.Popen(command, cwd=ROOT, **pipes)
        self.lines = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        self.ready = 0  # how often all of it has been up
        self.wait_until_ready()

    def _read(self):
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, pattern, *, times=1):
        """Wait until so many lines match; return the last of them. The suite's time limit ends a wait in vain."""
        while len(found := [line for line in self.lines if re.search(pattern, line)]) < times:
            assert self._process.poll() is None, "\n".join(self.lines)
            time.sleep(0.05)
        return found[-1]

    def wait_until_ready(self):
        self.ready += 1
        self.wait_for("^Ctrl-C", times=self.ready)
        text = "\n".join(self.lines)
        self.websocket = re.findall(r"^  WebSocket +(\S+)", text, re.MULTILINE)[-1]
        self.url, self.user = re.findall(r"^  dashboard +(\S+)/#(\S+)", text, re.MULTILINE)[-1]
        lines = re.findall(r"^([A-Z_]+)=(.+)$", text.rpartition("For a backend")[2], re.MULTILINE)
        self.for_backend = {name: "".join(shlex.split(value)) for name, value in lines}  # as a shell reads them

    def kill(self, module):
        """Kill the server that runs a module."""
        for path in Path("/proc").glob("[0-9]*/stat"):
            is_child = path.read_text().rpartition(")")[2].split()[1] == str(self._process.pid)
            if is_child and module in (path.parent / "cmdline").read_text():
                os.kill(int(path.parent.name), signal.SIGKILL)
                return
        raise AssertionError(module)

    def own_backend(self, task, connection_id):
        """Run the backend of somebody else, with the printed lines as its environment."""
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **self.for_backend}
        command = [sys.executable, "-c", OWN_BACKEND, task, connection_id]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(30) == 143
        self._reader.join()
        self._process.stdout.close()


class Client:
    """A browser, as far as the gateway can tell."""

    def __init__(self, url):
        self._connection = connect(url)
        self._socket = self._connection.__enter__()
        self.id = self.ask({"action": "connection_id"})["connection_id"]

    def ask(self, frame):
        self._socket.send(json.dumps(frame))
        return self.hear()

    def hear(self):
        return json.loads(self._socket.recv(timeout=30))

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        self._connection.__exit__(*reason)


def until_it_answers(ask):
    """Ask a server that is being started again until it answers."""
    while True:
        try:
            return ask()
        except (ConnectionError, urllib.error.URLError, InvalidHandshake):
            time.sleep(0.05)


@pytest.fixture(scope="module")
def run(checkout):
    run = Run()
    yield run
    run.stop()


@pytest.fixture(scope="module")
def registering(checkout):
    """The mode in which the gateway registers connections, and every post has a line."""
    run = Run("--registry", "dynamodb", "--publish", "--verbose", "-c", 'history={"admin": 100}')
    yield run
    run.stop()


def test_an_own_backend_reaches_a_client_with_the_printed_lines(run):
    with Client(run.websocket) as client:
        assert run.own_backend("register", client.id) == "{'sent': 1, 'failed': 0, 'stale': 0}"
        assert client.hear()["data"] == {"type": "run_started"}


def test_posts_are_summed_up(run):
    with Client(run.websocket) as client:
        run.own_backend("register", client.id)
    run.wait_for(r"POST +\d connections? +200: \d ")  # perhaps together with those of another test
    assert not any(re.search(rf"POST +{client.id}", line) for line in run.lines)


def subscribe_and_hear(run):
    with Client(run.websocket) as client:
        signature = run.own_backend("sign", client.id)
        answer = client.ask({"action": "subscribe", "channel": "admin", "auth": signature})
        assert answer["type"] == "subscription_succeeded"
        assert run.own_backend("broadcast", client.id) == "{'sent': 1, 'failed': 0, 'stale': 0}"
        assert client.hear()["data"] == {"type": "run_started"}
    return client.id


def test_other_languages_publish_with_the_printed_lines(registering):
    with Client(registering.websocket) as client:
        signature = registering.own_backend("sign", client.id)
        client.ask({"action": "subscribe", "channel": "admin", "auth": signature})
        line = registering.wait_for("^  curl .*/publish")
        done = subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=60, check=True)
        assert json.loads(done.stdout) == {"sent": 1, "failed": 0, "stale": 0}
        first = client.hear()
        assert first["data"] == {"n": 1}
        text = "\n".join(registering.lines)
        app_id, key, secret, host, port = (
            re.findall(rf"^  {name} +([^\s,]+)", text, re.MULTILINE)[-1]
            for name in ("app id", "key", "secret", "host", "port")
        )
        sdk = pusher.Pusher(app_id, key, secret, host=host, port=int(port), ssl=False, timeout=60)
        assert sdk.trigger("admin", "from_elsewhere", {"n": 2}) == {}
        sdk._pusher_client.http.session.close()
        second = client.hear()
        assert (second["event"], second["epoch"], second["seq"]) == ("from_elsewhere", first["epoch"], first["seq"] + 1)
        since = {"epoch": first["epoch"], "seq": first["seq"]}
        page = client.ask({"action": "history", "channel": "admin", "auth": signature, "since": since})
        assert (page["recovered"], page["messages"]) == (True, [second])


def test_an_own_backend_signs_and_broadcasts_where_the_gateway_registers_and_verbose_shows_each_post(registering):
    connection_id = subscribe_and_hear(registering)
    registering.wait_for(rf"POST +{connection_id}")


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes where Linux lists them")


@needs_proc
def test_a_backend_that_ends_comes_back_at_its_address_with_its_password(run):
    run.kill("examples.backend")
    run.wait_for("^The example backend has ended with exit code -9 and is started again")
    request = urllib.request.Request(f"{run.url}/runs", b'{"run_name":"x"}', {"Content-Type": "application/json"})
    request.add_header("Authorization", "Basic " + b64encode(run.user.encode()).decode())
    with until_it_answers(lambda: urllib.request.urlopen(request, timeout=30)) as answer:
        assert set(json.load(answer)) >= {"sent", "failed", "stale"}


@needs_proc
def test_a_gateway_that_ends_comes_back_at_its_address_with_its_keys(run):
    run.kill("local_gateway")
    run.wait_for("^The local gateway has ended with exit code -9 and is started again")
    with until_it_answers(lambda: Client(run.websocket)) as client:
        assert run.own_backend("register", client.id) == "{'sent': 1, 'failed': 0, 'stale': 0}"


@needs_proc
def test_after_the_stand_in_all_of_them_are_started_again(registering):
    before = registering.for_backend
    registering.kill("examples.stand_in")
    registering.wait_until_ready()
    subscribe_and_hear(registering)
    assert registering.for_backend["AWS_ACCESS_KEY_ID"] == before["AWS_ACCESS_KEY_ID"]
