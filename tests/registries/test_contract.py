"""What every registry keeps to, called directly and as the asyncio face calls it: in a worker thread."""

import asyncio
import threading

import pytest

from broadcaster import InvalidArgumentError
from broadcaster.registries import ENTRY_LIFETIME
from broadcaster.registries.choose import make_registry
from broadcaster.sending.background.threads import Threads


class Direct:
    """A registry as synchronous callers use it."""

    def __init__(self, registry):
        self.registry = registry

    def add(self, *arguments, **options):
        return self.call(self.registry.add, *arguments, **options)

    def remove(self, connection_ids):
        return self.call(self.registry.remove, connection_ids)

    def pages(self, channel):
        return self.call(lambda: list(self.registry.pages(channel)))

    def count(self):
        return self.call(self.registry.count)

    def listening(self, channel):
        ids = [connection_id for page in self.pages(channel) for connection_id in page]
        assert len(ids) == len(set(ids))
        return set(ids)

    def call(self, function, *arguments, **options):
        return function(*arguments, **options)


class InWorkerThreads(Direct):
    """The same from a running event loop, which is never held up: its other task goes on meanwhile."""

    def call(self, function, *arguments, **options):
        async def run():
            called = asyncio.create_task(threads.call(function, *arguments, **options))
            await asyncio.sleep(0)
            return await called

        threads = Threads()
        try:
            return asyncio.run(run())
        finally:
            threads.close()


@pytest.fixture(params=[Direct, InWorkerThreads], ids=["sync", "asyncio"])
def face(request):
    return request.param


@pytest.fixture
def registry(store, face, clock):
    return face(store.registry(clock))


def test_nobody_is_connected_at_first(registry):
    assert (registry.pages("admin"), registry.count()) == ([], 0)
    registry.remove(["unknown="])
    registry.remove([])


def test_a_connection_without_channels_receives_everything(registry):
    registry.add("a=")
    assert registry.listening("admin") == registry.listening("logs") == {"a="}


def test_channels_narrow_and_add_up(registry):
    registry.add("a=", ["admin"])
    assert registry.listening("logs") == set()
    registry.add("a=", ["logs", "runs"])
    assert registry.listening("admin") == registry.listening("logs") == registry.listening("runs") == {"a="}
    assert registry.count() == 1


def test_no_channels_at_all_is_no_registration(registry):
    registry.add("a=", [])
    assert (registry.listening("admin"), registry.count()) == (set(), 0)


def test_one_that_is_on_the_channel_and_on_everything_is_listed_once(registry):
    registry.add("a=")
    registry.add("a=", ["admin"])
    registry.add("b=")
    registry.add("c=", ["admin"])
    assert registry.listening("admin") == {"a=", "b=", "c="}
    assert registry.listening("logs") == {"a=", "b="}
    assert registry.count() == 3


def test_registering_twice_is_as_good_as_once(registry):
    for _ in range(2):
        registry.add("a=", ["admin", "admin"])
    assert (registry.listening("admin"), registry.count()) == ({"a="}, 1)
    registry.remove(["a=", "a="])
    assert (registry.listening("admin"), registry.count()) == (set(), 0)


def test_removed_connections_leave_every_channel_and_nobody_else_does(registry):
    registry.add("a=", ["admin", "logs"])
    registry.add("a=")
    registry.add("b=", ["admin"])
    registry.add("c=")
    registry.remove(["a=", "unknown=", "c="])
    assert registry.listening("admin") == {"b="}
    assert registry.listening("logs") == set()
    assert registry.count() == 1


def test_a_removed_connection_may_register_again(registry):
    registry.add("a=", ["admin"])
    registry.remove(["a="])
    registry.add("a=", ["logs"])
    assert (registry.listening("admin"), registry.listening("logs")) == (set(), {"a="})


def test_many_are_removed_at_once(registry, store):
    ids = [f"{number}=" for number in range(30)]
    store.fill(registry.registry, ids, ["admin", "logs"])
    registry.remove(ids[10:])
    assert registry.listening("admin") == registry.listening("logs") == set(ids[:10])
    assert registry.count() == 10


def test_entries_expire_and_registering_again_refreshes(registry, clock):
    registry.add("a=", ["admin"], lifetime=10)
    registry.add("b=", ["admin"], lifetime=10)
    registry.add("c=", lifetime=10)
    clock.now += 9
    registry.add("a=", ["admin"], lifetime=10)
    assert registry.listening("admin") == {"a=", "b=", "c="}
    clock.now += 2
    assert registry.listening("admin") == {"a="}
    assert registry.count() == 1
    clock.now += 9
    assert registry.listening("admin") == set()
    assert registry.count() == 0


def test_an_entry_outlives_the_two_hours_of_a_connection_by_a_little(registry, clock):
    registry.add("a=", ["admin"])
    clock.now += 2 * 3600 + 1
    assert registry.listening("admin") == {"a="}
    clock.now += ENTRY_LIFETIME - 2 * 3600
    assert registry.listening("admin") == set()


def test_what_has_expired_can_be_removed_and_registered_again(registry, clock):
    registry.add("a=", ["admin"], lifetime=10)
    registry.add("b=", ["admin"], lifetime=10)
    clock.now += 20
    registry.remove(["a="])
    registry.add("b=", ["logs"], lifetime=10)
    assert (registry.listening("admin"), registry.listening("logs")) == (set(), {"b="})
    assert registry.count() == 1


def test_pages_hold_at_most_a_thousand_ids(registry, store):
    ids = [f"{number:04}=" for number in range(1_050)]
    store.fill(registry.registry, ids[:600], ["admin"], is_removable=False)
    store.fill(registry.registry, ids[500:], None, is_removable=False)
    pages = registry.pages("admin")
    assert all(0 < len(page) <= 1_000 for page in pages)
    assert sorted(connection_id for page in pages for connection_id in page) == ids


def test_a_broadcast_begins_at_a_different_place_each_time(registry, store):
    store.fill(registry.registry, [f"{number}=" for number in range(4)], ["admin"])
    assert {registry.pages("admin")[0][0] for _ in range(20)} == {f"{number}=" for number in range(4)}


def test_it_may_be_written_while_it_is_listed(registry, store):
    ids = [f"{number:04}=" for number in range(1_020)]
    store.fill(registry.registry, ids[:5], ["admin"])
    store.fill(registry.registry, ids[5:], ["admin"], is_removable=False)
    seen = []
    for page in registry.registry.pages("admin"):
        seen += page
        registry.remove(ids[:5])
        for one in page[5:6]:  # the last page may be short: a list is entered anywhere
            registry.add(one, ["admin"])
        registry.add(f"new-{page[0]}", ["admin"])
    assert len(seen) == len(set(seen))
    assert set(ids) <= set(seen)


def test_every_name_that_may_come_up_is_kept_apart(registry):
    names = ["a", "A", "a:b", "a/b", "a;b", "a.b", "a,b", "a@b", "a=b", "_", "ids", "everything", "x" * 200]
    ids = ["-", "_", "=", "a-_=", "A" * 128]
    for connection_id in ids:
        registry.add(connection_id, names)
    assert registry.count() == len(ids)
    for name in names:
        assert registry.listening(name) == set(ids)
    assert registry.listening("a:") == registry.listening("b") == set()
    registry.remove(ids[:2])
    for name in names:
        assert registry.listening(name) == set(ids[2:])


def test_threads_lose_nothing(registry):
    failures = []

    def work(name):
        try:
            for number in range(6):
                registry.registry.add(f"{name}-{number}", ["admin"])
                list(registry.registry.pages("admin"))
                if number % 2:
                    registry.registry.remove([f"{name}-{number}"])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert registry.count() == len(registry.listening("admin")) == 12


def test_what_one_registry_knows_another_on_the_same_store_knows(store, face, clock):
    one, other = face(store.registry(clock)), face(store.registry(clock))
    one.add("a=", ["admin"])
    assert other.listening("admin") == ({"a="} if store.is_shared else set())
    other.remove(["a="])
    assert one.listening("admin") == (set() if store.is_shared else {"a="})


def test_a_connection_has_a_bounded_number_of_channels(registry):
    registry.registry.take_defaults(scope="abc123xyz/production", max_channels=3)
    registry.add("a=", ["admin", "logs"])
    registry.add("a=")
    registry.add("a=", ["logs", "runs"])
    with pytest.raises(InvalidArgumentError, match=r"'a=' would listen to 4 channels, and 3 is the most.*max_channels"):
        registry.add("a=", ["admin", "more"])
    assert registry.listening("more") == {"a="}  # for it listens to everything
    with pytest.raises(InvalidArgumentError, match="5 channels"):
        registry.add("b=", [f"channel-{number}" for number in range(5)])
    assert registry.listening("channel-0") == {"a="}
    registry.add("a=", ["admin", "runs"])
    assert registry.count() == 1


def test_deployments_on_one_store_keep_apart(store, face, clock):
    production, staging = face(store.registry(clock)), face(store.registry(clock))
    production.registry.take_defaults(scope="abc123xyz/production", max_channels=100)
    staging.registry.take_defaults(scope="abc123xyz/staging", max_channels=100)
    production.add("a=", ["admin"])
    production.add("b=")
    staging.add("c=", ["admin"])
    assert (production.listening("admin"), staging.listening("admin")) == ({"a=", "b="}, {"c="})
    # What ends every connection of production when staging posts to it: 410 for an id of another API.
    staging.remove(["a=", "b="])
    assert production.listening("admin") == {"a=", "b="}
    assert (production.count(), staging.count()) == (2, 1)
    again = face(store.registry(clock))
    again.registry.take_defaults(scope="abc123xyz/production", max_channels=100)
    assert again.listening("admin") == ({"a=", "b="} if store.is_shared else set())


def test_it_is_taken_as_it_is_and_not_closed(store, clock):
    registry = store.registry(clock)
    assert make_registry(registry) == (registry, False)


def test_it_may_be_closed_more_than_once(registry):
    registry.add("a=")
    registry.registry.close()
    registry.registry.close()
