"""The threads in which registries are read and written, and whatever else may block, so that no event loop waits."""

import concurrent.futures.thread  # noqa: F401 - boto3 uses it, and when the process ends it can be imported no more
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import ParamSpec, TypeVar

from ...errors import BroadcasterError, ClosedError, UnavailableError
from ...forks import make_lock, remake_in_child
from ...process_end import call_at_end
from ..engine.links import MOST_IDLE_SECONDS

# Each call is one page or one write, which waits for the registry; so many may be slow before the next one waits.
# Not the event loop's own threads: the application may keep those busy for long.
_MOST = 64

P = ParamSpec("P")
T = TypeVar("T")
Tell = Callable[[], None]

_is_ending = False
_all: "weakref.WeakSet[Threads]" = weakref.WeakSet()


def no_thread(error: RuntimeError) -> BroadcasterError:
    """Return what to raise when a thread could not be started: the end of the interpreter, or a shortage."""
    if "shutdown" in str(error):
        return ClosedError(f"nothing can be sent any more: {error}")
    return UnavailableError(f"this machine has no thread left ({error}); try again later, or raise its limit")


def process_ends() -> bool:
    """Return whether the process waits for these threads to end, and for none of the application's own."""
    return _is_ending


class Threads:
    """A few threads, started when they are needed, that end when they had nothing to do for a while.

    Callable from any thread and any event loop. Not a `ThreadPoolExecutor`, with which a broadcast to a few costs up
    to a tenth more: after each call its threads have much to note, while the event loop that was told waits for them.

    Args:
        idle_seconds: after which a thread ends.
    """

    def __init__(self, *, idle_seconds: float = MOST_IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._is_closed = False
        self._begin()
        remake_in_child(self._begin)
        _all.add(self)

    def _begin(self) -> None:
        """Begin without any thread: at first, and in a forked child, which has inherited none."""
        self._lock = make_lock()
        self._calls: SimpleQueue[Callable[[], Tell | None] | None] = SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._free = 0  # threads that wait for a call, less the calls that wait for a thread

    def start(self, call: Callable[[], Tell | None]) -> None:
        """Make a call in one of the threads.

        Args:
            call: must not raise. What it returns is called in the same thread, which is free for another call by then:
                whoever is told so, and makes the next one, needs no second thread.

        Raises:
            ClosedError: there are no threads any more, or the process is about to end.
            UnavailableError: the machine has no thread left.
        """
        with self._lock:
            if _is_ending:
                raise ClosedError("nothing can be sent any more: the process is about to end")
            if self._is_closed:
                raise ClosedError("this broadcaster was closed; make a new one")
            if self._free <= 0 and len(self._threads) < _MOST:
                self._add_thread()
            self._free -= 1
            self._calls.put(call)

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Call the function in one of the threads.

        Raises:
            ClosedError, UnavailableError: as `start`.
        """
        future: Future[T] = Future()

        def call() -> Tell | None:
            if not future.set_running_or_notify_cancel():
                return None
            try:
                return partial(future.set_result, function(*args, **kwargs))
            except BaseException as error:
                return partial(future.set_exception, error)

        self.start(call)
        return future

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function in one of the threads and wait for what it returns or raises.

        When the caller is cancelled a call that has begun goes on to its end; one that has not never begins.
        """
        from asyncio import wrap_future  # who awaits this has it loaded

        return await wrap_future(self.submit(function, *args, **kwargs))

    def close(self) -> None:
        """Wait for what has been submitted, and end the threads."""
        with self._lock:
            self._is_closed = True
            threads = list(self._threads)
            for _ in threads:
                self._calls.put(None)
        for thread in threads:
            thread.join()

    def _add_thread(self) -> None:
        # Daemons, because the interpreter would wait for others before it says that it ends.
        thread = threading.Thread(target=self._run, name="broadcaster-registry", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise no_thread(error) from error
        self._threads.add(thread)
        self._free += 1
        call_at_end(_close_all)

    def _run(self) -> None:
        calls = self._calls
        while True:
            try:
                call = calls.get(timeout=self._idle_seconds)
            except Empty:
                with self._lock:
                    if self._free > 0:  # else a call has been put there for this one
                        self._free -= 1
                        self._threads.discard(threading.current_thread())
                        return
                continue
            if call is None:
                return
            tell = call()
            with self._lock:
                self._free += 1
            if tell is not None:
                tell()
            del call, tell  # what they hold is not to live on while this waits


def _close_all(**_: object) -> None:
    """Let what is under way come to its end, as the process does; broadcasts see that they are to stop."""
    global _is_ending
    _is_ending = True
    for threads in list(_all):
        threads.close()
