"""The module that history takes: it comes late, or it cannot be loaded."""

import json

import pytest

from broadcaster import Broadcaster

CHANNEL = "logs"
MODULE = "**/client/history.js"


@pytest.fixture
def broadcaster(system, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "LOCALEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    with Broadcaster(endpoint_url=system.connections, region="us-east-1", history={CHANNEL: 100}) as made:
        yield made


@pytest.fixture
def page(context, broadcaster, serve_page):
    def register(body):
        broadcaster.register_connection(body["connection_id"])
        return 204, {}, b""

    def history(body):
        answer = broadcaster.read_history(body["channel"], since=body.get("since"), rewind=body.get("rewind"))
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    page = context.new_page()
    page.goto(serve_page({"/register": register, "/history": history}))
    yield page
    page.close()


def open_gateway(page, system):
    page.evaluate(
        """async (url) => {
            const { Gateway } = await import("/client/gateway.js");
            window.gateway = new Gateway(url, { register: "/register", history: "/history" });
            window.errors = [];
            gateway.connection.bind("error", ({ type, error }) => errors.push(`${type}: ${error.data.message}`));
            window.heard = [];
            window.told = [];
            window.claim = gateway.subscribe("logs");
            claim.bind("log", (number) => heard.push(number));
            claim.bind("pusher:subscription_succeeded", (state) => told.push([state.recovered, !!state.position]));
        }""",
        system.websocket,
    )


def test_what_comes_before_the_module_waits_for_it(page, context, system, broadcaster):
    held, frames = [], []
    context.route(MODULE, lambda route: held.append(route))
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    open_gateway(page, system)
    first = 1
    while not broadcaster.broadcast(CHANNEL, "log", first).sent:  # until the connection is registered
        first += 1
        page.wait_for_timeout(20)
    while not any('"log"' in frame for frame in frames):
        page.wait_for_timeout(20)
    assert page.evaluate("[heard.length, claim.subscribed]") == [0, False]
    broadcaster.broadcast(CHANNEL, "log", first + 1)
    (route,) = held
    route.continue_()
    page.wait_for_function("() => heard.length > 1")
    assert page.evaluate("heard") == [first, first + 1]
    assert page.evaluate("told") == [[False, True]]
    assert page.evaluate("errors") == []


def test_without_the_module_live_events_go_on_and_the_next_subscription_tries_again(page, context, system, broadcaster):
    context.route(MODULE, lambda route: route.fulfill(status=404))
    open_gateway(page, system)
    page.wait_for_function("() => claim.subscribed")
    assert page.evaluate("told") == [[False, False]]
    (error, *_) = page.evaluate("errors")
    assert error.startswith("HistoryError: history.js, which belongs beside gateway.js, cannot be loaded: ")
    for number in (1, 2):
        assert broadcaster.broadcast(CHANNEL, "log", number).sent == 1
    page.wait_for_function("() => heard.length === 2")
    context.unroute(MODULE)
    former = page.evaluate("gateway.connection.socket_id")
    system.management.delete_connection(ConnectionId=former)
    broadcaster.broadcast(CHANNEL, "log", 3)
    page.wait_for_function("() => told.length > 1")
    assert page.evaluate("told") == [[False, False], [False, True]]
    broadcaster.broadcast(CHANNEL, "log", 4)
    page.wait_for_function("() => heard.length === 3")
    assert page.evaluate("heard") == [1, 2, 4]
