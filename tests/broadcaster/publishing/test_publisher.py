"""`publish` over real HTTP, to a server that misbehaves by script."""

import contextlib
import datetime
import gc
import inspect
import json
import logging
import math
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from broadcaster import (
    Broadcaster,
    ConfigurationError,
    InvalidArgumentError,
    MemoryRegistry,
    MessageError,
    RegistryError,
)
from broadcaster.messages import MessageEncoder, envelope
from broadcaster.publishing import courier, mailbox, publisher
from broadcaster.publishing.backlog import Backlog
from broadcaster.publishing.lanes import Lanes
from broadcaster.sending.background import carriers
from tests.broadcaster.publishing.received import heard, wait_until

pytestmark = pytest.mark.usefixtures("aws_keys")

ROOT = Path(__file__).parents[3]
FAST, SLOW, THIRD = "fast-viewer=", "slow-viewer=", "third-viewer="


@pytest.fixture(params=["engine", "boto3"])
def sender(request):
    return request.param


@pytest.fixture
def make(server):
    made = []

    def make(**options):
        defaults = {"endpoint_url": server.endpoint.url, "region": "us-east-1", "registry": MemoryRegistry()}
        made.append(Broadcaster(**(defaults | options)))
        return made[-1]

    yield make
    for one in made:
        one.close(0.0)


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


@pytest.mark.slow
@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_one_that_hangs_delays_nobody_and_gets_what_follows_together(make, server, sender):
    caster = make(sender=sender, window=0.02, timeout=2.0)
    release = threading.Event()
    server.script = lambda connection_id, attempt: "hang" if connection_id == SLOW and not release.is_set() else "200"
    for viewer in (FAST, SLOW, THIRD):
        caster.register_connection(viewer)
    caster.publish("logs", "log", 0)
    wait_until(lambda: server.attempts[SLOW] == 1)
    for number in range(1, 30):
        caster.publish("logs", "log", number)
        time.sleep(0.01)
    wait_until(lambda: len(heard(server, FAST)) == len(heard(server, THIRD)) == 30)
    assert server.attempts[SLOW] <= 2, "two messages under way to one connection"
    release.set()
    assert caster.flush(30.0)
    assert heard(server, SLOW) == [("logs", "log", number) for number in range(30)]
    assert server.attempts[SLOW] <= 6
    assert caster.publisher_stats().events == 30


def test_what_waits_for_one_connection_is_bounded(make, server):
    caster = make(window=0.01, timeout=0.5)
    server.script = lambda connection_id, attempt: "hang" if connection_id == SLOW else "200"
    for viewer in (FAST, SLOW):
        caster.register_connection(viewer)
    for number in range(40):
        caster.publish("logs", "log", [number, "x" * 20_000])
        time.sleep(0.005)
    wait_until(lambda: len(heard(server, FAST)) == 40)
    wait_until(lambda: caster.publisher_stats().dropped["overflow"])
    assert caster.publisher_stats().queued <= 262_144 // 20_000 + 2


def test_what_waits_for_all_connections_together_is_bounded_too(make, server):
    """Each listens to a channel of its own, and none of them answers."""
    server.script = lambda connection_id, attempt: "hang"
    caster = make(queue=100, window=0, timeout=30.0)
    for number in range(20):
        caster.register_connection(f"viewer-{number}=", channels=[f"user-{number}"])
        caster.publish(f"user-{number}", "log", "under way")
    wait_until(lambda: len(server.requests) == 20)
    for _ in range(50):
        for number in range(20):
            caster.publish(f"user-{number}", "log", "waits")
        caster.publisher_stats()
        wait_until(lambda: caster._publisher._mailbox._backlog.count == 0)  # they wait for connections now
    wait_until(lambda: caster.publisher_stats().dropped["overflow"] == 900)
    stats = caster.publisher_stats()
    assert stats.queued == 100 + 20
    assert stats.queued + sum(stats.dropped.values()) == 20 * 51


@pytest.mark.parametrize("history", [None, {"logs": 10_000}])
def test_a_burst_larger_than_what_may_wait_for_one_connection_loses_nothing(make, server, sender, history):
    caster = make(sender=sender, history=history)
    server.answer_after = 0.01
    for viewer in (FAST, THIRD):
        caster.register_connection(viewer)
    for number in range(2_000):
        caster.publish("logs", "log", [number, "x" * 500])
    assert caster.flush(60.0)
    for viewer in (FAST, THIRD):
        assert [data[0] for _, _, data in heard(server, viewer)] == list(range(2_000))
    assert caster.publisher_stats().events == 2_000
    assert max(map(len, server.bodies[FAST])) <= 32_768
    assert len(server.bodies[FAST]) <= 1 + 2_000 * 600 // 32_768 + 10, "as few messages as fit"


def test_what_has_a_history_is_stored_although_all_who_listen_hang(make, server):
    server.script = lambda connection_id, attempt: "hang"
    caster = make(history={"logs": 10_000}, timeout=60.0, deadline=60.0)
    for viewer in (FAST, SLOW):
        caster.register_connection(viewer)
    for number in range(2_000):
        caster.publish("logs", "log", [number, "x" * 500])
    wait_until(lambda: stored(caster) == list(range(2_000)))


def stored(caster):
    messages = caster.read_history("logs", rewind=10_000)["messages"]
    return [event["data"][0] for message in messages for event in message.get("events") or [message]]


def test_who_comes_while_the_others_hang_is_seen_although_another_channel_is_busy(make, server):
    server.script = lambda connection_id, attempt: "hang" if connection_id == SLOW else "200"
    caster = make(timeout=60.0)
    caster.register_connection(SLOW, channels=["logs"])
    caster.register_connection(THIRD, channels=["busy"])
    data = "x" * 2_000

    def go_on():
        for channel in ("busy", "logs"):
            caster.publish(channel, "log", data)
        time.sleep(0.005)

    end = time.monotonic() + 2  # by then more has been published than may wait for one that hangs
    wait_until(lambda: go_on() or time.monotonic() > end)
    caster.register_connection(FAST, channels=["logs"])
    wait_until(lambda: go_on() or server.attempts[FAST], 10)


def test_a_burst_reaches_all_but_the_one_who_hangs(make, server):
    caster = make(timeout=30.0)
    server.script = lambda connection_id, attempt: "hang" if connection_id == SLOW else "200"
    for viewer in (FAST, SLOW, THIRD):
        caster.register_connection(viewer)
    for number in range(2_000):
        caster.publish("logs", "log", [number, "x" * 500])
    for viewer in (FAST, THIRD):
        wait_until(lambda viewer=viewer: len(heard(server, viewer)) == 2_000)
        assert [data[0] for _, _, data in heard(server, viewer)] == list(range(2_000))
    assert server.attempts[SLOW] == 1
    stats = caster.publisher_stats()
    assert stats.queued <= 262_144 // 500 + 100
    assert stats.queued + stats.dropped["overflow"] == 2_000


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


def test_what_could_not_be_stored_is_dropped_at_the_end_also_if_nothing_is_ever_too_old(make):
    caster = make(history={"kept": 10}, max_age=math.inf)
    caster.register_connection(FAST)
    caster._history.append = raising
    caster.publish("kept", "log", 1)
    caster.close(0.2)
    wait_until(lambda: caster.publisher_stats().dropped["closed"] == 1)
    assert caster.publisher_stats().queued == 0


def raising(*_, **__):
    raise RegistryError("it cannot be stored")


def test_one_that_is_interrupted_while_it_starts_the_thread_leaves_that_to_the_next(make, server, monkeypatch):
    caster = make()
    caster.register_connection(FAST)

    def interrupt(_):
        monkeypatch.setattr(publisher, "close_at_end", close_at_end)
        raise KeyboardInterrupt

    close_at_end = publisher.close_at_end
    monkeypatch.setattr(publisher, "close_at_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        caster.publish("logs", "log", 1)
    caster.publish("logs", "log", 2)
    assert caster.flush()
    assert [data for _, _, data in heard(server, FAST)] == [1, 2]


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


class Unwell(MemoryRegistry):
    is_well = True

    def pages(self, channel):
        if not self.is_well:
            raise RegistryError("the registry is away")
        return super().pages(channel)


def test_an_outage_of_the_registry_ends_by_itself_with_one_line_before_and_one_after(make, server, caplog):
    registry = Unwell()
    caster = make(registry=registry, window=0.01)
    caster.register_connection(FAST)
    registry.is_well = False
    for number in range(10):
        caster.publish("logs", "log", number)
    wait_until(lambda: any("Events wait" in record.getMessage() for record in caplog.records))
    registry.is_well = True
    assert caster.flush(20.0)
    assert [data for _, _, data in heard(server, FAST)] == list(range(10))
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Events ")]
    assert len(lines) == 2
    assert "the registry is away" in lines[0]
    assert "0 were lost" in lines[1]


@pytest.mark.slow
@pytest.mark.parametrize("deed", ["403", "500", "429", "close", "hang"])
def test_an_outage_of_api_gateway_ends_by_itself(make, server, sender, deed, caplog):
    caster = make(window=0.01, sender=sender, timeout=0.5, attempts=1)
    is_away = threading.Event()
    is_away.set()
    server.script = lambda connection_id, attempt: deed if is_away.is_set() else "200"
    for viewer in (FAST, THIRD):
        caster.register_connection(viewer)
    for number in range(10):
        caster.publish("logs", "log", number)
    wait_until(lambda: any("Events wait" in record.getMessage() for record in caplog.records))
    wait_until(lambda: server.attempts[FAST] >= 2)
    is_away.clear()
    assert caster.flush(30.0)
    for viewer in (FAST, THIRD):
        assert [data for _, _, data in heard(server, viewer)] == list(range(10))
    assert caster.publisher_stats().events == 10
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Events ")]
    assert len(lines) == 2
    assert lines[0].startswith("Events wait, because API Gateway cannot be used: ")
    assert lines[1].startswith("Events are sent again, ")


def test_where_nothing_can_be_stored_channels_without_a_history_go_on(make, server, caplog):
    caster = make(window=0.01, history={"kept": 10})
    caster.register_connection(FAST)
    tried, append = [], caster._history.append
    caster._history.append = lambda *_, **__: raising(tried.append(1))
    for number in range(200):
        caster.publish("logs", "log", number)
        caster.publish("kept", "log", number)
        time.sleep(0.005)
    wait_until(lambda: [data for channel, _, data in heard(server, FAST)] == list(range(200)))
    assert 2 <= len(tried) <= 20, "later and later"
    caster._history.append = append
    assert caster.flush(30.0)
    assert [data for channel, _, data in heard(server, FAST) if channel == "kept"] == list(range(200))
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Events ")]
    assert len(lines) == 2
    assert lines[0].startswith("Events wait, because the history cannot be used: ")
    assert lines[1].endswith("without the history; 0 were lost")


def test_an_outage_is_over_too_when_all_who_listened_are_gone(make, server, caplog):
    caster = make(window=0.01, attempts=1)
    deed = "500"
    server.script = lambda connection_id, attempt: deed
    caster.register_connection(FAST)
    caster.publish("logs", "log", 1)
    wait_until(lambda: "Events wait" in caplog.text)
    deed = "410"
    wait_until(lambda: "Events are sent again" in caplog.text)


@pytest.mark.parametrize("away", ["API Gateway", "the registry"])
def test_what_an_outage_has_lost_is_said_also_by_one_who_closes_before_its_end(make, server, away, caplog):
    registry = Unwell()
    registry.is_well = away != "the registry"
    caster = make(window=0.01, attempts=1, max_age=0.2, registry=registry)
    server.script = lambda connection_id, attempt: "500"
    caster.register_connection(FAST)
    for number in range(3):
        caster.publish("logs", "log", number)
    wait_until(lambda: caster.publisher_stats().dropped["expired"] == 3)
    caster.close()
    assert caplog.text.count(f"3 events were lost while {away} could not be used") == 1


@pytest.mark.slow
def test_all_are_tried_again_when_one_is_reached_and_the_line_says_what_was_lost(make, server, caplog):
    caster = make(window=0.01, attempts=1, max_age=1.0)
    deed = "500"
    server.script = lambda connection_id, attempt: deed
    for viewer in (FAST, SLOW):
        caster.register_connection(viewer)

    def publish():
        caster.publish("logs", "log", {})
        time.sleep(0.05)
        return min(server.attempts[FAST], server.attempts[SLOW])

    wait_until(lambda: publish() >= 5)  # their next tries are seconds away
    deed = "200"
    caster.register_connection(THIRD)
    publish()
    assert caster.flush(20.0)
    lost = caster.publisher_stats().dropped["expired"]
    assert lost
    assert f"API Gateway; {lost} were lost" in caplog.text


@pytest.mark.slow
def test_browsers_that_hang_among_others_are_no_outage(make, server, caplog):
    caster = make(window=0.01, timeout=0.3, attempts=1)
    server.script = lambda connection_id, attempt: "200" if connection_id == FAST else "hang"
    for viewer in (FAST, SLOW, THIRD):
        caster.register_connection(viewer)
    caster.publish("logs", "log", 1)
    wait_until(lambda: server.attempts[SLOW] >= 3 and server.attempts[THIRD] >= 3)
    assert "Events " not in caplog.text


def test_what_has_waited_for_too_long_is_dropped_and_counted(make, server, caplog):
    registry = Unwell()
    registry.is_well = False
    caster = make(registry=registry, max_age=0.3)
    for number in range(10):
        caster.publish("logs", "log", number)
    wait_until(lambda: caster.publisher_stats().dropped["expired"] == 10)
    assert caster.publisher_stats().queued == 0


def test_beyond_the_bound_the_oldest_go_and_are_counted(make, server):
    registry = Unwell()
    registry.is_well = False
    caster = make(registry=registry, queue=100)
    caster.register_connection(FAST)
    for number in range(1_000):
        caster.publish("logs", "log", number)
    wait_until(lambda: caster.publisher_stats().dropped["overflow"] == 900)
    registry.is_well = True
    assert caster.flush(20.0)
    assert [data for _, _, data in heard(server, FAST)] == list(range(900, 1_000))


def test_a_message_that_api_gateway_refuses_is_counted_and_not_tried_again(make, server):
    caster = make()
    server.script = lambda connection_id, attempt: "413"
    caster.register_connection(FAST)
    caster.publish("logs", "log", {})
    assert caster.flush()
    assert caster.publisher_stats().dropped["refused"] == 1
    assert server.attempts[FAST] == 1


def test_one_that_is_gone_leaves_the_registry_and_has_missed_nothing(make, server):
    caster = make()
    server.script = lambda connection_id, attempt: "410" if connection_id == SLOW else "200"
    for viewer in (FAST, SLOW):
        caster.register_connection(viewer)
    caster.publish("logs", "log", 1)
    assert caster.flush()
    assert caster.publisher_stats().events == 1
    wait_until(lambda: list(caster._registry.pages("logs")) == [[FAST]])


def test_flush_and_close_keep_to_their_time(make, server, caplog):
    caster = make()
    server.script = lambda connection_id, attempt: "hang"
    caster.register_connection(FAST)
    caster.publish("logs", "log", 1)
    assert not caster.flush(0.1)
    assert not caster.flush(0.0)
    caster.close(0.1)
    wait_until(lambda: caster.publisher_stats().dropped["closed"] == 1)
    assert "1 published events were not sent within 0.1 seconds" in caplog.text
    caster.publish("logs", "log", 2)
    assert caster.publisher_stats().dropped["closed"] == 2


def test_flush_waits_for_what_was_published_before_and_not_for_what_comes_after(make, server):
    caster = make(window=0.01)
    caster.register_connection(FAST)
    stop = threading.Event()

    def go_on_publishing():
        while not stop.is_set():
            caster.publish("other", "log", {})
            time.sleep(0.001)

    thread = threading.Thread(target=go_on_publishing)
    thread.start()
    try:
        for _ in range(5):
            caster.publish("logs", "log", "before")
            assert caster.flush(10.0)
    finally:
        stop.set()
        thread.join()
    assert len([1 for channel, _, _ in heard(server, FAST) if channel == "logs"]) == 5


def test_nothing_was_published_is_out_at_once(make):
    assert make().flush(0.0)


def test_many_threads_publish_and_nothing_is_lost(make, server):
    caster = make(window=0.01)
    caster.register_connection(FAST)

    def publish(start):
        for number in range(start, start + 1_000):
            caster.publish("logs", "log", number)

    threads = [threading.Thread(target=publish, args=(start,)) for start in range(0, 4_000, 1_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert caster.flush(30.0)
    numbers = [data for _, _, data in heard(server, FAST)]
    assert sorted(numbers) == list(range(4_000))
    for start in range(0, 4_000, 1_000):  # those of one thread in their order
        own = [number for number in numbers if start <= number < start + 1_000]
        assert own == sorted(own)


def test_what_is_published_while_somebody_asks_for_the_stats_is_sent(make, server, monkeypatch):
    caster = make()
    caster.register_connection(FAST)

    def make_publisher(**arguments):
        publishing = threading.Thread(target=caster.publish, args=("logs", "log", "meanwhile"))
        publishing.start()
        publishing.join()
        return Publisher(**arguments)

    Publisher = publisher.Publisher
    monkeypatch.setattr(publisher, "Publisher", make_publisher)
    caster.publisher_stats()  # makes the publisher
    assert caster.flush()
    assert heard(server, FAST) == [("logs", "log", "meanwhile")]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such timer on this system")
def test_signal_handlers_and_finalizers_may_publish_at_any_moment(make, server):
    caster = make(window=0.01)
    caster.register_connection(FAST)

    class Finalized:
        def __init__(self):
            self.itself = self  # so that the garbage collector finds it, at whatever moment

        def __del__(self):
            caster.publish("logs", "log", "collected")

    published = []
    before = signal.signal(signal.SIGALRM, lambda *_: published.append(caster.publish("logs", "log", "handled")))
    thresholds = gc.get_threshold()
    gc.set_threshold(20)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    try:
        for _ in range(1_000):  # less than what may wait for one connection
            Finalized()
            caster.publish("logs", "log", "usual")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.set_threshold(*thresholds)
        gc.collect()
    assert caster.flush(30.0)
    kinds = [data for _, _, data in heard(server, FAST)]
    assert (kinds.count("usual"), kinds.count("collected"), kinds.count("handled")) == (1_000, 1_000, len(published))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such timer on this system")
def test_a_signal_handler_that_raises_in_the_middle_of_publish_leaves_nothing_locked_and_no_event_open(make, server):
    class Interrupted(BaseException):
        pass

    def interrupt(_, frame):
        # Not in the finalizer of something else, which would swallow it, and not here, where nobody would expect it.
        if frame.f_globals.get("__name__", "").startswith("broadcaster."):
            raise Interrupted

    caster = make(window=0.01, queue=500)
    caster.register_connection(FAST)
    caster.publish("logs", "log", {})
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(300):
            end = time.monotonic() + 1.0
            with contextlib.suppress(Interrupted):
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0002, 0.0006), 0.0003)
                while time.monotonic() < end:
                    caster.publish("logs", "log", {})
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert caster.flush(30.0)
    assert caster.publisher_stats().queued == 0


@pytest.mark.parametrize("deed", ["200", "hang"])
def test_a_signal_handler_that_raises_anywhere_in_flush_leaves_nothing_locked(make, server, deed):
    class Interrupted(BaseException):
        pass

    def strike(frame, event, _):
        nonlocal left
        code = frame.f_code
        is_here = "/broadcaster/publishing/" in code.co_filename or code.co_filename == threading.__file__
        if is_here and not code.co_flags & inspect.CO_GENERATOR:
            frame.f_trace_lines = False
            left -= event in ("call", "return")
            if left == 0:
                sys.settrace(None)
                raise Interrupted
            return strike
        return None

    caster = make(timeout=0.2, deadline=0.2)
    caster.register_connection(FAST)
    caster.publish("logs", "log", 0)
    assert caster.flush(20.0)
    place = left = 0
    while left <= 0:  # until all places have been struck
        place += 1
        left = place
        server.script = lambda connection_id, attempt: deed
        caster.publish("logs", "log", place)
        tracing = sys.gettrace()
        sys.settrace(strike)
        try:
            caster.flush(0.01)
        except Interrupted:
            pass
        finally:
            sys.settrace(tracing)
        server.script = lambda connection_id, attempt: "200"
        assert caster.flush(20.0), place
    assert place > 10


def test_a_signal_handler_that_interrupts_publish_may_flush_and_count_and_close(make, server):
    caster = make()
    caster.register_connection(FAST)
    caster.publish("logs", "log", 1)
    assert caster.flush(20.0)
    with caster._publisher._mailbox._lock:  # as the thread that the handler has interrupted holds it
        caster.publish("logs", "log", 2)
        assert not caster.flush(0.05)
        assert caster.publisher_stats().events == 1
    assert caster.flush(20.0)
    with caster._publisher._mailbox._lock:
        caster.close(0.05)


def test_a_signal_handler_may_publish_in_the_middle_of_what_the_first_broadcast_imports(server):
    code = """
import sys
caster = None
class Finder:  # is asked for each module that is imported
    def find_spec(self, name, path=None, target=None):
        if caster is not None and name == "broadcaster.compact_json":
            caster.publish("logs", "log", name)
sys.meta_path.insert(0, Finder())
from broadcaster import Broadcaster
caster = Broadcaster(endpoint_url=sys.argv[1], region="us-east-1", window=0, strict=True)
caster.register_connection("fast-viewer=")
print(caster.broadcast("logs", "log", "broadcast").sent)
caster.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, server.endpoint.url], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_what_is_published_just_before_it_closes_and_left_after_the_end_is_dropped(make, monkeypatch):
    caster = make()
    caster.publish("logs", "log", {})
    mailbox = caster._publisher._mailbox
    put = mailbox.put

    def put_after_the_end(*event):
        caster.close()
        put(*event)

    monkeypatch.setattr(mailbox, "put", put_after_the_end)
    caster.publish("logs", "log", {})
    assert caster.flush(20.0)
    stats = caster.publisher_stats()
    assert (stats.queued, stats.dropped["closed"]) == (0, 1)
    assert caster._publisher._courier is None


def test_what_is_left_while_the_thread_ends_is_dropped_by_one_who_was_closed(make, monkeypatch):
    caster = make()
    caster.publish("logs", "log", {})
    close = publisher.Courier.close

    def close_and_find_another(courier):
        close(courier)
        caster._publisher._mailbox.put("logs", b"{}", None)

    monkeypatch.setattr(publisher.Courier, "close", close_and_find_another)
    caster.close()
    wait_until(lambda: caster.publisher_stats().dropped["closed"] == 1)
    assert caster.publisher_stats().queued == 0


def test_what_others_publish_without_a_pause_is_no_reason_to_sort_for_ever(make, monkeypatch):
    caster = make()
    caster.publish("logs", "log", {})
    assert caster.flush(20.0)
    mailbox = caster._publisher._mailbox
    add, added = mailbox._backlog.add, []

    def add_while_another_comes(*event):
        added.append(event)
        assert len(added) < 1_000
        mailbox.put("logs", b"{}", None)
        return add(*event)

    monkeypatch.setattr(mailbox._backlog, "add", add_while_another_comes)
    mailbox._inbox.append(("logs", b"{}", None))
    with mailbox.open():
        pass


def test_where_callers_leave_more_than_is_sorted_they_let_the_one_who_sorts_go_on(make, monkeypatch):
    caster = make()
    caster.publish("logs", "log", {})
    box, slept = caster._publisher._mailbox, []
    monkeypatch.setattr(mailbox.time, "sleep", lambda seconds: slept.append(box._lock.release()))
    box._lock.acquire()  # as a thread that waits for the interpreter
    for _ in range(1_500):
        caster.publish("logs", "log", {})
    assert len(slept) == 1
    assert len(box._inbox) <= 17


@pytest.mark.parametrize("history", [None, {"flood": 10}])
def test_a_channel_without_a_window_that_is_never_empty_does_not_hold_up_the_others(make, server, monkeypatch, history):
    server.script = lambda connection_id, attempt: "hang" if connection_id == SLOW else "200"
    caster = make(window=0, timeout=60.0, history=history)
    caster.register_connection(SLOW, channels=["flood"])
    caster.register_connection(THIRD, channels=["others"])
    take, taken = Backlog.take, []

    def take_while_another_comes(backlog, channel, now):
        if channel == "flood" and len(taken) < 20_000:
            taken.append(caster.publish("flood", "log", {}, latest="one"))
        return take(backlog, channel, now)

    monkeypatch.setattr(Backlog, "take", take_while_another_comes)
    caster.publish("flood", "log", {})
    caster.publish("others", "log", {})
    wait_until(lambda: heard(server, THIRD))
    assert len(taken) < 20_000
    monkeypatch.undo()


def test_a_viewer_of_hundreds_of_channels_costs_each_message_a_few_looks(make, server, monkeypatch):
    caster = make()
    caster.register_connection(FAST)
    have_room, looks = Lanes.have_room, []
    monkeypatch.setattr(Lanes, "have_room", lambda *rest, **more: looks.append(1) or have_room(*rest, **more))
    for number in range(800):
        caster.publish(f"job-{number}", "done", "x" * 5_000)
    assert caster.flush(60.0)
    assert len(heard(server, FAST)) == 800
    assert len(looks) < 20 * 800


@pytest.mark.parametrize("history", [None, {"job-*": 10}])
def test_one_that_closes_does_not_read_what_many_channels_have_first(make, history):
    class Slow(MemoryRegistry):
        reads = 0

        def pages(self, channel):
            self.reads += 1
            time.sleep(0.02)
            return super().pages(channel)

    registry = Slow()
    caster = make(registry=registry, history=history)
    caster.register_connection(FAST)
    for number in range(500):
        caster.publish(f"job-{number}", "done", {})
    caster.close(0.1)
    wait_until(lambda: caster._publisher._courier is None)
    assert registry.reads < 50
    stats = caster.publisher_stats()
    assert stats.events + stats.dropped["closed"] == 500


def test_what_was_stuck_is_stored_in_one_turn_after_another(make, monkeypatch):
    monkeypatch.setattr(courier, "_TURN", 0.0)
    caster = make(history={"kept-*": 10})
    append = caster._history.append
    caster._history.append = raising
    for number in range(6):
        caster.publish(f"kept-{number}", "log", {})
    wait_until(lambda: len(caster._publisher._courier._stuck) == 4)  # one more with each try
    caster._history.append = append
    wait_until(lambda: caster.publisher_stats().unwatched == 6)


def test_a_burst_of_large_events_loses_nothing(make, server):
    caster = make()
    server.answer_after = 0.01
    caster.register_connection(FAST)
    for number in range(20):
        caster.publish("logs", "log", [number, "x" * 100_000])
    assert caster.flush(60.0)
    assert [data[0] for _, _, data in heard(server, FAST)] == list(range(20))
    assert caster.publisher_stats().events == 20


@pytest.mark.parametrize("history", [None, {"logs": 10}])
def test_what_was_counted_as_closed_while_the_registry_was_read_is_not_sent(make, monkeypatch, history):
    begun = []
    monkeypatch.setattr(carriers.EngineCarrier, "begin", lambda self, job, when_over: begun.append(job))

    class Hanging(MemoryRegistry):
        reading, go_on = threading.Event(), threading.Event()

        def pages(self, channel):
            self.reading.set()
            self.go_on.wait(20.0)
            return super().pages(channel)

    registry = Hanging()
    caster = make(registry=registry, history=history)
    caster.register_connection(FAST)
    caster.publish("logs", "log", {})
    assert registry.reading.wait(20.0)
    caster.close(0.05)
    registry.go_on.set()
    wait_until(lambda: caster._publisher._courier is None)
    stats = caster.publisher_stats()
    assert (stats.queued, stats.events, stats.dropped["closed"]) == (0, 0, 1)
    assert not begun


@pytest.mark.parametrize("end", ["flush", "close"])
def test_what_was_left_by_one_who_was_interrupted_while_making_the_publisher_is_sent(make, server, end):
    caster = make()
    caster.register_connection(FAST)
    with caster._making_publisher:  # as a thread that is about to be interrupted by a signal handler
        caster.publish("logs", "log", 1)
    getattr(caster, end)(20.0)
    assert heard(server, FAST) == [("logs", "log", 1)]


def test_one_may_wait_without_limit(make, server):
    caster = make()
    caster.register_connection(FAST)
    caster.publish("logs", "log", 1)
    assert caster.flush(math.inf)
    caster.publish("logs", "log", 2)
    caster.close(math.inf)
    assert heard(server, FAST) == [("logs", "log", 1), ("logs", "log", 2)]


def test_one_that_is_closed_before_a_thread_could_be_started_has_nothing_waiting(make, server, monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    caster = make()
    caster.register_connection(FAST)
    monkeypatch.setattr(publisher, "start_new_thread", refuse)
    caster.publish("logs", "log", {})
    assert caster.publisher_stats().queued == 1
    caster.close(0.0)
    stats = caster.publisher_stats()
    assert (stats.queued, stats.dropped["closed"]) == (0, 1)
    assert caster.flush(0.0)


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


def test_the_thread_ends_when_nothing_was_published_for_a_while(make, server, monkeypatch):
    monkeypatch.setattr("broadcaster.publishing.courier._IDLE_SECONDS", 0.2)
    caster = make()
    caster.register_connection(FAST)
    for number in range(3):
        caster.publish("logs", "log", number)
        assert caster.flush()
        wait_until(lambda: caster._publisher._courier is None)
    assert [data for _, _, data in heard(server, FAST)] == [0, 1, 2]


def test_threads_that_publish_without_a_pause_from_the_first_event_on_get_to_the_publisher(make, server, monkeypatch):
    def make_publisher(**arguments):
        time.sleep(0.2)
        return Publisher(**arguments)

    def publish(number):
        while not is_over.is_set():
            caster.publish(f"logs-{number}", "log", published[number])
            published[number] += 1

    Publisher = publisher.Publisher
    monkeypatch.setattr(publisher, "Publisher", make_publisher)
    caster = make()
    caster.register_connection(FAST)
    published, is_over = [0, 0, 0, 0], threading.Event()
    threads = [threading.Thread(target=publish, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    early = len(caster._early)
    is_over.set()
    for thread in threads:
        thread.join()
    assert early < 100
    assert not caster._early
    caster.close(20.0)
    stats = caster.publisher_stats()
    assert sum(published) == stats.events + sum(stats.dropped.values())
    for number in range(4):
        received = [data for channel, _, data in heard(server, FAST) if channel == f"logs-{number}"]
        assert received
        assert received == sorted(received)


def test_what_was_wrong_before_the_publisher_was_there_is_counted_or_raised(make):
    for strict in (False, True):
        caster = make(strict=strict)
        with caster._making_publisher:  # as if another thread were doing so
            if strict:
                with pytest.raises(MessageError):
                    caster.publish("logs", "log", object())
            else:
                caster.publish("logs", "log", object())
        assert caster.publisher_stats().dropped["invalid"] == (0 if strict else 1)


def test_what_is_published_while_the_publisher_is_being_made_is_as_it_was_and_not_out_yet(make, server):
    caster = make()
    caster.register_connection(FAST)
    data = {"done": 1}
    with caster._making_publisher:  # as if another thread were doing so
        caster.publish("admin", "progress", data)
        data["done"] = 2
        assert not caster.flush(0.05)
    caster.publish("admin", "progress", data)
    assert caster.flush(20.0)
    assert [data for _, _, data in heard(server, FAST)] == [{"done": 1}, {"done": 2}]
