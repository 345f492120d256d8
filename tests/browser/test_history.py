"""A page that is cut off again and again, with posts that fail or overtake each other, misses nothing that is kept."""

import contextlib
import json
from multiprocessing import get_context
from threading import Event
from typing import NamedTuple

import pytest

from broadcaster import Broadcaster
from tests.registries.conftest import _redis_is_installed, make_redis  # noqa: F401 - fixtures

CUTS = 100
WORKERS = 4
FAILING = 0.05  # one post in twenty
CHANNEL = "logs"


@pytest.fixture(scope="module")
def system(start_system):
    with start_system("--post-errors", FAILING) as system:
        yield system


@pytest.fixture
def settings(system, make_redis, monkeypatch):  # noqa: F811
    """What the workers of a backend have in common."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "LOCALEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    return {
        "endpoint_url": system.connections,
        "region": "us-east-1",
        "registry": make_redis().url,
        "history": {CHANNEL: 1_000},
        "attempts": 1,  # what fails is lost, but for its history
    }


class Posts(NamedTuple):
    sent: int
    failed: int


def work(name, settings, pipe):
    """Publish as many events as the test asks for, each time that it does."""
    number = 0
    with Broadcaster(**settings) as broadcaster:
        while count := pipe.recv():
            results = [broadcaster.broadcast(CHANNEL, "log", [name, number + i]) for i in range(1, count + 1)]
            number += count
            pipe.send(Posts(sum(result.sent for result in results), sum(result.failed for result in results)))


class Workers:
    """Four processes that publish at once, so that their posts overtake each other."""

    def __init__(self, settings):
        processes = get_context("spawn")
        self.numbers = 0  # of the last event of each
        self._pipes = []
        self._processes = []
        for name in range(WORKERS):
            ours, theirs = processes.Pipe()
            process = processes.Process(target=work, args=(name, settings, theirs))
            process.start()
            theirs.close()  # so that nobody waits for a process that has ended
            self._pipes.append(ours)
            self._processes.append(process)

    def begin(self, count):
        self.numbers += count
        for pipe in self._pipes:
            pipe.send(count)

    def end(self):
        """Wait until all have published; return what became of their posts."""
        return Posts(*map(sum, zip(*(pipe.recv() for pipe in self._pipes), strict=True)))

    def publish(self, count):
        self.begin(count)
        return self.end()

    def close(self):
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            pipe.send(0)
            process.join()
            pipe.close()


@pytest.fixture
def workers(settings):
    with contextlib.closing(Workers(settings)) as workers:
        yield workers


@pytest.fixture
def may_return():
    """Set while a page that was cut off is registered again."""
    event = Event()
    event.set()
    return event


@pytest.fixture
def page(context, system, settings, may_return, serve_page):
    with Broadcaster(**settings) as broadcaster:

        def register(body):
            may_return.wait()
            broadcaster.register_connection(body["connection_id"])
            return 204, {}, b""

        def history(body):
            answer = broadcaster.read_history(body["channel"], since=body.get("since"), rewind=body.get("rewind"))
            return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()

        page = context.new_page()
        page.goto(serve_page({"/register": register, "/history": history}))
        page.evaluate(
            """async (url) => {
                Math.random = () => 0; // no pauses between attempts
                const { Gateway } = await import("/client/gateway.js");
                window.gateway = new Gateway(url, { register: "/register", history: "/history" });
                window.claim = gateway.subscribe("logs");
                window.heard = [];
                window.told = [];
                claim.bind("log", (event, { seq }) => heard.push([event, seq]));
                claim.bind("pusher:subscription_succeeded", ({ recovered }) => told.push(recovered));
            }""",
            system.websocket,
        )
        page.wait_for_function("() => claim.subscribed")
        yield page
        may_return.set()
        page.close()


def test_a_hundred_cuts_lose_nothing_and_double_nothing(page, workers, may_return, system, playwright_error):
    failed = 0
    for cuts in range(1, CUTS + 1):
        workers.begin(2)
        may_return.clear()
        system.management.delete_connection(ConnectionId=page.evaluate("gateway.connection.socket_id"))
        failed += workers.end().failed
        assert workers.publish(1).sent == 0, "the page is away"
        workers.begin(2)
        may_return.set()
        page.wait_for_function("count => told.length > count", arg=cuts)
        failed += workers.end().failed
    failed += workers.publish(25).failed  # without a cut, after which it would be read at once
    # Of what failed last nobody knows until something follows; but not without a pause, or the page never catches up.
    while page.evaluate("heard.length") < workers.numbers * WORKERS:
        failed += workers.publish(1).failed
        with contextlib.suppress(playwright_error):
            page.wait_for_function("count => heard.length >= count", arg=workers.numbers * WORKERS, timeout=3_000)
    heard = page.evaluate("heard")
    last = workers.numbers * WORKERS
    assert [seq for _, seq in heard] == list(range(1, last + 1)), "in order, without a hole"
    for worker in range(WORKERS):
        numbers = [number for (name, number), _ in heard if name == worker]
        assert numbers == list(range(1, workers.numbers + 1)), "each once, as this worker published them"
    assert page.evaluate("told") == [False, *[True] * CUTS]
    print(f"\n{CUTS} cuts, {last} events from {WORKERS} workers, {failed} failed posts: 0 lost, 0 doubled, in order")
    assert failed > 0
