"""From a signed subscription to an event, through the synthesized stack's own Lambda, with no registration code."""

import time

import pytest

import broadcaster


@pytest.fixture
def backend(backend_environment, stand_in):
    """The default broadcaster with the table of the stack, and nothing more."""
    broadcaster.init_broadcaster(
        api_id="abc123xyz", region="us-east-1", registry=stand_in.variables["BROADCASTER_REGISTRY"]
    )
    yield broadcaster
    broadcaster.close_broadcaster()


def wait_until(condition):
    while not condition():  # the suite's time limit ends a wait in vain
        time.sleep(0.05)


def test_who_was_told_that_the_subscription_succeeded_hears_the_next_event(backend, browser):
    client = browser()
    auth = backend.authorize_subscription(client.id, "admin")
    assert client.subscribe("admin", auth) == {"type": "subscription_succeeded", "channel": "admin"}
    assert backend.broadcast_admin_event({"type": "run_started"}) == {"sent": 1, "failed": 0, "stale": 0}
    event = client.hear()
    assert (event["channel"], event["event"], event["data"]) == ("admin", "admin_event", {"type": "run_started"})


def test_each_hears_its_own_channels_until_it_unsubscribes(backend, browser):
    one, other = browser(), browser()
    for client, channel in ((one, "logs"), (other, "logs"), (other, "private-b")):
        client.subscribe(channel, backend.authorize_subscription(client.id, channel))
    assert backend.broadcast("private-b", "log", {}).sent == 1
    assert other.hear()["channel"] == "private-b"
    assert other.ask({"action": "unsubscribe", "channel": "logs"})["type"] == "unsubscribe_succeeded"
    assert backend.broadcast("logs", "log", {}).sent == 1


def test_a_client_that_left_is_gone_from_the_table(backend, browser, stand_in):
    client = browser()
    client.subscribe("news")
    client.subscribe("private-c", backend.authorize_subscription(client.id, "private-c"))
    assert sum(client.id in key for row in stand_in.rows() for key in row) == 4
    client.socket.close()
    wait_until(lambda: not any(client.id in key for row in stand_in.rows() for key in row))
    assert backend.broadcast("private-c", "log", {}) == {"sent": 0, "failed": 0, "stale": 0}


def test_who_was_away_gets_what_it_missed_over_the_socket(backend_environment, stand_in, browser):
    registry = stand_in.variables["BROADCASTER_REGISTRY"]
    settings = {"region": "us-east-1", "registry": registry, "history": {"private-runs": 500}}
    with broadcaster.Broadcaster("abc123xyz", **settings) as backend:
        since = backend.position("private-runs")._asdict()
        sent = [
            backend.broadcast("private-runs", "step", {"number": number, "text": "x" * 700}) for number in range(60)
        ]
        assert {result.sent for result in sent} == {0}
        client = browser()
        auth = backend.authorize_subscription(client.id, "private-runs")
        assert client.subscribe("private-runs", auth)["type"] == "subscription_succeeded"
        numbers, pages = [], 0
        while True:
            answer = client.ask({"action": "history", "channel": "private-runs", "auth": auth, "since": since})
            assert (answer["type"], answer["recovered"]) == ("history", True)
            numbers += [message["data"]["number"] for message in answer["messages"]]
            since = {"epoch": answer["epoch"], "seq": answer["seq"]}
            pages += 1
            if not answer["more"]:
                break
        assert (numbers, pages > 1) == (list(range(60)), True)
        backend.broadcast("private-runs", "step", {"number": 60})
        assert client.hear()["seq"] == since["seq"] + 1
    stranger = browser()
    refused = stranger.ask({"action": "history", "channel": "private-runs", "auth": auth, "rewind": 5})
    assert (refused["status"], refused["messages"]) == (403, [])
