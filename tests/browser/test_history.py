"""A page that is cut off again and again, with posts that fail or overtake each other, misses nothing that is kept."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from broadcaster import Broadcaster

# A minute alone, some more beside other tests.
pytestmark = pytest.mark.timeout(600)

CUTS = 100
WORKERS = 4
FAILING = 0.05  # one post in twenty
CHANNEL = "logs"


@pytest.fixture(scope="module")
def system(start_system):
    with start_system("--post-errors", FAILING) as system:
        yield system


@pytest.fixture
def broadcaster(system, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "LOCALEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    # One attempt for each post: what fails is lost, but for its history.
    with Broadcaster(endpoint_url=system.connections, region="us-east-1", history={CHANNEL: 1_000}, attempts=1) as made:
        yield made


@pytest.fixture
def page(context, system, broadcaster, serve_page):
    def register(body):
        broadcaster.register_connection(body["connection_id"])
        return 204, {}, b""

    def history(body):
        answer = broadcaster.read_history(body["channel"], since=body.get("since"), rewind=body.get("rewind"))
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    page = context.new_page()
    page.goto(serve_page({"/register": register, "/history": history}))
    page.evaluate(
        """async (url) => {
            Math.random = () => 0.02; // pauses between attempts
            const { Gateway } = await import("/client/gateway.js");
            window.gateway = new Gateway(url, { register: "/register", history: "/history" });
            window.claim = gateway.subscribe("logs");
            window.heard = [];
            window.told = [];
            claim.bind("log", (number, { epoch, seq }) => heard.push([number, seq]));
            claim.bind("pusher:subscription_succeeded", ({ recovered }) => told.push(recovered));
        }""",
        system.websocket,
    )
    page.wait_for_function("() => claim.subscribed")
    yield page
    page.close()


def test_a_hundred_cuts_lose_nothing_and_double_nothing(page, broadcaster, system):
    numbers = itertools.count(1)
    failed = 0
    with ThreadPoolExecutor(WORKERS) as workers:

        def publish(count):
            """Have the workers send at once, so that their posts overtake each other; return how many failed."""
            batch = [next(numbers) for _ in range(count)]
            return sum(
                result.failed for result in workers.map(lambda n: broadcaster.broadcast(CHANNEL, "log", n), batch)
            )

        for _ in range(CUTS):
            page.wait_for_function("() => claim.subscribed")
            former = page.evaluate("gateway.connection.socket_id")
            failed += publish(WORKERS)
            system.management.delete_connection(ConnectionId=former)
            failed += publish(2)  # while the page is away
            page.wait_for_function("former => gateway.connection.socket_id !== former", arg=former)
        page.wait_for_function("() => claim.subscribed")
    last = next(numbers) - 1
    page.wait_for_function("last => heard.length >= last", arg=last)
    heard = page.evaluate("heard")
    assert [seq for _, seq in heard] == list(range(1, last + 1)), "in order, without a hole"
    assert sorted(number for number, _ in heard) == list(range(1, last + 1)), "each once"
    assert page.evaluate("told") == [False, *[True] * CUTS]
    print(f"\n{CUTS} cuts, {last} events from {WORKERS} workers, {failed} failed posts: 0 lost, 0 doubled, in order")
    assert failed > 0
