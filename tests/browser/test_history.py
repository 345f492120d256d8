"""A page that is cut off again and again, with posts that fail or overtake each other, misses nothing that is kept."""

import itertools
import json
import random
from threading import Lock

import pytest

CUTS = 100
CHANNEL = "logs"


class Backend:
    """Numbers and keeps messages before it posts them, as the protocol wants it."""

    def __init__(self, management):
        self._management = management
        self._messages = []
        self._late = []  # posts of slow workers
        self._lock = Lock()
        self._chance = random.Random(1)
        self.registered = []
        self.failed = 0
        self.answers = {"/register": self._register, "/history": self._history}

    def _register(self, body):
        self.registered.append(body["connection_id"])
        return 204, {}, b""

    def _history(self, body):
        with self._lock:
            since = body.get("since", {"seq": len(self._messages)})["seq"]
            answer = {
                "channel": CHANNEL,
                "epoch": "e",
                "seq": len(self._messages),
                "recovered": True,
                "messages": self._messages[since:],
                "more": False,
            }
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    def publish(self, number):
        """Store an event; post it now, after the next one, or never: one post in twenty fails."""
        with self._lock:
            message = {"channel": CHANNEL, "event": "log", "data": number, "id": f"{number:06}", "epoch": "e"}
            self._messages.append({**message, "seq": len(self._messages) + 1})
            posts = [self._messages[-1], *self._late]
        self._late = []
        fate = self._chance.random()
        if fate < 0.2:
            self._late = [posts.pop(0)]
        for post in posts:
            if self._chance.random() < 0.05:
                self.failed += 1
            else:
                self._post(post)

    def _post(self, message):
        for connection_id in self.registered[-1:]:
            try:
                self._management.post_to_connection(ConnectionId=connection_id, Data=json.dumps(message).encode())
            except self._management.exceptions.GoneException:
                self.failed += 1


@pytest.fixture
def backend(system):
    return Backend(system.management)


@pytest.fixture
def page(context, system, backend, serve_page):
    page = context.new_page()
    page.goto(serve_page(backend.answers))
    page.evaluate(
        """async (url) => {
            Math.random = () => 0.02; // pauses between attempts
            const { Gateway } = await import("/client/gateway.js");
            window.gateway = new Gateway(url, { register: "/register", history: "/history" });
            window.claim = gateway.subscribe("logs");
            window.heard = [];
            window.told = [];
            claim.bind("log", (data) => heard.push(data));
            claim.bind("pusher:subscription_succeeded", ({ recovered }) => told.push(recovered));
        }""",
        system.websocket,
    )
    page.wait_for_function("() => claim.subscribed")
    yield page
    page.close()


def test_a_hundred_cuts_lose_nothing_and_double_nothing(page, backend, system):
    numbers = itertools.count(1)
    for _ in range(CUTS):
        page.wait_for_function("() => claim.subscribed")
        former = page.evaluate("gateway.connection.socket_id")
        for _ in range(3):
            backend.publish(next(numbers))
        system.management.delete_connection(ConnectionId=former)
        backend.publish(next(numbers))  # while the page is away
        page.wait_for_function("former => gateway.connection.socket_id !== former", arg=former)
    page.wait_for_function("() => claim.subscribed")
    last = next(numbers) - 1
    page.wait_for_function("last => heard.at(-1) >= last", arg=last)
    assert page.evaluate("heard") == list(range(1, last + 1))
    assert page.evaluate("told") == [False, *[True] * CUTS]
    print(f"\n{CUTS} cuts, {last} events, {backend.failed} posts that failed: 0 lost, 0 doubled, in order")
    assert backend.failed > CUTS
