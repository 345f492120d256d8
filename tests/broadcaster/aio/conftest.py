"""Broadcasters for asyncio, to the server that misbehaves by script."""

import asyncio
import threading

import pytest

from broadcaster import MemoryRegistry
from broadcaster.aio import AsyncBroadcaster


class OwnRegistry(MemoryRegistry):
    """One of the application's, of which nobody knows what it takes to find the end: the worker carries its posts."""


class SlowRegistry(MemoryRegistry):
    """Gives these pages on the channel `slow`; after the first each waits for `go_on`, and `waiting` says that it does.

    A page may be an exception, or None to give no page.
    """

    def __init__(self, *pages):
        super().__init__()
        self.waiting = threading.Event()
        self.go_on = threading.Event()
        self._pages = pages

    def pages(self, channel):
        if channel != "slow":
            yield from super().pages(channel)
            return
        for number, page in enumerate(self._pages):
            if number:
                self.waiting.set()
                self.go_on.wait()
            if isinstance(page, Exception):
                raise page
            if page is not None:
                yield page


@pytest.fixture
def make(server, aws_keys):
    """Make broadcasters to the server: `make(**settings)`; closed at the end."""
    made = []

    def make_one(**settings):
        made.append(AsyncBroadcaster(endpoint_url=server.endpoint.url, region="us-east-1", **settings))
        return made[-1]

    yield make_one

    async def close_all():
        for one in made:
            await one.close()

    asyncio.run(close_all())


@pytest.fixture(params=["engine", "boto3"])
def either(make, request):
    """A broadcaster with each of the two senders."""
    return make(sender=request.param)


@pytest.fixture
def slow_registry():
    """Make registries whose pages after the first have to be let go: `slow_registry(page, page, …)`."""
    made = []

    def make_one(*pages):
        made.append(SlowRegistry(*pages))
        return made[-1]

    yield make_one
    for registry in made:
        registry.go_on.set()


@pytest.fixture
def until():
    """Wait for a condition: `await until(lambda: …)`; the suite's time limit ends a wait in vain."""

    async def wait(condition):
        while not condition():  # noqa: ASYNC110 - of servers and threads, which know no asyncio.Event
            await asyncio.sleep(0.005)

    return wait


@pytest.fixture
def one_sent_one_hung(server, until):
    """Start a broadcast to two, of which the first has been reached and the second never answers.

    `await one_sent_one_hung(caster)` returns its task; the broadcaster has a concurrency of 1.
    """

    async def start(caster):
        before = len(server.requests)
        server.script = lambda connection_id, attempt: "200" if len(server.requests) == before + 1 else "hang"
        await caster.register_connection("connection-a=")
        await caster.register_connection("connection-b=")
        task = asyncio.create_task(caster.broadcast("admin", "event", {}))
        await until(lambda: len(server.requests) == before + 2)
        return task

    return start


@pytest.fixture
def our_threads():
    """The names of this package's threads that there are, without their numbers: `our_threads()`."""

    def find():
        names = [thread.name for thread in threading.enumerate()]
        return {name.partition("_")[0] for name in names if name.startswith("broadcaster")}

    return find
