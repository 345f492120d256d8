"""Messages of channels with history: numbered and stored before they are sent, by `broadcast` and by `publish`."""

import json
import time

import pytest

from broadcaster import Broadcaster, InvalidArgumentError, MemoryRegistry, MessageError, RegistryError
from broadcaster.aio import AsyncBroadcaster
from broadcaster.registries.dynamodb import DynamoDBRegistry
from tests.registries.conftest import PATIENT, REGION, _aws_keys, dynamodb_client, dynamodb_url, table  # noqa: F401

pytestmark = pytest.mark.usefixtures("aws_keys")

VIEWER = "L0SM9cOFvHcCIhw="


@pytest.fixture(params=["memory", pytest.param("dynamodb", marks=pytest.mark.slow)])
def registry(request):
    if request.param == "memory":
        yield MemoryRegistry()
        return
    name, url = map(request.getfixturevalue, ("table", "dynamodb_url"))
    registry = DynamoDBRegistry(name, region=REGION, endpoint_url=url, patience=PATIENT)
    yield registry
    registry.close()


@pytest.fixture
def caster(server, registry):
    settings = {"endpoint_url": server.endpoint.url, "region": "us-east-1", "registry": registry}
    with Broadcaster(**settings, history={"admin": 200, "run-*": 10}, window=0.01) as caster:
        caster.register_connection(VIEWER)
        yield caster


def received(server):
    return [json.loads(body) for body in server.bodies.get(VIEWER, [])]


def test_a_broadcast_carries_the_number_under_which_it_is_stored(caster, server):
    for number in range(3):
        caster.broadcast("admin", "event", number)
    frames = received(server)
    assert [frame["seq"] for frame in frames] == [1, 2, 3]
    assert len({frame["epoch"] for frame in frames}) == 1
    answer = caster.read_history("admin", rewind=10)
    assert answer["messages"] == frames
    assert (answer["epoch"], answer["seq"]) == tuple(caster.position("admin")) == (frames[0]["epoch"], 3)


def test_what_nobody_listens_to_is_stored_too(caster, server):
    caster.unregister_connection(VIEWER)
    since = caster.position("run-1")
    caster.broadcast("run-1", "event", 1)
    caster.publish("run-1", "event", 2)
    caster.publish("run-1", "event", 3)
    assert caster.flush()
    answer = caster.read_history("run-1", since=since)
    assert answer["recovered"] is True
    events = [event["data"] for message in answer["messages"] for event in message.get("events") or [message]]
    assert events == [1, 2, 3]
    assert received(server) == []


def test_published_messages_are_posted_as_they_are_stored(caster, server):
    for number in range(100):
        caster.publish("run-2", "event", number)
        if number % 10 == 0:
            time.sleep(0.01)
    assert caster.flush()
    frames = received(server)
    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
    kept = caster.read_history("run-2", rewind=10)["messages"]
    assert kept == frames[-len(kept) :]


def test_a_channel_without_history_is_as_before(caster, server):
    caster.broadcast("logs", "log", 1)
    assert list(received(server)[0]) == ["channel", "event", "data", "id"]
    assert caster.read_history("logs")["epoch"] is None, "as the client expects it of such a channel"
    with pytest.raises(InvalidArgumentError, match="'logs' has no history"):
        caster.position("logs")
    with Broadcaster("abc123xyz", region="us-east-1") as other, pytest.raises(InvalidArgumentError, match="history="):
        other.position("admin")


@pytest.mark.parametrize("wrong", [None, 5, b"admin", ["admin"], {}])
def test_what_is_no_channel_name_is_said_as_without_history(caster, server, wrong):
    for use in (lambda: caster.broadcast(wrong, "event", {}), lambda: caster.position(wrong)):
        with pytest.raises(InvalidArgumentError, match="a channel name is text, not"):
            use()
    assert not server.requests


def test_a_number_and_an_epoch_must_fit_in_too(caster, server):
    overhead = len(caster._encode("logs", "e", ""))
    caster.broadcast("logs", "e", "x" * (131_072 - overhead))
    with pytest.raises(MessageError):
        caster.broadcast("admin", "e", "x" * (131_072 - overhead))


class Forgetful:
    """A store whose answers are lost now and then, after it has stored or before."""

    def __init__(self, store):
        self.store = store
        self.lose = []

    def append(self, *arguments, **options):
        how = self.lose.pop(0) if self.lose else None
        if how == "before":
            raise RegistryError("the store is away")
        position = self.store.append(*arguments, **options)
        if how == "after":
            raise RegistryError("the answer was lost")
        return position

    def read(self, *arguments, **options):
        return self.store.read(*arguments, **options)


@pytest.mark.parametrize("how", [["before"], ["after"], ["before", "after", "after", "before"]])
def test_a_message_whose_answer_was_lost_keeps_its_number_and_its_events(caster, server, how):
    store = caster._history._store = Forgetful(caster._history._store)
    store.lose = list(how)
    for number in range(50):
        caster.publish("run-3", "event", number)
        time.sleep(0.001)
    assert caster.flush(20.0)
    frames = received(server)
    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
    events = [event["data"] for frame in frames for event in frame.get("events") or [frame]]
    assert events == list(range(50))
    kept = caster.read_history("run-3", rewind=10)["messages"]
    assert kept == frames[-len(kept) :]


def test_what_cannot_be_stored_is_not_sent(caster, server):
    caster._history._store = store = Forgetful(caster._history._store)
    store.lose = ["before"]
    with pytest.raises(RegistryError):
        caster.broadcast("admin", "event", 1)
    assert received(server) == []


@pytest.mark.parametrize("how", ["broadcast", "publish"])
def test_a_position_from_before_history_was_switched_off_and_on_recovers_nothing(caster, registry, server, how):
    caster.broadcast("admin", "event", 1)
    before = caster.position("admin")
    settings = {"endpoint_url": server.endpoint.url, "region": "us-east-1", "registry": registry}
    with Broadcaster(**settings, history={}, window=0.0) as switched_off:
        if isinstance(registry, MemoryRegistry):
            switched_off._history._store = caster._history._store  # in life it begins with its process
        if how == "broadcast":
            switched_off.broadcast("admin", "event", 2)
        else:
            switched_off.publish("admin", "event", 2)
            assert switched_off.flush()
    caster.broadcast("admin", "event", 3)
    assert caster.read_history("admin", since=before)["recovered"] is False
    assert [frame["data"] for frame in received(server)] == [1, 2, 3]


class Watching(MemoryRegistry):
    """A registry that notes, each time that the listeners are read, what is stored by then."""

    def __init__(self):
        super().__init__()
        self.stored = []
        self.caster = None

    def pages(self, channel):
        self.stored.append(self.caster._history.position(channel).seq)
        yield from super().pages(channel)


def test_a_message_is_stored_before_it_is_asked_who_listens(server):
    # Or a client that subscribes and reads in between would find it in neither.
    registry = Watching()
    settings = {"endpoint_url": server.endpoint.url, "region": "us-east-1", "registry": registry}
    with Broadcaster(**settings, history={"admin": 200}, window=0.0) as caster:
        registry.caster = caster
        for number in range(1, 4):
            caster.broadcast("admin", "event", number)
            assert registry.stored.pop() == number
        # Nobody listens, and that is not remembered either.
        for number in range(4, 7):
            caster.publish("admin", "event", number)
            assert caster.flush()
            assert registry.stored.pop() == number


async def test_a_message_is_stored_before_it_is_asked_who_listens_in_asyncio_too(server):
    registry = Watching()
    settings = {"endpoint_url": server.endpoint.url, "region": "us-east-1", "registry": registry}
    async with AsyncBroadcaster(**settings, history={"admin": 200}) as caster:
        registry.caster = caster
        for number in range(1, 4):
            await caster.broadcast("admin", "event", number)
            assert registry.stored.pop() == number


async def test_the_asyncio_face_does_the_same(server, registry):
    settings = {"endpoint_url": server.endpoint.url, "region": "us-east-1", "registry": registry}
    async with AsyncBroadcaster(**settings, history={"admin": 200}) as caster:
        await caster.register_connection(VIEWER)
        since = await caster.position("admin")
        await caster.broadcast("admin", "event", 1)
        caster.publish("admin", "event", 2)
        assert await caster.flush()
        answer = await caster.read_history("admin", since=since)
    assert answer["recovered"] is True
    assert answer["messages"] == received(server)
