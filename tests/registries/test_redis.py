import gc
import os
import socket
import traceback
import tracemalloc
from uuid import uuid4

import pytest
import redis
from redis.connection import URL_QUERY_ARGUMENT_PARSERS

from broadcaster import ConfigurationError, RegistryError
from broadcaster.listeners import Listeners
from broadcaster.registries.redis import RedisRegistry
from broadcaster.registries.redis_keys import Keys
from broadcaster.registries.redis_url import parse_redis_url

from .conftest import wait_until


@pytest.fixture
def prefix():
    return f"test-{uuid4().hex}"


@pytest.fixture
def client(redis_server):
    with redis_server.client() as client:
        yield client


@pytest.fixture
def registry(redis_server, prefix, clock):
    registry = RedisRegistry(redis_server.url, prefix=prefix, clock=clock)
    yield registry
    registry.close()


def listening(registry, channel="admin"):
    return sorted(connection_id for page in registry.pages(channel) for connection_id in page)


def everything_under(client, prefix):
    return sorted(client.scan_iter(f"{prefix}*", count=1000))


def test_every_key_starts_with_the_prefix_and_goes_with_the_last_connection(registry, client, prefix):
    before = set(client.scan_iter("*", count=1000))
    registry.add("a=", ["admin"])
    registry.add("a=")
    assert set(client.scan_iter("*", count=1000)) - before == {
        f"{prefix}:{{channel:admin}}:ids",
        f"{prefix}:{{channel:admin}}:expiry",
        f"{prefix}:{{everything}}:ids",
        f"{prefix}:{{everything}}:expiry",
        f"{prefix}:connection:a=",
        f"{prefix}:connections",
    }
    registry.remove(["a="])
    assert everything_under(client, prefix) == []


def test_two_prefixes_are_two_registries(redis_server, registry, prefix):
    other = RedisRegistry(f"{redis_server.url}?prefix={prefix}-other")
    registry.add("a=")
    assert (listening(other), other.count()) == ([], 0)
    other.close()


def test_every_key_lives_a_minute_longer_than_its_last_entry(registry, client, prefix):
    registry.add("a=", ["admin"], lifetime=1_000)
    registry.add("a=", ["admin"], lifetime=10)
    assert {round(client.ttl(key), -1) for key in everything_under(client, prefix)} == {1_060}


def test_what_has_expired_is_dropped_where_a_channel_is_written_or_read(registry, client, prefix, clock):
    ids, expiry = Keys(prefix).channel("admin")
    for number in range(50):
        registry.add(f"{number}=", ["admin"], lifetime=10)
    clock.now += 11
    registry.add("a=", ["admin"], lifetime=10)
    assert (client.zcard(ids), client.zcard(expiry), client.zcard(f"{prefix}:connections")) == (1, 1, 1)
    clock.now += 11
    assert listening(registry) == []
    assert client.exists(ids, expiry) == 0


def test_thousands_that_expired_at_once_are_neither_listed_nor_kept(registry, client, prefix, clock):
    ids, expiry = Keys(prefix).channel("admin")
    names = [f"{number:05}=" for number in range(2_500)]
    client.zadd(ids, dict.fromkeys(names, 0))
    client.zadd(expiry, dict.fromkeys(names, clock.now - 1))
    registry.add("00000a=", ["admin"])
    assert listening(registry) == ["00000a="]
    assert client.zcard(ids) == client.zcard(expiry) == 1


@pytest.mark.slow
def test_forty_thousand_ids_are_listed_in_the_memory_of_a_page(registry, client, prefix, clock):
    for channel, start in (("admin", 0), ("*", 20_000)):
        ids, expiry = Keys(prefix).channel(channel)
        client.eval(
            "for i = ARGV[1], ARGV[1] + 19999 do local id = string.format('%016d=', i) "
            "redis.call('ZADD', KEYS[1], 0, id) redis.call('ZADD', KEYS[2], ARGV[2], id) end",
            2, ids, expiry, start, clock.now + 1_000,
        )  # fmt: skip
    listed, last, beginnings = 0, "", 0
    gc.collect()
    tracemalloc.start()
    try:
        for page in registry.pages("admin"):
            assert page == sorted(page)
            beginnings += page[0] < last
            listed, last = listed + len(page), page[-1]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert listed == 40_000
    assert beginnings <= 1  # it starts somewhere, and goes on at the beginning of the list
    assert peak < 2_000_000


def test_one_registration_and_one_page_are_one_round_trip_each(redis_server, client, registry):
    def commands(work):
        """How often this connection was read from, and the commands that the server ran for others' scripts."""
        before = client.info("commandstats")
        work()
        after = client.info("commandstats")
        return {
            name.removeprefix("cmdstat_"): stat["calls"] - before.get(name, {"calls": 0})["calls"]
            for name, stat in after.items()
            if name in ("cmdstat_eval", "cmdstat_evalsha", "cmdstat_smembers", "cmdstat_srem")
            and stat != before.get(name)
        }

    registry.add("warm=")
    assert commands(lambda: registry.add("a=", ["admin", "logs"])) == {"eval": 4}
    listening(registry)
    assert commands(lambda: listening(registry)) == {"evalsha": 1}
    assert commands(lambda: registry.remove(["a=", "warm="])) == {"smembers": 2, "srem": 2}


def test_a_server_that_has_forgotten_the_scripts_is_sent_them_again(registry, client):
    registry.add("a=", ["admin"])
    assert listening(registry) == ["a="]
    client.script_flush()
    assert listening(registry) == ["a="]


def test_a_long_list_is_begun_anywhere_in_it(registry, client, prefix, clock):
    ids, expiry = Keys(prefix).channel("admin")
    names = [f"{number:05}=" for number in range(5_000)]
    client.zadd(ids, dict.fromkeys(names, 0))
    client.zadd(expiry, dict.fromkeys(names, clock.now + 10))
    beginnings = {int(next(registry.pages("admin"))[0][:3]) for _ in range(25)}
    assert len({beginning // 10 for beginning in beginnings}) == 5
    for _ in range(5):
        assert sorted(listening(registry)) == names


@pytest.mark.slow
def test_a_restart_is_survived_without_a_restart_here(make_redis):
    server = make_redis("--appendonly", "yes", "--appendfsync", "always")
    registry = RedisRegistry(server.url)
    registry.add("a=", ["admin"])
    server.kill()
    with pytest.raises(RegistryError, match=r"could not list the connections: .*[^.]$"):
        listening(registry)
    with pytest.raises(RegistryError, match="could not register connection 'b='"):
        registry.add("b=")
    server.start()
    assert listening(registry) == ["a="]
    registry.add("b=")
    assert registry.count() == 2
    registry.close()


def test_without_persistence_a_restart_empties_it_and_it_goes_on(make_redis):
    server = make_redis()
    registry = RedisRegistry(server.url)
    registry.add("a=", ["admin"])
    server.kill()
    server.start()
    assert listening(registry) == []
    registry.add("a=", ["admin"])
    assert listening(registry) == ["a="]
    registry.close()


@pytest.mark.slow
def test_a_server_that_is_away_at_first_is_no_reason_not_to_start(make_redis):
    server = make_redis()
    server.kill()
    registry = RedisRegistry(server.url)
    with pytest.raises(RegistryError) as error:
        registry.count()
    assert isinstance(error.value.__cause__, redis.ConnectionError)
    server.start()
    assert registry.count() == 0
    registry.close()


@pytest.mark.slow
def test_one_that_accepts_and_never_answers_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = RedisRegistry(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(RegistryError, match="Timeout"):
            registry.add("a=")
        registry.close()


@pytest.mark.slow
def test_tls_is_spoken_and_the_server_checked(tls_redis):
    server, authority = tls_redis
    with pytest.raises(RegistryError, match="certificate verify failed"):
        RedisRegistry(server.url).count()
    registry = RedisRegistry(f"{server.url}?ssl_ca_certs={authority}")
    registry.add("a=")
    assert listening(registry) == ["a="]
    registry.close()


@pytest.mark.slow
def test_a_mismatch_of_tls_says_which_scheme_is_right(redis_server, tls_redis):
    with pytest.raises(RegistryError, match=r"Timeout connecting.*wants 'redis://'"):
        RedisRegistry(redis_server.url.replace("redis://", "rediss://")).count()
    with pytest.raises(RegistryError, match=r"reset by peer.*wants 'rediss://'"):
        RedisRegistry(tls_redis[0].url.replace("rediss://", "redis://")).count()


def test_a_unix_socket_and_a_database_are_taken_from_the_url(make_redis, tmp_path):
    path = tmp_path / "redis.sock"
    server = make_redis("--unixsocket", str(path), "--requirepass", "geheim")
    with_socket = RedisRegistry(f"unix://:geheim@{path}?db=3&prefix=app")
    with_host = RedisRegistry(server.url.replace("://", "://:geheim@").replace("/0", "?db=3&prefix=app"))
    with_socket.add("a=", ["admin"])
    assert listening(with_host) == ["a="]
    assert repr(with_socket) == f"RedisRegistry('unix://{path}?db=3')"
    with_socket.close()
    with_host.close()


@pytest.mark.slow
def test_sentinels_tell_where_the_server_is_and_where_it_has_gone(make_redis):
    first = make_redis("--requirepass", "geheim")
    second = make_redis("--requirepass", "geheim", "--masterauth", "geheim", "--replicaof", f"127.0.0.1 {first.port}")
    sentinel = make_redis(sentinel_of=(first, "geheim"))
    registry = RedisRegistry(f"redis+sentinel://:geheim@127.0.0.1:{sentinel.port}/mymaster/0")
    assert "geheim" not in repr(registry)
    registry.add("a=", ["admin"])
    assert listening(registry) == ["a="]
    with sentinel.client() as watching, second.client(password="geheim") as replica:
        wait_until(lambda: watching.execute_command("SENTINEL REPLICAS", "mymaster"))
        wait_until(lambda: replica.info("replication")["master_link_status"] == "up")
        watching.execute_command("SENTINEL FAILOVER", "mymaster")
        wait_until(lambda: replica.info("replication")["role"] == "master")
        where = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
        wait_until(lambda: second.port in map(int, watching.execute_command(*where)[1:]))
    first.kill()
    registry.add("b=", ["admin"])
    assert listening(registry) == ["a=", "b="]
    registry.close()


def test_every_option_that_redis_py_reads_from_a_url_is_taken():
    # But for a list of exceptions' names, which redis-py takes letter by letter, and what another kind of pool takes.
    for name, value in dict.fromkeys(set(URL_QUERY_ARGUMENT_PARSERS) - {"retry_on_error", "timeout"}, "1").items():
        value = "VERIFY_X509_STRICT" if name.endswith("verify_flags") else value
        assert name in parse_redis_url(f"rediss://host?{name}={value}").options


def test_a_connection_may_have_more_channels_than_lua_takes_at_once(redis_server, prefix):
    registry = RedisRegistry(redis_server.url, prefix=prefix, max_channels=20_000)
    registry.add("a=", [f"channel-{number}" for number in range(9_000)])
    assert listening(registry, "channel-0") == listening(registry, "channel-8999") == ["a="]
    registry.close()


def test_an_id_that_is_no_utf_8_does_not_end_the_list(redis_server, prefix, client):
    registry = RedisRegistry(redis_server.url, prefix=prefix)
    registry.add("a=", ["admin"])
    for key, score in zip(registry.keys.channel("admin"), (0, 2e9), strict=True):
        client.zadd(key, {b"\xff\xfe": score})
    assert [sorted(page) for page in Listeners(registry.pages("admin"))] == [["a="]]
    registry.close()


def test_lists_from_before_scopes_are_read_for_the_life_of_a_connection(redis_server, prefix, clock, client):
    before = RedisRegistry(redis_server.url, prefix=prefix, clock=clock)
    before.add("a=", ["admin"])
    before.add("b=")
    registry = RedisRegistry(redis_server.url, prefix=prefix, clock=clock)
    registry.take_defaults(scope="abc123xyz/production", max_channels=100)
    registry.add("c=", ["admin"])
    registry.add("a=", ["admin"])
    assert listening(registry) == ["a=", "b=", "c="]
    assert listening(registry, "logs") == ["b="]
    assert listening(before) == ["a=", "b="]
    registry.remove(["a=", "b="])
    assert listening(registry) == ["c="]
    assert listening(before) == []
    # Whoever a process of the older version registers meanwhile is found a minute later at the latest.
    clock.now += 61
    assert listening(registry) == ["c="]
    before.add("d=", ["admin"])
    assert listening(registry) == ["c="]
    clock.now += 61
    assert listening(registry) == ["c=", "d="]
    clock.now += 2 * 3600 + 10 * 60
    before.add("e=", ["admin"])
    assert listening(registry) == []


@pytest.mark.parametrize(
    ("scope", "written"),
    [
        ("abc123xyz/production", "abc123xyz/production"),
        ("localhost:8000/x", "localhost:8000/x"),
        ("[::1]:8000/~é{}%", "%5B::1%5D:8000/%7E%C3%A9%7B%7D%25"),
    ],
)
def test_a_scope_is_part_of_every_key(redis_server, client, prefix, scope, written):
    registry = RedisRegistry(redis_server.url, prefix=prefix, scope=scope)
    registry.add("a=", ["admin"])
    keys = everything_under(client, prefix)
    assert len(keys) == 4
    assert all(key.startswith(f"{prefix}:{written}:") for key in keys)
    registry.close()


@pytest.mark.parametrize("scope", ["a\nb", "a" * 401, 7])
def test_a_scope_that_would_tell_nothing_apart_is_refused(scope):
    with pytest.raises(ConfigurationError, match="cannot tell deployments apart"):
        RedisRegistry("redis://host", scope=scope)


def test_one_registry_of_two_deployments_is_refused(redis_server, prefix):
    registry = RedisRegistry(redis_server.url, prefix=prefix)
    registry.take_defaults(scope="abc123xyz/production", max_channels=100)
    registry.take_defaults(scope="abc123xyz/production", max_channels=100)
    with pytest.raises(ConfigurationError, match="abc123xyz/production already"):
        registry.take_defaults(scope="abc123xyz/staging", max_channels=100)
    shared = RedisRegistry(redis_server.url, prefix=prefix, scope="both")
    for scope in ("abc123xyz/production", "abc123xyz/staging"):
        shared.take_defaults(scope=scope, max_channels=100)
    registry.close()


@pytest.mark.slow
def test_a_cluster_is_found_by_one_node_and_its_rules_are_kept(redis_cluster, prefix):
    # Over three nodes: a script or a command with keys of two of them would be refused.
    registry = RedisRegistry(f"{redis_cluster}&prefix={prefix}")
    for number in range(40):
        registry.add(f"{number:02}=", [f"channel-{number}", "admin"])
    registry.add("all=")
    assert len(listening(registry)) == registry.count() == 41
    registry.remove([f"{number:02}=" for number in range(40)])
    assert (listening(registry), listening(registry, "channel-7"), registry.count()) == (["all="], ["all="], 1)
    registry.close()


def test_a_client_that_is_passed_in_is_used_and_left_open(redis_server, prefix):
    for options in ({"decode_responses": True}, {"decode_responses": False}, {"protocol": 2}):
        with redis.Redis(port=redis_server.port, **options) as client:
            registry = RedisRegistry(client, prefix=prefix)
            registry.add("a=", ["admin"])
            assert listening(registry) == ["a="]
            registry.remove(["a="])
            registry.close()
            assert client.ping()


@pytest.mark.slow
def test_no_password_is_ever_shown(make_redis):
    server = make_redis("--requirepass", "geheim", "--user", "app", "on", ">topsecret", "~*", "+@all")
    for url in (
        server.url.replace("://", "://:falsch@"),
        server.url.replace("://", "://:falsch@").replace("/0", "/0?cluster=true"),
        "redis://:falsch@127.0.0.1:1",
    ):
        registry = RedisRegistry(url)
        with pytest.raises(RegistryError) as error:
            registry.add("a=")
        shown = "".join(traceback.format_exception(error.value)) + repr(registry) + repr(parse_redis_url(url))
        assert "falsch" not in shown
    registry = RedisRegistry(server.url.replace("://", "://app:topsecret@"))
    registry.add("a=")
    assert listening(registry) == ["a="]
    registry.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_it_may_be_used_on_both_sides_of_a_fork(registry):
    registry.add("a=")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for number in range(20):
                registry.add(f"child-{number}=")
            code = 0
        finally:
            os._exit(code)
    for number in range(20):
        registry.add(f"parent-{number}=")
    assert os.waitpid(child, 0)[1] == 0
    assert registry.count() == len(listening(registry)) == 41


@pytest.mark.parametrize("prefix", ["", "a b", "{a}", "a" * 101, 7])
def test_a_prefix_that_would_break_a_key_is_refused(prefix):
    with pytest.raises(ConfigurationError, match="cannot start the keys"):
        Keys(prefix)


def test_percent_encoded_names_and_passwords_are_read():
    target = parse_redis_url("rediss://us%40er:p%2Fw%3A@[::1]:7/3?ssl_cert_reqs=none&ssl_certfile=a&ssl_keyfile=b")
    assert target.hosts == (("::1", 7),)
    assert target.options == {
        "db": 3,
        "username": "us@er",
        "password": "p/w:",
        "ssl_cert_reqs": "none",
        "ssl_certfile": "a",
        "ssl_keyfile": "b",
    }
    assert str(target) == "rediss://[::1]:7/3"
