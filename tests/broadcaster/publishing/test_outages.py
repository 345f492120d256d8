"""An outage of the registry, the history or API Gateway ends by itself, with one line before and one after."""

import math
import threading
import time

import pytest

from broadcaster import (
    MemoryRegistry,
    RegistryError,
)
from broadcaster.publishing import courier
from tests.broadcaster.publishing.received import FAST, SLOW, THIRD, heard, wait_until

pytestmark = pytest.mark.usefixtures("aws_keys")


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
    caster = make(window=0.01, timeout=1.0, attempts=1)
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
