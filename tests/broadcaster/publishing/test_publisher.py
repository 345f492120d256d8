"""`publish` over real HTTP, to a server that misbehaves by script."""

import datetime
import json
import logging
import time

import pytest

from broadcaster import (
    ConfigurationError,
    InvalidArgumentError,
    MemoryRegistry,
    MessageError,
)
from broadcaster.messages import MessageEncoder, envelope
from tests.broadcaster.publishing.received import FAST, SLOW, THIRD, heard, wait_until

pytestmark = pytest.mark.usefixtures("aws_keys")


def test_everybody_gets_everything_once_and_in_order(make, server, sender):
    caster = make(sender=sender)
    for viewer in (FAST, THIRD):
        caster.register_connection(viewer)
    for number in range(500):
        caster.publish("logs", "log", number)
    assert caster.flush(20.0)
    for viewer in (FAST, THIRD):
        assert heard(server, viewer) == [("logs", "log", number) for number in range(500)]
    stats = caster.publisher_stats()
    assert (stats.queued, stats.events, stats.unwatched, sum(stats.dropped.values())) == (0, 500, 0, 0)
    assert stats.messages == len(server.requests)
    assert stats.bytes == sum(len(body) for _, _, _, body in server.requests)


def test_one_alone_keeps_the_envelope_of_a_broadcast_and_several_share_one(make, server):
    caster = make(window=5.0)
    caster.register_connection(FAST)
    caster.publish("logs", "log", "first")
    wait_until(lambda: server.requests)
    for number in range(3):
        caster.publish("logs", "log", number)
    assert caster.flush()
    first, rest = [json.loads(body) for body in server.bodies[FAST]]
    assert list(first) == ["channel", "event", "data", "id"]
    assert list(rest) == ["channel", "events"]
    assert [list(event) for event in rest["events"]] == [["event", "data", "id"]] * 3


def test_without_a_window_each_goes_alone(make, server):
    caster = make(window=0)
    caster.register_connection(FAST)
    for number in range(20):
        caster.publish("logs", "log", number)
    assert caster.flush()
    assert [json.loads(body)["data"] for body in server.bodies[FAST]] == list(range(20))


def test_of_several_that_wait_with_one_key_only_the_newest_is_sent(make, server):
    caster = make(window=5.0)
    caster.register_connection(FAST)
    caster.publish("admin", "progress", {"done": 0}, latest="run:42")
    wait_until(lambda: server.requests)
    for done in range(1, 8):
        caster.publish("admin", "progress", {"done": done}, latest="run:42")
    caster.publish("admin", "progress", {"done": 1}, latest="run:43")
    assert caster.flush()
    assert [data["done"] for _, _, data in heard(server, FAST)] == [0, 7, 1]
    assert caster.publisher_stats().superseded == 6


def test_the_data_is_taken_as_it_is_at_the_call(make, server):
    caster = make()
    caster.register_connection(FAST)
    data = {"when": datetime.date(2026, 1, 1), "list": [1]}
    caster.publish("logs", "log", data)
    data["list"].append(2)
    assert caster.flush()
    assert heard(server, FAST) == [("logs", "log", {"when": "2026-01-01", "list": [1]})]


def test_a_message_that_is_full_does_not_wait_for_its_window(make, server):
    caster = make(window=60.0)
    caster.register_connection(FAST)
    caster.publish("logs", "log", "first")
    wait_until(lambda: server.requests)
    for number in range(100):
        caster.publish("logs", "log", [number, "x" * 500])
    wait_until(lambda: len(server.requests) == 2)
    assert 30_000 < len(server.bodies[FAST][1]) <= 32_768
    assert 0 < caster.publisher_stats().queued < 60


def test_a_channel_that_nobody_listens_to_is_not_read_again_for_a_second(make, server):
    class Counting(MemoryRegistry):
        reads = 0

        def pages(self, channel):
            self.reads += 1
            return super().pages(channel)

    registry = Counting()
    caster = make(registry=registry, window=0.01)
    began = time.monotonic()
    for _ in range(50):
        caster.publish("logs", "log", {})
        time.sleep(0.005)
    assert caster.flush()
    assert registry.reads <= 1 + (time.monotonic() - began)  # a second is over sooner than the loop on a busy machine
    assert caster.publisher_stats().unwatched == 50
    caster.register_connection(FAST)

    def publish_and_look():
        caster.publish("logs", "log", {})
        return server.requests

    wait_until(publish_and_look)


def test_mistakes_are_counted_and_logged_once_for_each_kind_and_place(make, caplog):
    caster = make()
    for _ in range(3):
        caster.publish("not a channel", "log", {})
        caster.publish("logs", "log", object())
        caster.publish("logs", "log", "x" * 140_000)
        caster.publish("logs", "pusher:x", {})
        caster.publish("logs", "log", {}, latest=7)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert caster.publisher_stats().dropped["invalid"] == 15
    assert len(errors) == 5
    assert all("test_publisher.py" in record.getMessage() for record in errors)


def test_mistakes_alone_do_not_gather_in_memory(make):
    caster = make()
    for _ in range(1_000):
        caster.publish("not a channel", "log", {})
    assert len(caster._publisher._mailbox._inbox) < 100


def test_an_event_may_be_as_large_as_one_that_is_broadcast(make, server):
    caster = make(history={"kept": 10})
    caster.register_connection(FAST)
    for channel, room in (("logs", 0), ("kept", 64)):
        around = len(envelope(channel, [MessageEncoder().event("log", "")]))
        for over in (0, 1):
            caster.publish(channel, "log", "x" * (131_072 - around - room + over))
    assert caster.flush(20.0)
    assert [event[0] for event in heard(server, FAST)] == ["logs", "kept"]
    assert len(server.requests[0][3]) == 131_072
    assert caster.publisher_stats().dropped["invalid"] == 2


def test_a_message_is_not_billed_twice_because_of_its_number_in_the_history(make, server):
    caster = make(history={"kept": 1_000}, window=0.2)
    caster.register_connection(FAST)
    for size in range(100, 160):  # so that some message is full to the last bytes
        for _ in range(32_768 // size):
            caster.publish("kept", "log", "x" * size)
        assert caster.flush(20.0)
    assert max(len(body) for body in server.bodies[FAST]) <= 32_768


def test_strict_raises_what_is_wrong_with_an_event(make):
    caster = make(strict=True)
    with pytest.raises(InvalidArgumentError):
        caster.publish("not a channel", "log", {})
    with pytest.raises(MessageError):
        caster.publish("logs", "log", object())


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"window": -1}, "window is -1; give seconds from 0 to 60"),
        ({"window": {"logs*": "1"}}, "window of 'logs\\*' is '1'"),
        ({"window": {"lo*gs": 1}}, "neither a channel nor a prefix"),
        ({"queue": 0}, "queue 0 is not"),
        ({"max_age": 0}, "max_age 0 is not"),
        ({"encoder": 5}, "encoder 5 is no function"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(make, setting, says):
    with pytest.raises(ConfigurationError, match=says):
        make(**setting)


def test_one_that_is_gone_leaves_the_registry_and_has_missed_nothing(make, server):
    caster = make()
    server.script = lambda connection_id, attempt: "410" if connection_id == SLOW else "200"
    for viewer in (FAST, SLOW):
        caster.register_connection(viewer)
    caster.publish("logs", "log", 1)
    assert caster.flush()
    assert caster.publisher_stats().events == 1
    wait_until(lambda: list(caster._registry.pages("logs")) == [[FAST]])


async def test_the_asyncio_face_publishes_without_waiting(server):
    from broadcaster.aio import AsyncBroadcaster

    async with AsyncBroadcaster(endpoint_url=server.endpoint.url, region="us-east-1") as caster:
        await caster.register_connection(FAST)
        for number in range(10):
            caster.publish("logs", "log", number)
        assert await caster.flush()
        assert await caster.flush(0)
        assert caster.publisher_stats().events == 10
        server.script = lambda connection_id, attempt: "hang"
        caster.publish("logs", "log", 10)
        assert not await caster.flush(0.1)
        await caster.close(0.1)
    assert [data for _, _, data in heard(server, FAST)] == list(range(11))
