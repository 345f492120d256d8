"""A real Redis that is killed and started again: each event is heard once by all who stayed, or counted as dropped."""

import threading
import time
from collections import Counter

import pytest

from broadcaster import Broadcaster
from tests.broadcaster.publishing.received import data_of, wait_until
from tests.registries.conftest import _redis_is_installed, make_redis  # noqa: F401 - fixtures

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("aws_keys")]
VIEWERS = [f"L0SM9cOFvHc{number}=" for number in range(5)]
GONE = "L0SM9cOFvHcX="


@pytest.mark.parametrize("max_age", [30.0, 0.4])
def test_what_is_published_while_redis_is_away_is_heard_once_or_counted(max_age, make_redis, server, caplog):  # noqa: F811
    redis = make_redis("--appendonly", "yes", "--appendfsync", "always")
    with Broadcaster(
        endpoint_url=server.endpoint.url, region="us-east-1", registry=redis.url, window=0.02, max_age=max_age
    ) as caster:
        server.script = lambda connection_id, attempt: "410" if connection_id == GONE else "200"
        for viewer in (*VIEWERS, GONE):
            caster.register_connection(viewer)
        published = Counter()
        is_over = threading.Event()

        def publish(channel):
            while not is_over.is_set():
                caster.publish(channel, "log", [channel, published[channel]])
                published[channel] += 1
                time.sleep(0.003)

        threads = [threading.Thread(target=publish, args=(channel,)) for channel in ("logs", "admin")]
        for thread in threads:
            thread.start()
        for _ in range(2):
            before = caster.publisher_stats().events
            wait_until(lambda before=before: caster.publisher_stats().events > before + 20)
            redis.kill()
            wait_until(lambda: caster.publisher_stats().queued > 20 or caster.publisher_stats().dropped["expired"])
            time.sleep(0.5)
            redis.start()
        before = caster.publisher_stats().events
        wait_until(lambda: caster.publisher_stats().events > before + 20)
        is_over.set()
        for thread in threads:
            thread.join()
        assert caster.flush(30.0)
        stats = caster.publisher_stats()
        wait_until(lambda: list(caster._registry.pages("logs")) != [] and caster._registry.count() == len(VIEWERS))
    print(f"\n{stats}; viewers received {[len(data_of(server, viewer)) for viewer in (*VIEWERS, GONE)]}")
    assert stats.queued == stats.unwatched == 0
    assert stats.events + sum(stats.dropped.values()) == published.total()
    assert {reason for reason, number in stats.dropped.items() if number} <= {"expired"}
    assert (stats.dropped["expired"] > 0) == (max_age < 1)
    for viewer in VIEWERS:
        received = data_of(server, viewer)
        assert stats.events <= len(received) == len(set(map(tuple, received)))
        assert published.total() - len(received) <= sum(stats.dropped.values())
        for channel in published:
            numbers = [number for where, number in received if where == channel]
            assert numbers == sorted(numbers)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Events ")]
    assert [line.split(",")[0] for line in lines] == [
        "Events wait",
        "Events are sent again",
    ] * (len(lines) // 2)
