import time

import pytest

from broadcaster import Broadcaster, ConfigurationError, InvalidArgumentError, RegistryError
from broadcaster.aio import AsyncBroadcaster
from broadcaster.listeners import Listeners


def test_an_empty_registry_has_no_pages():
    assert list(Listeners(iter([]))) == []


def test_pages_pass_through_and_only_the_first_is_read_ahead():
    read = []

    def pages():
        for page in (["a"], ["b"], ["c"]):
            read.append(page)
            yield page

    listeners = Listeners(pages())
    assert read == [["a"]]
    assert list(listeners) == [["a"], ["b"], ["c"]]
    assert listeners.error is None


def failing(*pages):
    yield from pages
    raise RegistryError("it is away")


def test_an_error_on_the_first_page_is_raised():
    with pytest.raises(RegistryError, match="it is away"):
        Listeners(failing())


def test_an_error_on_a_later_page_ends_the_pages_and_is_kept():
    listeners = Listeners(failing(["a"], ["b"]))
    assert list(listeners) == [["a"], ["b"]]
    assert str(listeners.error) == "it is away"


@pytest.mark.parametrize("error", [ConfigurationError("no credentials"), KeyError("a bug")])
def test_another_error_on_a_later_page_ends_them_alike(error):
    def pages():
        yield ["a"]
        raise error

    listeners = Listeners(pages())
    assert list(listeners) == [["a"]]
    assert type(error).__name__ in str(listeners.error)
    assert listeners.error.__cause__ is error


class Away:
    """A registry whose list breaks off after some pages."""

    def __init__(self, *pages):
        self._pages = pages

    def pages(self, channel):
        return failing(*self._pages)

    def add(self, connection_id, channels=None, *, lifetime=0):
        raise RegistryError("it is away")

    def remove(self, connection_ids):
        raise RegistryError("it is away")

    def count(self):
        raise RegistryError("it is away")

    def close(self):
        pass


@pytest.fixture
def broadcast(sink):
    def broadcast(registry):
        with Broadcaster(endpoint_url=sink.url, region="us-east-1", registry=registry) as caster:
            return caster.broadcast("admin", "admin_event", {})

    return broadcast


def test_a_broadcast_that_cannot_read_the_registry_sends_nothing(broadcast, sink):
    with pytest.raises(RegistryError) as error:
        broadcast(Away())
    assert error.value.result is None
    assert not sink.received


def test_a_broadcast_whose_list_breaks_off_sends_to_those_it_read_and_says_so(broadcast, sink):
    with pytest.raises(RegistryError, match="it is away") as error:
        broadcast(Away(["connection-a=", "connection-b="], ["connection-c="]))
    assert error.value.result == {"sent": 3, "failed": 0, "stale": 0}
    assert set(sink.received) == {"connection-a=", "connection-b=", "connection-c="}


def test_a_registration_that_fails_is_reported(sink):
    with Broadcaster(endpoint_url=sink.url, region="us-east-1", registry=Away()) as caster:
        with pytest.raises(RegistryError, match="it is away"):
            caster.register_connection("connection-a=")
        with pytest.raises(RegistryError, match="it is away"):
            caster.unregister_connection("connection-a=")


def test_a_stale_connection_that_cannot_be_removed_spoils_nothing(sink, caplog):
    class Half(Away):
        def pages(self, channel):
            return iter([["connection-gone=", "connection-here="]])

    sink.gone.add("connection-gone=")
    with Broadcaster(endpoint_url=sink.url, region="us-east-1", registry=Half()) as caster:
        assert caster.broadcast("admin", "admin_event", {}) == {"sent": 1, "failed": 0, "stale": 1}
    assert "could not be removed: it is away" in caplog.text


class Many(Away):
    """A registry of many that are gone, which notes what is removed and takes its time, or raises."""

    def __init__(self, count, error=None):
        super().__init__()
        self._ids = [f"gone-{number:04}=" for number in range(count)]
        self._error = error
        self.removed = []
        self.seconds = 0.0

    def pages(self, channel):
        return iter([[*self._ids, "here="]])

    def remove(self, connection_ids):
        self.removed.append(connection_ids)
        time.sleep(self.seconds)
        if self._error:
            raise self._error


@pytest.mark.parametrize(
    "error", [ConfigurationError("no credentials"), InvalidArgumentError("odd"), KeyError("a bug")]
)
async def test_no_error_of_the_removal_ends_a_broadcast(sink, caplog, error):
    registry = Many(150, error)
    sink.gone.update(registry._ids)
    with Broadcaster(endpoint_url=sink.url, region="us-east-1", registry=registry) as caster:
        assert caster.broadcast("admin", "admin_event", {}) == {"sent": 1, "failed": 0, "stale": 150}
    async with AsyncBroadcaster(endpoint_url=sink.url, region="us-east-1", registry=registry) as caster:
        assert await caster.broadcast("admin", "admin_event", {}) == {"sent": 1, "failed": 0, "stale": 150}
    assert caplog.text.count("150 connections are gone but could not be removed") == 2


def test_stale_connections_are_removed_after_the_sending_and_for_a_bounded_time(sink):
    registry = Many(1_000)
    registry.seconds = 0.6  # of the second that a broadcast may take for all of it
    sink.gone.update(registry._ids)
    with Broadcaster(endpoint_url=sink.url, region="us-east-1", registry=registry) as caster:
        assert caster.broadcast("admin", "admin_event", {}) == {"sent": 1, "failed": 0, "stale": 1_000}
    assert [len(ids) for ids in registry.removed] in ([100, 100], [100])


def test_an_entry_that_would_name_another_path_is_passed_over():
    # Whoever can write to a table of DynamoDB can put it there.
    assert list(Listeners(iter([["a", ".", "b"], ["..", "", "."], ["c"]]))) == [["a", "b"], ["c"]]


def test_an_entry_that_cannot_be_written_in_a_path_is_passed_over():
    assert list(Listeners(iter([["a", "half\ud800"], ["\udfff"], ["ü", ""]]))) == [["a"], ["ü"]]


@pytest.mark.parametrize("odd", [b"connection-b=", 5, None])
def test_an_entry_that_is_no_text_ends_the_list_and_not_the_broadcast(odd, broadcast, sink):
    class Odd(Away):
        def pages(self, channel):
            return iter(self._pages)

    for page in ([odd], ["connection-c=", odd]):
        with pytest.raises(RegistryError, match=r"which is no text; connection ids are str") as error:
            broadcast(Odd(["connection-a="], page))
        assert error.value.result == {"sent": 1, "failed": 0, "stale": 0}
    assert set(sink.received) == {"connection-a="}


def test_any_error_of_a_registry_of_ones_own_is_a_registry_error(broadcast):
    class Broken(Away):
        def pages(self, channel):
            raise KeyError("a bug")
            yield

    with pytest.raises(RegistryError, match="KeyError: 'a bug'") as error:
        broadcast(Broken())
    assert error.value.result is None
    assert isinstance(error.value.__cause__, KeyError)


def test_such_an_entry_keeps_nobody_from_what_is_published(sink):
    class Odd(Away):
        def pages(self, channel):
            return iter(self._pages)

    registry = Odd(["connection-a=", ".."], ["", "connection-b=", "."])
    with Broadcaster(endpoint_url=sink.url, region="us-east-1", registry=registry) as caster:
        caster.publish("admin", "admin_event", {})
        assert caster.flush(30)
        stats = caster.publisher_stats()
    assert (stats.events, stats.messages, stats.queued) == (1, 2, 0)
    assert set(sink.received) == {"connection-a=", "connection-b="}
