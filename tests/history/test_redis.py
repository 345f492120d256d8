"""What the history in Redis does beside what every store does: its keys, its costs, and what a restart may lose."""

import time
from uuid import uuid4

import pytest

from broadcaster import RegistryError
from broadcaster.history import FORGOTTEN_AFTER, Position, Rewind
from broadcaster.history.choose import History
from broadcaster.history.redis import RedisHistory
from broadcaster.registries.redis import RedisRegistry

from .conftest import LIFETIME


def append(store, name, **options):
    options = {"events": 1, "keep": 100, **options}
    return store.append("logs", f'{{"id":"{name}"}}'.encode(), token=str(name), **options)


def since(store, position):
    return store.read("logs", since=position, rewind=None, limit=1_000)


@pytest.fixture
def registry(redis_server):
    registry = RedisRegistry(redis_server.url, prefix=f"test-{uuid4().hex}", scope="abc123xyz/production")
    yield registry
    registry.close()


def test_a_channel_is_one_stream_that_outlives_its_messages_by_a_day(registry, redis_server):
    store = RedisHistory(registry, lifetime=LIFETIME)
    append(store, "a")
    start = f"{registry.keys.tagged('history:logs')}"
    with redis_server.client() as client:
        assert set(client.scan_iter(f"{start}*", count=1000)) == {f"{start}:messages", f"{start}:token:a"}
        assert client.ttl(f"{start}:messages") in range(LIFETIME + FORGOTTEN_AFTER - 60, LIFETIME + FORGOTTEN_AFTER + 1)
        assert client.ttl(f"{start}:token:a") in range(1, 61)
    assert "abc123xyz/production" in start


def test_a_message_and_a_reading_are_one_command_each(registry, redis_server):
    store = RedisHistory(registry, lifetime=LIFETIME)
    append(store, "a")
    since(store, Position("x", 0))
    with redis_server.client() as client:
        before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        append(store, "b")
        since(store, Position("x", 0))
        assert client.info("commandstats")["cmdstat_evalsha"]["calls"] - before == 2


def test_messages_older_than_their_lifetime_go_with_the_next_ones(registry, redis_server):
    store = RedisHistory(registry, lifetime=LIFETIME)
    first = append(store, "a")
    key = f"{registry.keys.tagged('history:logs')}:messages"
    with redis_server.client() as client:
        # As if they had been appended long ago: the clock is the server's own.
        client.delete(key)
        for seq in range(1, 11):
            fields = {"epoch": first.epoch, "events": seq, "at": 1_000_000_000, "message": f'{{"id":"{seq}"}}'}
            client.xadd(key, fields, id=f"{seq}-1")
        assert append(store, "b") == Position(first.epoch, 11)
        assert [append(store, name).seq for name in "cd"] == [12, 13]
    assert since(store, Position(first.epoch, 0)).numbers == [11, 12, 13]
    assert store.read("logs", since=None, rewind=Rewind(seconds=60), limit=100).numbers == [11, 12, 13]


def test_a_restart_that_lost_the_newest_messages_begins_a_new_epoch(make_redis):
    server = make_redis()
    registry = RedisRegistry(server.url)
    store = RedisHistory(registry, lifetime=LIFETIME)
    kept = [append(store, name) for name in "abc"][-1]
    with server.client() as client:
        client.save()
    lost = [append(store, name) for name in "de"][-1]
    server.kill()
    server.start()
    # What the server has now ends with "c": a client at "c" may have missed "d" and "e", which others have heard.
    for position in (kept, lost):
        newest, numbers, _ = since(store, position)
        assert newest.epoch != position.epoch
        assert numbers == []
    assert append(store, "f") == Position(newest.epoch, 1)
    assert append(store, "e") == Position(newest.epoch, 2)  # the token of another epoch says nothing
    registry.close()


def test_a_master_that_is_one_again_begins_a_new_epoch(make_redis):
    """It has what its replica had, without what it wrote itself while both were masters."""
    first, second = (make_redis("--repl-diskless-sync-delay", "0") for _ in range(2))
    registry = RedisRegistry(first.url)
    store = RedisHistory(registry, lifetime=LIFETIME)
    kept = [append(store, name) for name in "abc"][-1]
    with first.client() as here, second.client() as there:
        follow(there, first)
        there.replicaof("NO", "ONE")
        lost = [append(store, name) for name in "de"][-1]
        follow(here, second)
        here.replicaof("NO", "ONE")
    newest = [append(store, name) for name in "fgh"][-1]
    assert newest.epoch not in (kept.epoch, lost.epoch)
    for position in (kept, lost):
        assert since(store, position) == (newest, [], [])
    registry.close()


def follow(client, master):
    """Make a server a replica, and wait until it has everything."""
    client.replicaof("127.0.0.1", master.port)
    while True:
        told = client.info("replication")
        if told["master_link_status"] == "up" and not told["master_sync_in_progress"]:
            return
        time.sleep(0.02)


def test_a_flush_begins_a_new_epoch(make_redis):
    server = make_redis()
    registry = RedisRegistry(server.url)
    store = RedisHistory(registry, lifetime=LIFETIME)
    before = append(store, "a")
    with server.client() as client:
        client.flushall()
    assert append(store, "a").epoch != before.epoch
    registry.close()


def test_a_user_of_redis_without_the_right_to_info_is_told_so(make_redis):
    server = make_redis("--user", "app", "on", ">geheim", "~*", "+@all", "-info")
    registry = RedisRegistry(server.url.replace("://", "://app:geheim@"))
    with pytest.raises(RegistryError, match=r"store a message of channel 'logs'.*right to run INFO"):
        append(RedisHistory(registry, lifetime=LIFETIME), "a")
    registry.close()


def test_a_client_that_returns_bytes_is_as_good(redis_server):
    import redis

    with redis.Redis(port=redis_server.port) as client:
        store = RedisHistory(RedisRegistry(client, prefix=f"test-{uuid4().hex}"), lifetime=LIFETIME)
        epoch, _ = append(store, "a")
        assert since(store, Position(epoch, 0)) == (Position(epoch, 1), [1], ['{"id":"a"}'])


def test_numbers_that_redis_has_none_of_ask_for_all(registry):
    history = History({"logs": 100}, LIFETIME, registry)
    history.append("logs", b'{"id":"a"}', token="a")
    for number in (2**63, 10**30):
        assert [message["id"] for message in history.read("logs", rewind=number, limit=number)["messages"]] == ["a"]
