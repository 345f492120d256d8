"""The stores of history, upon the same real servers as the registries."""

from uuid import uuid4

import pytest

from broadcaster.history.memory import MemoryHistory
from broadcaster.history.redis import RedisHistory
from broadcaster.registries.redis import RedisRegistry
from tests.registries.conftest import (  # noqa: F401 - fixtures
    _redis_is_installed,
    clock,
    make_redis,
    redis_cluster,
    redis_server,
)

LIFETIME = 3_600


class HistoryStoreMaker:
    """Makes any number of stores upon the same messages, and loses the messages on demand."""

    def __init__(self, make, forget):
        self.make = make
        self.forget = forget


@pytest.fixture(params=["memory", "redis", "redis cluster"])
def place(request):
    if request.param == "memory":
        store = MemoryHistory(lifetime=LIFETIME)
        yield HistoryStoreMaker(lambda: store, store._channels.clear)
        return
    is_cluster = request.param == "redis cluster"
    given = request.getfixturevalue("redis_cluster" if is_cluster else "redis_server")
    registry = RedisRegistry(given if is_cluster else given.url, prefix=f"test-{uuid4().hex}", scope="a/b")

    def forget():
        registry._connected().delete(registry.keys.tagged("history:logs") + ":messages")

    yield HistoryStoreMaker(lambda: RedisHistory(registry, lifetime=LIFETIME), forget)
    registry.close()


@pytest.fixture
def store(place):
    return place.make()
