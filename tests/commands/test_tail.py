import json
import queue
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from broadcaster import Broadcaster
from broadcaster.commands.subscriber import RENEW_AFTER, Subscriber
from broadcaster.endpoint import resolve_endpoint

WAIT = 30  # seconds, for what comes soon


class EndedError(Exception):
    pass


class Listener:
    """Runs a subscriber in a thread, and keeps what it hears and notes."""

    def __init__(self, registry, channels, **options):
        self.heard, self.notes = queue.Queue(), queue.Queue()
        self._is_ending = False
        self._subscriber = Subscriber(resolve_endpoint(), registry, list(channels), note=self._note, **options)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def hears(self, count):
        return [self.heard.get(timeout=WAIT).data for _ in range(count)]

    def notes_something_like(self, text):
        while text not in self.notes.get(timeout=WAIT):
            pass

    def end(self):
        self._is_ending = True
        self._subscriber.close()
        self._thread.join()

    def _run(self):
        try:
            for event in self._subscriber.events():
                self.heard.put(event)
        except EndedError:
            pass

    def _note(self, text):
        self.notes.put(text)
        if self._is_ending:
            raise EndedError


@pytest.fixture
def start(registry):
    started = []

    def start(*channels, **options):
        listener = Listener(registry, channels, **options)
        started.append(listener)
        listener.notes_something_like("listening to")
        return listener

    yield start
    for listener in started:
        listener.end()


@pytest.fixture
def backend(registry):
    with Broadcaster(registry=registry, history={"admin": 100}) as backend:
        yield backend


@contextmanager
def tail(*arguments):
    command = [sys.executable, "-W", "error", "-m", "broadcaster", "tail", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_it_prints_what_subscribers_hear_and_leaves_the_list(backend, registry):
    with tail("logs") as process:
        first = process.stderr.readline()
        assert first == "listening to logs\n", first + process.stderr.read()
        backend.broadcast("logs", "log", {"text": "héllo \x9b31m"})
        line = process.stdout.readline()
        assert line.endswith(' logs log {"text": "héllo ?31m"}\n')
        assert registry.count() == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT) == 130
        assert process.stderr.read() == ""
    assert registry.count() == 0


def test_lines_of_json_for_pipes(backend):
    with tail("--json") as process:
        assert process.stderr.readline() == "listening to everything\n"
        backend.broadcast("logs", "log", [1])
        backend.broadcast("admin", "admin_event", {})
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
    assert {name: first[name] for name in ("channel", "event", "data")} == {
        "channel": "logs",
        "event": "log",
        "data": [1],
    }
    assert set(first) == {"channel", "event", "data", "id"}
    assert (second["channel"], second["seq"]) == ("admin", 1)


def test_it_begins_with_what_the_history_has(backend, start):
    for number in range(5):
        backend.broadcast("admin", "admin_event", number)
    listener = start("admin", rewind=3)
    backend.broadcast("admin", "admin_event", 5)
    assert listener.hears(4) == [2, 3, 4, 5]
    assert start("admin", rewind="5m").hears(6) == [0, 1, 2, 3, 4, 5]


def test_after_the_two_hour_cut_it_goes_on_and_reads_what_it_missed(backend, start, gateway, registry):
    listener = start("admin", "logs")
    backend.broadcast("admin", "admin_event", 1)
    backend.broadcast("logs", "log", "before")
    assert listener.hears(2) == [1, "before"]
    [before] = registry.entries()
    gateway.advance(hours=2)
    backend.broadcast("admin", "admin_event", 2)  # to the old connection, the new one, or nobody
    assert listener.hears(1) == [2]
    listener.notes_something_like("connected again")
    backend.broadcast("logs", "log", "after")
    assert listener.hears(1) == ["after"]
    assert before.connection_id not in {entry.connection_id for entry in registry.entries()}


def test_before_two_hours_are_over_it_changes_to_another_connection_without_missing_any(backend, start, registry):
    now = [0.0]
    listener = start("logs", clock=lambda: now[0])
    [before] = registry.entries()
    for number in range(300):
        if number == 50:
            now[0] += RENEW_AFTER
        backend.broadcast("logs", "log", number)
        if number >= 50 and before not in registry.entries():
            break
    sent = number + 1
    backend.broadcast("logs", "log", "the last")
    assert listener.hears(sent + 1) == [*range(sent), "the last"]
    assert before not in registry.entries()
    assert listener.notes.empty()  # nothing was cut


def test_events_that_share_a_message_are_shown_one_by_one(backend, start):
    listener = start("logs")
    for number in range(20):
        backend.publish("logs", "log", number)
    assert listener.hears(20) == list(range(20))


def test_a_registry_that_forgot_the_history_is_told(start, backend, gateway, registry):
    listener = start("admin")
    backend.broadcast("admin", "admin_event", 1)
    assert listener.hears(1) == [1]
    registry._connected().delete(registry.keys.tagged("history:admin") + ":messages")
    gateway.advance(hours=2)
    listener.notes_something_like("something may be missing on admin")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--since", "5m"), 2, "name them"),
        (("admin", "--since", "5x"), 2, "'5x'"),
        (("ad min",), 2, "'ad min'"),
        (("--registry", "memory://"), 2, "in the memory of your backend"),
        (("--endpoint-url", "http://127.0.0.1:9/production"), 1, "ws://127.0.0.1:9/production cannot be reached"),
    ],
)
def test_a_mistake_is_one_sentence(run, environment, arguments, code, text):
    done = run("tail", *arguments)
    assert (done.code, done.out) == (code, "")
    assert text in done.err
    assert done.err.count("\n") == 1


def test_a_wrong_stage_is_said(run, environment, gateway):
    url = gateway.connections_url.replace("/production", "/staging")
    done = run("tail", "--endpoint-url", url)
    assert done.code == 1
    assert "HTTP 403: is the stage right?" in done.err


def test_without_websockets_it_says_how_to_install_it(environment):
    code = "import sys; sys.modules['websockets'] = None; from broadcaster.commands.main import main; main(['tail'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.endswith('the package websockets, which is not installed; pip install "websockets>=15"\n')
    assert done.stderr.count("\n") == 1
