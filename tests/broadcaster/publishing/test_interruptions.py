"""Whatever moment a signal handler, a finalizer or another thread comes at, nothing is lost or left locked."""

import contextlib
import gc
import inspect
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from broadcaster import (
    MessageError,
)
from broadcaster.publishing import publisher
from tests.broadcaster.publishing.received import FAST, heard

pytestmark = pytest.mark.usefixtures("aws_keys")

ROOT = Path(__file__).parents[3]


def test_one_that_is_interrupted_while_it_starts_the_thread_leaves_that_to_the_next(make, server, monkeypatch):
    caster = make()
    caster.register_connection(FAST)

    def interrupt(_):
        monkeypatch.setattr(publisher, "close_at_end", close_at_end)
        raise KeyboardInterrupt

    close_at_end = publisher.close_at_end
    monkeypatch.setattr(publisher, "close_at_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        caster.publish("logs", "log", 1)
    caster.publish("logs", "log", 2)
    assert caster.flush()
    assert [data for _, _, data in heard(server, FAST)] == [1, 2]


def test_what_is_published_while_somebody_asks_for_the_stats_is_sent(make, server, monkeypatch):
    caster = make()
    caster.register_connection(FAST)

    def make_publisher(**arguments):
        publishing = threading.Thread(target=caster.publish, args=("logs", "log", "meanwhile"))
        publishing.start()
        publishing.join()
        return Publisher(**arguments)

    Publisher = publisher.Publisher
    monkeypatch.setattr(publisher, "Publisher", make_publisher)
    caster.publisher_stats()  # makes the publisher
    assert caster.flush()
    assert heard(server, FAST) == [("logs", "log", "meanwhile")]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such timer on this system")
def test_signal_handlers_and_finalizers_may_publish_at_any_moment(make, server):
    caster = make(window=0.01)
    caster.register_connection(FAST)

    class Finalized:
        def __init__(self):
            self.itself = self  # so that the garbage collector finds it, at whatever moment

        def __del__(self):
            caster.publish("logs", "log", "collected")

    published = []
    before = signal.signal(signal.SIGALRM, lambda *_: published.append(caster.publish("logs", "log", "handled")))
    thresholds = gc.get_threshold()
    gc.set_threshold(20)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    try:
        for _ in range(1_000):  # less than what may wait for one connection
            Finalized()
            caster.publish("logs", "log", "usual")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.set_threshold(*thresholds)
        gc.collect()
    assert caster.flush(30.0)
    kinds = [data for _, _, data in heard(server, FAST)]
    assert (kinds.count("usual"), kinds.count("collected"), kinds.count("handled")) == (1_000, 1_000, len(published))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such timer on this system")
def test_a_signal_handler_that_raises_in_the_middle_of_publish_leaves_nothing_locked_and_no_event_open(make, server):
    class Interrupted(BaseException):
        pass

    def interrupt(_, frame):
        # Not in the finalizer of something else, which would swallow it, and not here, where nobody would expect it.
        if frame.f_globals.get("__name__", "").startswith("broadcaster."):
            raise Interrupted

    caster = make(window=0.01, queue=500)
    caster.register_connection(FAST)
    caster.publish("logs", "log", {})
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(300):
            end = time.monotonic() + 1.0
            with contextlib.suppress(Interrupted):
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0002, 0.0006), 0.0003)
                while time.monotonic() < end:
                    caster.publish("logs", "log", {})
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert caster.flush(30.0)
    assert caster.publisher_stats().queued == 0


@pytest.mark.parametrize("deed", ["200", "hang"])
def test_a_signal_handler_that_raises_anywhere_in_flush_leaves_nothing_locked(make, server, deed):
    class Interrupted(BaseException):
        pass

    def strike(frame, event, _):
        nonlocal left
        code = frame.f_code
        is_here = "/broadcaster/publishing/" in code.co_filename or code.co_filename == threading.__file__
        if is_here and not code.co_flags & inspect.CO_GENERATOR:
            frame.f_trace_lines = False
            left -= event in ("call", "return")
            if left == 0:
                sys.settrace(None)
                raise Interrupted
            return strike
        return None

    caster = make(timeout=0.2, deadline=0.2)
    caster.register_connection(FAST)
    caster.publish("logs", "log", 0)
    assert caster.flush(20.0)
    place = left = 0
    while left <= 0:  # until all places have been struck
        place += 1
        left = place
        server.script = lambda connection_id, attempt: deed
        caster.publish("logs", "log", place)
        tracing = sys.gettrace()
        sys.settrace(strike)
        try:
            caster.flush(0.01)
        except Interrupted:
            pass
        finally:
            sys.settrace(tracing)
        server.script = lambda connection_id, attempt: "200"
        assert caster.flush(20.0), place
    assert place > 10


def test_a_signal_handler_that_interrupts_publish_may_flush_and_count_and_close(make, server):
    caster = make()
    caster.register_connection(FAST)
    caster.publish("logs", "log", 1)
    assert caster.flush(20.0)
    with caster._publisher._mailbox._lock:  # as the thread that the handler has interrupted holds it
        caster.publish("logs", "log", 2)
        assert not caster.flush(0.05)
        assert caster.publisher_stats().events == 1
    assert caster.flush(20.0)
    with caster._publisher._mailbox._lock:
        caster.close(0.05)


def test_a_signal_handler_may_publish_in_the_middle_of_what_the_first_broadcast_imports(server):
    code = """
import sys
caster = None
class Finder:  # is asked for each module that is imported
    def find_spec(self, name, path=None, target=None):
        if caster is not None and name == "broadcaster.compact_json":
            caster.publish("logs", "log", name)
sys.meta_path.insert(0, Finder())
from broadcaster import Broadcaster
caster = Broadcaster(endpoint_url=sys.argv[1], region="us-east-1", window=0, strict=True)
caster.register_connection("fast-viewer=")
print(caster.broadcast("logs", "log", "broadcast").sent)
caster.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, server.endpoint.url], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.parametrize("end", ["flush", "close"])
def test_what_was_left_by_one_who_was_interrupted_while_making_the_publisher_is_sent(make, server, end):
    caster = make()
    caster.register_connection(FAST)
    with caster._making_publisher:  # as a thread that is about to be interrupted by a signal handler
        caster.publish("logs", "log", 1)
    getattr(caster, end)(20.0)
    assert heard(server, FAST) == [("logs", "log", 1)]


def test_threads_that_publish_without_a_pause_from_the_first_event_on_get_to_the_publisher(make, server, monkeypatch):
    def make_publisher(**arguments):
        time.sleep(0.2)
        return Publisher(**arguments)

    def publish(number):
        while not is_over.is_set():
            caster.publish(f"logs-{number}", "log", published[number])
            published[number] += 1

    Publisher = publisher.Publisher
    monkeypatch.setattr(publisher, "Publisher", make_publisher)
    caster = make()
    caster.register_connection(FAST)
    published, is_over = [0, 0, 0, 0], threading.Event()
    threads = [threading.Thread(target=publish, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    early = len(caster._early)
    is_over.set()
    for thread in threads:
        thread.join()
    assert early < 100
    assert not caster._early
    caster.close(20.0)
    stats = caster.publisher_stats()
    assert sum(published) == stats.events + sum(stats.dropped.values())
    for number in range(4):
        received = [data for channel, _, data in heard(server, FAST) if channel == f"logs-{number}"]
        assert received
        assert received == sorted(received)


def test_what_was_wrong_before_the_publisher_was_there_is_counted_or_raised(make):
    for strict in (False, True):
        caster = make(strict=strict)
        with caster._making_publisher:  # as if another thread were doing so
            if strict:
                with pytest.raises(MessageError):
                    caster.publish("logs", "log", object())
            else:
                caster.publish("logs", "log", object())
        assert caster.publisher_stats().dropped["invalid"] == (0 if strict else 1)


def test_what_is_published_while_the_publisher_is_being_made_is_as_it_was_and_not_out_yet(make, server):
    caster = make()
    caster.register_connection(FAST)
    data = {"done": 1}
    with caster._making_publisher:  # as if another thread were doing so
        caster.publish("admin", "progress", data)
        data["done"] = 2
        assert not caster.flush(0.05)
    caster.publish("admin", "progress", data)
    assert caster.flush(20.0)
    assert [data for _, _, data in heard(server, FAST)] == [{"done": 1}, {"done": 2}]
