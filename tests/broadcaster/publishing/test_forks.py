"""A forked child begins with nothing waiting and a thread of its own; what waits in the parent, the parent sends."""

import ctypes
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from broadcaster import Broadcaster
from tests.broadcaster.publishing.received import data_of, wait_until
from tests.broadcaster.test_forks import held, in_child, locks_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("aws_keys"),
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
]
VIEWER = "L0SM9cOFvHcCIhw="
TASKS = Path("/proc/self/task")


def others():
    """Return the state of each other thread, and how often it has stopped running, as the system counts that."""
    try:
        return {
            task.name: re.findall(r"(?m)^(?:State|.*_switches):.*", (task / "status").read_text())
            for task in TASKS.iterdir()
            if int(task.name) != threading.get_native_id()
        }
    except OSError as error:  # one has ended meanwhile
        return {"ended": [str(error)]}


def fork_in_c():
    """Fork as uWSGI does: none of Python's hooks runs.

    Not while another thread has the interpreter's lock or waits for it: the child has a copy of that lock as it is
    just then, and waits for a thread that it does not have. Whether one did is only known afterwards: a child that was
    made at a bad moment is ended before it does anything, and another made.
    """
    while True:
        before = others()
        time.sleep(0.01)  # whoever waits for the lock gets it, and does not look the same afterwards
        told, tell = os.pipe()
        child = ctypes.PyDLL(None).fork()
        if child == 0:
            os.close(tell)
            os.read(told, 1)
            return child
        slept = before == others() and all("State:\tS (sleeping)" in lines for lines in before.values())
        if slept:
            os.write(tell, b".")
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        os.close(told)
        os.close(tell)
        if slept:
            return child


FORKS = {"fork": getattr(os, "fork", None)} | ({"fork in C": fork_in_c} if TASKS.exists() else {})
BOTH_FORKS = pytest.mark.parametrize("fork", FORKS.values(), ids=FORKS)


@pytest.fixture(params=["engine", "boto3"])
def make(server, request):
    made = []

    def make(**options):
        caster = Broadcaster(endpoint_url=server.endpoint.url, region="us-east-1", sender=request.param, **options)
        caster.register_connection(VIEWER)
        made.append(caster)
        return caster

    yield make
    for caster in made:
        caster.close(0.0)


@BOTH_FORKS
def test_a_child_begins_with_nothing_waiting_and_the_parent_keeps_its_events(make, server, fork):
    caster = make(window=30.0)
    caster.publish("logs", "log", "first")
    wait_until(lambda: caster.publisher_stats().events == 1)
    for number in range(3):
        caster.publish("logs", "log", number)

    def publish_in_child():
        caster.publish("logs", "log", "child")
        return caster.flush(20.0) and caster.publisher_stats()[:2] == (0, 1)

    assert in_child(publish_in_child, fork=fork)
    assert caster.publisher_stats().queued == 3
    assert data_of(server, VIEWER) == ["first", "child"]
    assert caster.flush(20.0)
    assert data_of(server, VIEWER) == ["first", "child", 0, 1, 2]


@BOTH_FORKS
def test_a_child_counts_and_flushes_what_is_its_own(make, server, fork):
    caster = make(window=30.0)
    caster.publish("logs", "log", "first")
    wait_until(lambda: caster.publisher_stats().events == 1)
    server.script = lambda connection_id, attempt: "hang"
    caster.publish("logs", "log", "second")
    assert in_child(lambda: caster.flush(0.0) and sum(caster.publisher_stats()[:4]) == 0, fork=fork)
    assert not caster.flush(0.0)


@BOTH_FORKS
def test_a_child_does_not_count_or_flush_what_is_under_way(make, server, fork):
    server.script = lambda connection_id, attempt: "hang"
    caster = make()
    caster.publish("logs", "log", "first")
    wait_until(lambda: server.requests)
    assert in_child(lambda: caster.flush(0.0) and sum(caster.publisher_stats()[:4]) == 0, fork=fork)
    assert not caster.flush(0.0)


def test_a_child_publishes_whichever_lock_was_held(make, server):
    caster = make(window=0)
    caster.publish("logs", "log", "first")
    assert caster.flush(20.0)
    locks = locks_of(caster)
    assert any("Mailbox" in path for path in locks), locks
    assert any("Publisher" in path for path in locks), locks

    def publish():
        caster.publish("logs", "log", "child")
        return caster.flush(20.0) and caster.publisher_stats().events == 1

    for path, lock in locks.items():
        release = held(lock)
        try:
            assert in_child(publish), path
        finally:
            release()


def test_threads_that_publish_do_not_stop_the_children_of_another(make, server):
    """Whatever they were in the middle of: this finds what the search for locks does not."""
    over = threading.Event()
    caster = make(window=0.01)

    def go_on():
        while not over.is_set():
            caster.publish("logs", "log", "parent")
            over.wait(0.0005)

    def publish():
        caster.publish("logs", "log", os.getpid())
        return caster.flush(20.0)

    threads = [threading.Thread(target=go_on) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(15):
            assert in_child(publish), number
    finally:
        over.set()
        for thread in threads:
            thread.join()
    children = [data for data in data_of(server, VIEWER) if data != "parent"]
    assert len(children) == len(set(children)) == 15


def test_a_child_that_is_closed_leaves_the_parent_open(make, server):
    caster = make(window=30.0)
    caster.publish("logs", "log", "first")
    wait_until(lambda: caster.publisher_stats().events == 1)
    caster.publish("logs", "log", "second")
    assert in_child(lambda: caster.close() is None)
    assert caster.flush(20.0)
    assert data_of(server, VIEWER) == ["first", "second"]
