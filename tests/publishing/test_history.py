"""Stock SDKs and a backend in Python publish on one channel with history, and a page that was away reads all of it."""

import json
import threading
import urllib.request
from uuid import uuid4

import pytest

from broadcaster import Broadcaster
from tests.publishing.conftest import TOKEN
from tests.publishing.test_stock_sdks import node_sdk, python_sdk  # noqa: F401 - fixtures


@pytest.fixture
def backend(system, monkeypatch):
    for name, value in system.backend.items():
        monkeypatch.setenv(name, value)
    with Broadcaster("local", history={"kept-*": 1_000}) as made:
        yield made


@pytest.fixture
def channel():
    return f"kept-{uuid4().hex}"


def messages_of(client, channel, since):
    """All that a client reads over the socket which has come after a position, page by page."""
    found, more = [], True
    while more:
        page = client.ask(action="history", channel=channel, since=since)
        assert page["recovered"] is True
        found += page["messages"]
        since, more = {"epoch": page["epoch"], "seq": page["seq"]}, page["more"]
    return found


def data_of(messages):
    return [event["data"] for message in messages for event in message.get("events", [message])]


def test_whoever_was_away_reads_what_both_have_published(system, subscribed, backend, python_sdk, channel):  # noqa: F811
    before = backend.position(channel)._asdict()
    there = subscribed(channel)
    assert backend.broadcast(channel, "step", 0).sent == 1
    assert python_sdk.trigger(channel, "step", 1) == {}
    assert python_sdk.trigger_batch([{"channel": channel, "name": "step", "data": n} for n in (2, 3)]) == {}
    assert backend.broadcast(channel, "step", 4).sent == 1
    plain = {"channel": channel, "event": "step", "data": 5}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(f"{system.url}publish", json.dumps(plain).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.loads(answer.read()) == {"sent": 1, "failed": 0, "stale": 0}
    heard = [there.hear_message() for _ in range(5)]
    back = subscribed(channel)
    found = messages_of(back, channel, before)
    assert data_of(found) == [0, 1, 2, 3, 4, 5]
    assert [message["seq"] for message in found] == [1, 2, 3, 4, 5]
    assert heard == found == backend.read_history(channel, since=before)["messages"]


def test_both_at_once_number_without_a_hole(system, subscribed, backend, python_sdk, node_sdk, channel):  # noqa: F811
    before = backend.position(channel)._asdict()
    there = subscribed(channel)
    work = [
        lambda: [backend.broadcast(channel, "step", f"backend {n}") for n in range(20)],
        lambda: [python_sdk.trigger(channel, "step", f"python {n}") for n in range(20)],
        lambda: node_sdk(*(["trigger", channel, "step", f"node {n}"] for n in range(20))),
    ]
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    heard = [there.hear_message() for _ in range(60)]
    found = messages_of(subscribed(channel), channel, before)
    assert [message["seq"] for message in found] == list(range(1, 61))
    assert sorted(heard, key=lambda message: message["seq"]) == found
    for who in ("backend", "python", "node"):
        assert [data for data in data_of(found) if data.startswith(who)] == [f"{who} {n}" for n in range(20)]
