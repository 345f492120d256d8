"""The stores of history, upon the same real servers as the registries."""

import random
from itertools import count
from uuid import uuid4

import pytest

from broadcaster.aws.retries import Time
from broadcaster.history.dynamodb import DynamoDBHistory
from broadcaster.history.lifetimes import FORGOTTEN_AFTER
from broadcaster.history.memory import MemoryHistory
from broadcaster.history.redis import RedisHistory
from broadcaster.registries.dynamodb import DynamoDBRegistry
from broadcaster.registries.redis import RedisRegistry
from tests.registries.conftest import (  # noqa: F401 - fixtures
    PATIENT,
    REGION,
    Clock,
    _aws_keys,
    _redis_is_installed,
    clock,
    dynamodb_client,
    dynamodb_url,
    gate,
    make_redis,
    redis_cluster,
    redis_server,
    table,
)

LIFETIME = 3_600


class MemoryPlace:
    """The messages of one process."""

    has_time = False

    def __init__(self, kind=MemoryHistory):
        self.kind = kind
        self.begin()

    def begin(self):
        """Begin without any messages."""
        self._store = self.kind(lifetime=LIFETIME)

    def make(self):
        """Return a store, as another process would have it; here there is but one."""
        return self._store

    def forget(self):
        """Lose all messages."""
        self._store._channels.clear()


class RedisPlace:
    has_time = False  # it is the server's

    def __init__(self, given):
        self._registry = RedisRegistry(given, prefix=f"test-{uuid4().hex}", scope="a/b")

    def begin(self):
        self.forget()

    def make(self):
        return RedisHistory(self._registry, lifetime=LIFETIME)

    def forget(self):
        self._registry._connected().delete(self._registry.keys.tagged("history:logs") + ":messages")

    def close(self):
        self._registry.close()


class SkewedClock:
    """The clock of one machine: `off` by some seconds."""

    def __init__(self, true):
        self.true = true
        self.off = 0.0

    def __call__(self):
        return self.true.now + self.off


class DynamoDBPlace:
    """A table of which DynamoDB's time to live removes what has expired: some of it, in any order."""

    has_time = True
    _runs = count()

    def __init__(self, name, url, client):
        self.table = name
        self.url = url
        self.client = client
        self.random = random.Random(7)
        self._made = []
        self.begin()

    def begin(self):
        self.close()
        self.true = Clock()
        self.clocks = []
        self.scope = f"run/{next(self._runs)}"

    def make(self):
        skewed = SkewedClock(self.true)
        self.clocks.append(skewed)
        registry = DynamoDBRegistry(
            self.table, region=REGION, endpoint_url=self.url, scope=self.scope, clock=skewed, patience=PATIENT
        )
        self._made.append(registry)
        time = Time(clock=lambda: self.true.now, sleep=lambda seconds: None)
        return DynamoDBHistory(registry, lifetime=LIFETIME, time=time)

    def rows(self):
        key = {":pk": {"S": f"{self.scope}#history#logs"}}
        query = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": key, "ConsistentRead": True}
        return self.client.query(TableName=self.table, **query)["Items"]

    def wait(self, seconds):
        self.true.now += seconds

    def remove_expired(self):
        """Remove some of the rows that have expired, as DynamoDB does in its own time."""
        for row in self.rows():
            if int(row["expires"]["N"]) < self.true.now and self.random.random() < 0.7:
                self.client.delete_item(TableName=self.table, Key={name: row[name] for name in ("pk", "sk")})

    def forget(self):
        self.wait(LIFETIME + FORGOTTEN_AFTER + 3_600)
        self.remove_expired()

    def close(self):
        while self._made:
            self._made.pop().close()


@pytest.fixture(
    params=["memory", "redis", *(pytest.param(each, marks=pytest.mark.slow) for each in ("redis cluster", "dynamodb"))]
)
def place(request):
    if request.param == "memory":
        yield MemoryPlace()
        return
    if request.param == "dynamodb":
        place = DynamoDBPlace(*map(request.getfixturevalue, ("table", "dynamodb_url", "dynamodb_client")))
    else:
        is_cluster = request.param == "redis cluster"
        given = request.getfixturevalue("redis_cluster" if is_cluster else "redis_server")
        place = RedisPlace(given if is_cluster else given.url)
    yield place
    place.close()


@pytest.fixture
def store(place):
    return place.make()
