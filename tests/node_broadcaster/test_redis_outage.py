"""A Redis server that dies, hangs and comes back: nothing of the Node.js process has to be started again."""

import signal

import pytest

ID = "here0000="
NOBODY = {"sent": 0, "failed": 0, "stale": 0}


@pytest.fixture
def redis(make_redis):
    return make_redis("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def node(start_node, start_server, redis):
    node = start_node()
    settings = {"region": "us-east-1", "timeout": 60, "deadline": 100}
    node.initBroadcaster({**settings, "endpointUrl": start_server().endpoint.url, "registry": redis.url})
    return node


def test_a_restart_is_survived(node, redis):
    node.registerConnection(ID)
    assert node.broadcastAdminEvent(1)["sent"] == 1
    redis.kill()
    redis.start()
    assert node.broadcastAdminEvent(1)["sent"] == 1


def test_a_server_that_is_away_is_an_error_that_names_it_and_the_next_call_tries_afresh(node, redis):
    redis.kill()
    with pytest.raises(
        Exception, match=r"RedisRegistry\('redis://127.*'\) could not register connection .*ECONNREFUSED"
    ):
        node.registerConnection(ID)
    redis.start()
    node.registerConnection(ID)
    assert node.broadcastAdminEvent(1)["sent"] == 1


def test_a_server_that_hangs_is_given_up_and_holds_up_nothing_later(node, redis):
    node.registerConnection(ID)
    redis._process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(Exception, match=r"could not list the connections: no answer within 2 s") as caught:
            node.broadcastAdminEvent(1)
        assert caught.value.args[0] == "RegistryError"
    finally:
        redis._process.send_signal(signal.SIGCONT)
    assert node.broadcastAdminEvent(1)["sent"] == 1


def test_a_password_that_is_wrong_or_missing_is_told_and_not_shown(start_node, make_redis):
    server = make_redis("--requirepass", "hunter2")
    node = start_node()
    settings = {"apiId": "abc123xyz", "region": "us-east-1"}
    url = server.url.removeprefix("redis://")
    for wrong, text in ((f"redis://{url}", "NOAUTH"), (f"redis://:wrong-one@{url}", "WRONGPASS")):
        node.initBroadcaster({**settings, "registry": wrong})
        with pytest.raises(Exception, match=text) as caught:
            node.broadcastAdminEvent(1)
        assert caught.value.args[0] == "RegistryError"
        assert "wrong-one" not in caught.value.args[1]
    node.initBroadcaster({**settings, "registry": f"redis://:hunter2@{url}"})
    assert node.broadcastAdminEvent(1) == NOBODY
