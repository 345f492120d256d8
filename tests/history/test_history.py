"""Which channels have a history, and what is returned of it."""

import json

import pytest

from broadcaster import ConfigurationError, InvalidArgumentError, MemoryRegistry
from broadcaster.history.choose import History, make_store
from broadcaster.history.dynamodb import DynamoDBHistory
from broadcaster.history.memory import MemoryHistory
from broadcaster.history.positions import numbered
from broadcaster.history.redis import RedisHistory
from broadcaster.registries.dynamodb import DynamoDBRegistry
from broadcaster.registries.redis import RedisRegistry


@pytest.fixture
def history():
    return History({"admin": 2, "run-*": 100}, 3_600, MemoryRegistry())


def test_a_client_that_was_away_gets_what_it_has_missed(history):
    position = history.position("run-1")
    sent = [
        numbered(message, history.append("run-1", message, token=str(number)))
        for number in range(3)
        for message in [b'{"channel":"run-1","event":"log","data":%d,"id":"x"}' % number]
    ]
    answer = history.read("run-1", since=position._asdict(), limit=2)
    assert (answer["recovered"], answer["more"], answer["seq"]) == (True, True, 2)
    rest = history.read("run-1", since={"epoch": answer["epoch"], "seq": answer["seq"]})
    assert (rest["recovered"], rest["more"]) == (True, False)
    assert answer["messages"] + rest["messages"] == [json.loads(message) for message in sent]
    assert history.read("run-1", rewind=1)["messages"] == [json.loads(sent[-1])]
    assert len(history.read("run-1", rewind="5m")["messages"]) == 3


def test_a_channel_keeps_as_many_events_as_its_setting_says(history):
    position = history.position("admin")
    for number in range(3):
        history.append("admin", b'{"id":"a"}', token=str(number))
    assert history.read("admin", since=position)["recovered"] is False
    assert len(history.read("admin", rewind=99)["messages"]) == 2


def test_a_channel_without_history_has_none(history):
    assert history.has("run-7")
    assert not history.has("logs")
    assert history.append("logs", b"{}", token="a") is None
    assert history.read("logs") == {"epoch": None, "seq": 0, "recovered": False, "messages": [], "more": False}
    with pytest.raises(InvalidArgumentError, match="'logs' has no history"):
        history.position("logs")
    with pytest.raises(InvalidArgumentError, match="a channel name"):
        history.read("")


@pytest.mark.parametrize("limit", [0, -1, True, "7"])
def test_a_limit_that_is_none_is_refused(history, limit):
    with pytest.raises(InvalidArgumentError, match="limit is"):
        history.read("admin", limit=limit)


@pytest.mark.parametrize(
    ("keep", "lifetime", "says"),
    [
        ({"admin": 0}, 60, r"history\['admin'\] is 0"),
        ({"admin": True}, 60, r"history\['admin'\] is True"),
        ({"admin": 100_001}, 60, "1 to 100,000"),
        ({"a b": 10}, 60, "neither a channel nor a prefix"),
        (100, 60, "history is 100; give events by channel"),
        ({"admin": 10}, 0, "history_ttl is 0"),
        ({"admin": 10}, 86_400 * 30, "1 to 604,800"),
        ({"admin": 10}, "60", "history_ttl is '60'"),
    ],
)
def test_a_malformed_setting_is_named(keep, lifetime, says):
    with pytest.raises(ConfigurationError, match=says):
        History(keep, lifetime, MemoryRegistry())


def test_the_messages_are_where_the_registry_is():
    assert type(make_store(MemoryRegistry(), 60)) is MemoryHistory
    assert type(make_store(RedisRegistry("redis://host"), 60)) is RedisHistory
    assert type(make_store(DynamoDBRegistry("connections"), 60)) is DynamoDBHistory
    with pytest.raises(ConfigurationError, match="no history beside a object"):
        make_store(object(), 60)
