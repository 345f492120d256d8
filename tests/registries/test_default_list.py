import gc

import pytest

import broadcaster
from broadcaster import ConfigurationError, MemoryRegistry, aio
from broadcaster.registries import default_list as module
from broadcaster.registries.default_list import default_list

ID = "L0SM9cOFvHcCIhw="


@pytest.fixture(autouse=True)
async def closed(monkeypatch):
    monkeypatch.delenv("BROADCASTER_REGISTRY", raising=False)
    yield
    broadcaster.close_broadcaster()
    await aio.close_broadcaster()


def said(caplog):
    """What was logged, but for the warning of several workers: the tests' own processes look like some."""
    return [record for record in caplog.records if "Connections are kept in the memory" not in record.getMessage()]


@pytest.mark.parametrize("registry", [None, "memory://"])
async def test_who_registers_with_one_face_is_reached_by_the_other(sink, registry):
    broadcaster.init_broadcaster(endpoint_url=sink.url, region="us-east-1", registry=registry)
    aio.init_broadcaster(endpoint_url=sink.url, region="us-east-1")
    broadcaster.register_connection(ID)
    assert await aio.broadcast("admin", "admin_event", {}) == {"sent": 1, "failed": 0, "stale": 0}
    await aio.unregister_connection(ID)
    assert broadcaster.broadcast("admin", "admin_event", {}) == {"sent": 0, "failed": 0, "stale": 0}


@pytest.mark.parametrize("face", [broadcaster, aio])
async def test_initializing_again_for_the_same_endpoint_keeps_the_list(sink, face, caplog):
    face.init_broadcaster(endpoint_url=sink.url, region="us-east-1")
    first = face.default._default._registry
    first.add(ID)
    face.init_broadcaster(endpoint_url=sink.url, region="us-east-1", timeout=3)
    assert face.default._default._registry is first
    assert list(first.pages("admin")) == [[ID]]
    assert said(caplog) == []


@pytest.mark.parametrize("face", [broadcaster, aio])
@pytest.mark.parametrize("again", [{"endpoint_url": "http://127.0.0.1:1/x"}, {"registry": MemoryRegistry()}])
async def test_initializing_again_for_something_else_says_that_the_list_is_dropped(sink, face, again, caplog):
    settings = {"endpoint_url": sink.url, "region": "us-east-1"}
    face.init_broadcaster(**settings)
    face.default._default._registry.add(ID)
    face.init_broadcaster(**settings | again)
    [record] = said(caplog)
    assert record.levelname == "WARNING"
    assert "What was registered in memory before is dropped, 1 in all" in record.getMessage()


async def test_a_registry_of_ones_own_and_an_empty_list_go_without_a_word(sink, caplog):
    own = MemoryRegistry()
    own.add(ID)
    for registry in (own, None, "redis://127.0.0.1:1", None):
        broadcaster.init_broadcaster(endpoint_url=sink.url, region="us-east-1", registry=registry)
    assert said(caplog) == []


async def test_a_list_goes_with_the_last_broadcaster_that_used_it(sink):
    broadcaster.init_broadcaster(endpoint_url=sink.url, region="us-east-1")
    broadcaster.register_connection(ID)
    broadcaster.close_broadcaster()
    gc.collect()
    assert not module._lists
    broadcaster.init_broadcaster(endpoint_url=sink.url, region="us-east-1")
    assert broadcaster.broadcast("admin", "admin_event", {}) == {"sent": 0, "failed": 0, "stale": 0}


def test_what_is_not_in_memory_is_left_as_it_is(monkeypatch):
    assert default_list("abc123xyz", registry="redis://host") == "redis://host"
    monkeypatch.setenv("BROADCASTER_REGISTRY", "redis://host")
    assert default_list("abc123xyz") is None


def test_a_missing_endpoint_is_said_as_ever():
    with pytest.raises(ConfigurationError, match="no API to send through"):
        broadcaster.init_broadcaster(region="us-east-1")
