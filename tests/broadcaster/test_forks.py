"""A forked child can send at once, whatever the parent's other threads were doing at the moment of the fork."""

import asyncio
import contextlib
import gc
import io
import logging
import os
import signal
import stat
import sys
import threading
import time
import types
from collections import deque

import pytest

import broadcaster
from broadcaster import Broadcaster, aio, log
from broadcaster.aio import AsyncBroadcaster
from broadcaster.registries.memory import MemoryRegistry

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("aws_keys"),
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
]
CONNECTION = "L0SM9cOFvHcCIhw="
SECONDS = 30  # for a child: what it does takes a few milliseconds
LOCKS = (type(threading.Lock()), type(threading.RLock()))


def in_child(work, fork=None):
    """Fork, do the work in the child, and return whether it came back with the truth in time."""
    child = (fork or os.fork)()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it ends the child, whatever lock that waits for
            signal.alarm(SECONDS)
            status = 0 if work() else 1
        finally:
            os._exit(status)
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    except BaseException:  # the time limit of the suite: a child that goes on has what this process has open
        os.kill(child, signal.SIGKILL)
        raise


def held(lock):
    """Take a lock in another thread; return what lets it go."""
    has, go = threading.Event(), threading.Event()

    def hold():
        with lock:
            has.set()
            go.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    has.wait()

    def release():
        go.set()
        thread.join()

    return release


def locks_of(root):
    """Find every lock that the package keeps in or behind an object, and in its modules, with what refers to it."""
    # The memory registry waits for its own locks before a fork, so nobody can hold them at that moment.
    names = [name for name in sys.modules if name.partition(".")[0] == "broadcaster" and "memory" not in name]
    modules = [sys.modules[name] for name in names]
    left, seen, found = deque([(root, "")]), set(), {}
    left += [(vars(module), module.__name__) for module in modules]
    while left:
        thing, path = left.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, LOCKS):
            if not getattr(thing, "locked", bool)():  # one that is held all the time is a signal, and guards nothing
                found[path] = thing
        elif isinstance(thing, dict):
            left += [(value, f"{path}.{key}") for key, value in thing.items()]
        elif isinstance(thing, list | tuple | set | threading.Condition | types.MethodType):
            left += [(value, path) for value in gc.get_referents(thing)]
        elif type(thing).__module__.startswith("broadcaster") and not isinstance(thing, MemoryRegistry):
            left += [(value, f"{path}/{type(thing).__name__}") for value in gc.get_referents(thing)]
    return found


@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_a_child_sends_whichever_lock_was_held(server, sender):
    with Broadcaster(endpoint_url=server.endpoint.url, region="us-east-1", sender=sender) as caster:
        caster.register_connection(CONNECTION)
        assert caster.broadcast("admin", "event", {}).sent == 1
        locks = locks_of(caster)
        assert len(locks) >= 3, locks
        for path, lock in locks.items():
            release = held(lock)
            try:
                assert in_child(lambda: caster.broadcast("admin", "event", {}).sent == 1), path
            finally:
                release()


@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_a_child_of_an_asyncio_application_sends_whichever_lock_was_held(server, sender):
    async def send():
        return (await caster.broadcast("admin", "event", {})).sent == 1

    caster = AsyncBroadcaster(endpoint_url=server.endpoint.url, region="us-east-1", sender=sender)
    asyncio.run(caster.register_connection(CONNECTION))
    assert asyncio.run(send())
    locks = locks_of(caster)
    assert len(locks) >= 4, locks
    for path, lock in locks.items():
        release = held(lock)
        try:
            assert in_child(lambda: asyncio.run(send())), path
        finally:
            release()
    asyncio.run(caster.close())


@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_threads_that_broadcast_do_not_stop_the_children_of_another(server, sender):
    """Whatever they were in the middle of: this finds what the search for locks does not."""
    over = threading.Event()

    def go_on():
        while not over.is_set():
            caster.broadcast("admin", "event", {})

    with Broadcaster(endpoint_url=server.endpoint.url, region="us-east-1", sender=sender) as caster:
        caster.register_connection(CONNECTION)
        threads = [threading.Thread(target=go_on) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for number in range(25):
                assert in_child(lambda: caster.broadcast("admin", "event", {}).sent == 1), number
        finally:
            over.set()
            for thread in threads:
                thread.join()


def test_a_child_has_defaults_of_its_own_to_make(server):
    settings = {"endpoint_url": server.endpoint.url, "region": "us-east-1"}

    def use_both():
        broadcaster.init_broadcaster(**settings)
        aio.init_broadcaster(**settings)
        return broadcaster.broadcast_admin_event({}).sent == 0

    for module in (broadcaster.default, aio.default):
        release = held(module._lock)
        try:
            assert in_child(use_both), module
        finally:
            release()


def test_a_child_closes_its_copies_of_sockets_that_another_thread_was_using(server):
    def sockets():
        count = 0
        for number in range(1024):
            with contextlib.suppress(OSError):
                count += stat.S_ISSOCK(os.fstat(number).st_mode)
        return count

    server.script = lambda connection_id, attempt: "hang"
    before = sockets()
    with Broadcaster(endpoint_url=server.endpoint.url, region="us-east-1", timeout=60, deadline=60) as caster:
        stop = threading.Event()
        task = caster._sender.task("POST", [[CONNECTION]], b"{}", stop=stop.is_set)
        thread = threading.Thread(target=caster._sender._run, args=(task,))
        thread.start()
        while not server.requests:
            pass
        server_side = 1  # of the one link; the server is in this process
        assert in_child(lambda: sockets() == before + server_side)
        stop.set()
        thread.join()


class SlowStream(io.RawIOBase):
    """What a log is written to: while a thread writes to it, Python holds a lock that no child can release."""

    def __init__(self):
        self.is_written_to = threading.Event()

    def writable(self):
        return True

    def write(self, piece):
        if threading.current_thread() is not threading.main_thread():
            self.is_written_to.set()
            time.sleep(0.3)
        return len(piece)


def test_a_child_logs_although_another_thread_was_logging():
    stream = SlowStream()
    handler = logging.StreamHandler(io.TextIOWrapper(io.BufferedWriter(stream)))
    log.logger().addHandler(handler)
    thread = threading.Thread(target=log.logger().warning, args=("of one of our threads",))
    try:
        thread.start()
        stream.is_written_to.wait()
        assert in_child(lambda: log.logger().warning("of the child") is None)
    finally:
        thread.join()
        log.logger().removeHandler(handler)


def test_a_signal_handler_may_broadcast_while_its_thread_holds_a_lock(server):
    with Broadcaster(endpoint_url=server.endpoint.url, region="us-east-1") as caster:
        caster.register_connection(CONNECTION)
        assert caster.broadcast("admin", "event", {}).sent == 1
        results = []
        before = signal.signal(signal.SIGUSR1, lambda *_: results.append(caster.broadcast("admin", "event", {}).sent))
        try:
            for lock in locks_of(caster).values():
                with lock:
                    signal.raise_signal(signal.SIGUSR1)
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert results == [1] * len(results)
        assert len(results) >= 3
