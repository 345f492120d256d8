import threading

import pytest

from broadcaster.registries.memory import MemoryRegistry


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def registry(clock):
    return MemoryRegistry(clock=clock)


def listening(registry, channel):
    ids = [connection_id for page in registry.pages(channel) for connection_id in page]
    assert len(ids) == len(set(ids))
    return set(ids)


def test_a_connection_without_channels_receives_everything(registry):
    registry.add("a")
    assert listening(registry, "admin") == listening(registry, "logs") == {"a"}


def test_channels_narrow_and_add_up(registry):
    registry.add("a", ["admin"])
    assert listening(registry, "logs") == set()
    registry.add("a", ["logs"])
    assert listening(registry, "admin") == listening(registry, "logs") == {"a"}


def test_one_that_is_on_the_channel_and_on_everything_is_listed_once(registry):
    registry.add("a")
    registry.add("a", ["admin"])
    assert listening(registry, "admin") == {"a"}
    assert registry.count() == 1


def test_a_removed_connection_leaves_every_channel(registry):
    registry.add("a", ["admin", "logs"])
    registry.add("b", ["admin"])
    registry.remove(["a", "unknown"])
    assert listening(registry, "admin") == {"b"}
    assert registry.count() == 1


def test_entries_expire_and_registering_again_refreshes(registry, clock):
    registry.add("a", ["admin"], lifetime=10)
    registry.add("b", ["admin"], lifetime=10)
    clock.now = 9
    registry.add("a", ["admin"], lifetime=10)
    clock.now = 11
    assert listening(registry, "admin") == {"a"}
    assert registry.count() == 1


def test_expired_entries_give_their_memory_back(registry, clock):
    for number in range(1_000):
        registry.add(str(number), [str(number)], lifetime=10)
    clock.now = 11
    registry.add("a", lifetime=10)
    assert (len(registry._expires), len(registry._members), len(registry._channels)) == (1, 0, 0)


def test_pages_hold_at_most_a_thousand_ids(registry):
    for number in range(2_500):
        registry.add(str(number))
    assert [len(page) for page in registry.pages("admin")] == [1_000, 1_000, 500]


def test_it_may_change_while_it_is_listed(registry):
    for number in range(2_500):
        registry.add(str(number))
    seen = 0
    for page in registry.pages("admin"):
        registry.remove(page)
        seen += len(page)
    assert (seen, registry.count()) == (2_500, 0)


def test_threads_lose_nothing(registry):
    def work(name):
        for number in range(500):
            registry.add(f"{name}-{number}", ["admin"])
            list(registry.pages("admin"))[:1]
            if number % 2:
                registry.remove([f"{name}-{number}"])

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert registry.count() == len(listening(registry, "admin")) == 1_000
