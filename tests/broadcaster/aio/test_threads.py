"""The threads in which what may block is called: as few as do, gone when idle, waited for at the end."""

import asyncio
import gc
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from broadcaster import ClosedError
from broadcaster.sending.background import threads as module
from broadcaster.sending.background.threads import Threads

ROOT = Path(__file__).parents[3]


@pytest.fixture
def threads():
    made = Threads()
    yield made
    made.close()


def in_turn(threads, times):
    async def call():
        return {await threads.call(threading.get_ident) for _ in range(times)}

    return asyncio.run(call())


def test_calls_one_after_another_take_one_thread(threads):
    assert len(in_turn(threads, 200)) == 1
    assert len(threads._pool.threads) == 1


def test_calls_at_once_take_one_thread_each_up_to_64(threads):
    gate, running = threading.Semaphore(0), threading.Semaphore(0)

    def wait():
        running.release()
        gate.acquire()
        return threading.get_ident()

    futures = [threads.submit(wait) for _ in range(70)]
    at_once = sum(running.acquire(timeout=30) for _ in range(64)), len(threads._pool.threads)
    gate.release(70)
    assert at_once == (64, 64)
    assert len({future.result(30) for future in futures}) == 64
    # All of them are free again, and none is added.
    assert len(in_turn(threads, 100)) <= 64
    assert len(threads._pool.threads) == 64


def test_what_is_raised_reaches_the_caller_and_the_thread_goes_on(threads):
    async def call():
        with pytest.raises(ZeroDivisionError):
            await threads.call(lambda: 1 / 0)
        return await threads.call(len, "abc")

    with pytest.raises(SystemExit):
        threads.submit(sys.exit).result(30)
    assert asyncio.run(call()) == 3
    assert len(threads._pool.threads) == 1


def test_a_call_that_was_cancelled_before_it_began_is_never_made(threads):
    gate, made = threading.Event(), []
    module_most, module._MOST = module._MOST, 1
    try:
        first = threads.submit(gate.wait)
        second = threads.submit(made.append, "second")
        third = threads.submit(made.append, "third")
        assert second.cancel()
        gate.set()
        third.result(30)
    finally:
        module._MOST = module_most
    assert first.done()
    assert made == ["third"]


def test_idle_threads_end_and_the_next_call_starts_one():
    threads = Threads(idle_seconds=0.01)
    for _ in range(50):
        assert threads.submit(len, "abc").result(30) == 3
        ended = list(threads._pool.threads)
        for thread in ended:
            thread.join(30)
        assert not threads._pool.threads
    assert threads._pool.free == 0
    threads.close()


def test_a_thread_that_is_given_a_call_just_when_it_would_end_stays(threads):
    late = []

    class Calls(SimpleQueue):
        def get(self, block=True, timeout=None):
            try:
                return super().get(block, 0.01)
            except Empty:
                if not late:
                    late.append(threads.submit(abs, -7))
                raise

    threads._pool.calls = Calls()
    assert threads.submit(len, "abc").result(30) == 3
    while not late:
        time.sleep(0.005)
    assert late[0].result(30) == 7


def test_closing_waits_for_all_calls_and_takes_no_more(threads):
    gate, done = threading.Event(), []

    def work():
        gate.wait(30)
        done.append(1)

    for _ in range(100):
        threads.submit(work)
    threading.Timer(0.05, gate.set).start()
    threads.close()
    assert len(done) == 100
    with pytest.raises(ClosedError, match="was closed"):
        threads.submit(len, "abc")


def test_threads_end_when_nobody_has_them_any_more():
    threads = Threads()
    threads.submit(len, "abc").result(30)
    [thread] = threads._pool.threads
    del threads
    thread.join(30)
    assert not thread.is_alive()


def test_one_who_was_interrupted_while_a_thread_was_started_can_go_on_and_close(threads, monkeypatch):
    start = threading.Thread.start

    def start_and_raise(thread):
        start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", start_and_raise)
    with pytest.raises(KeyboardInterrupt):
        threads.submit(len, "abc")
    monkeypatch.undo()
    gate = threading.Event()
    for _ in range(2):
        threads.submit(gate.wait)
    threading.Timer(0.05, gate.set).start()
    threads.close()
    assert not any(thread.is_alive() for thread in threads._pool.threads)


def test_an_error_is_gone_with_its_future(threads):
    def fail():
        raise ValueError

    gc.collect()
    gc.disable()
    try:
        future = threads.submit(fail)
        assert isinstance(future.exception(30), ValueError)
        gone = weakref.finalize(future, lambda: None)
        del future
        end = time.monotonic() + 20.0
        while gone.alive and time.monotonic() < end:  # until the thread has let go of it too
            time.sleep(0.001)
        assert not gone.alive
    finally:
        gc.enable()


ENDING = """
import sys, threading, time
from broadcaster.sending.background.threads import Threads, process_ends

def call():
    time.sleep(0.2)
    print("ends" if process_ends() else "goes on", flush=True)

def leave(threads=Threads()):
    if sys.argv[2] == "nobody":
        threads.submit(call)
    else:
        threading.Thread(target=lambda: threads.submit(call).result()).start()

if __name__ == "__main__":
    if sys.argv[1] == "alone":
        leave()
    else:
        import multiprocessing
        context = multiprocessing.get_context(sys.argv[1])
        child = context.Process(target=leave)
        child.start()
        child.join()
"""


@pytest.mark.parametrize(("waiting", "printed"), [("nobody", "ends"), ("a thread", "goes on")])
@pytest.mark.parametrize(
    "how", ["alone", "spawn", pytest.param("fork", marks=pytest.mark.skipif("sys.platform != 'linux'"))]
)
def test_a_process_ends_after_the_calls_that_are_under_way(tmp_path, how, waiting, printed):
    program = tmp_path / "program.py"
    program.write_text(ENDING)
    command, environment = [sys.executable, program, how, waiting], {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == (f"{printed}\n", "", 0)


def test_at_the_end_of_the_process_it_is_said_that_nothing_can_be_sent():
    code = """
import atexit
def late():
    try:
        threads.submit(len, "abc")
    except Exception as error:
        print(type(error).__name__, error)
atexit.register(late)  # runs after what is registered later
from broadcaster.sending.background.threads import Threads
threads = Threads()
threads.submit(len, "abc").result()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "ClosedError nothing can be sent any more: the process is about to end\n"
