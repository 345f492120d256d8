"""The threads in which registries are read and written, and whatever else may block, so that no event loop waits."""

import concurrent.futures.thread  # noqa: F401 - boto3 uses it, and when the process ends it can be imported no more
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
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


def no_thread(error: RuntimeError) -> BroadcasterError:
    """Return what to raise when a thread could not be started: the end of the interpreter, or a shortage."""
    if "shutdown" in str(error):
        return ClosedError(f"nothing can be sent any more: {error}")
    return UnavailableError(f"this machine has no thread left ({error}); try again later, or raise its limit")


def process_ends() -> bool:
    """Return whether the process waits for these threads to end, and for none of the application's own."""
    if not _is_ending:
        return False
    # A child of `multiprocessing` says that it ends before it waits for the application's threads.
    main = threading.main_thread()
    return all(each.daemon or each is main for each in threading.enumerate())


class Threads:
    """A few threads, started when they are needed, that end when they had nothing to do for a while.

    Callable from any thread and any event loop. Not a `ThreadPoolExecutor`, with which a broadcast to a few costs up
    to a tenth more: its threads do much after each call, and meanwhile the event loop cannot go on.

    Args:
        idle_seconds: after which a thread ends.
    """

    def __init__(self, *, idle_seconds: float = MOST_IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._is_closed = False
        self._begin()
        remake_in_child(self._begin)

    def _begin(self) -> None:
        """Begin without any thread: at first, and in a forked child, which has inherited none."""
        self._pool = _Pool()

    def __del__(self) -> None:
        self._pool.calls.put(None)  # the threads hold the pool alone, so that they end with this

    def start(self, call: Callable[[], Tell | None]) -> None:
        """Make a call in one of the threads.

        Args:
            call: must not raise. What it returns is called in the same thread, which is free for another call by then:
                whoever is told so, and makes the next one, needs no second thread.

        Raises:
            ClosedError: there are no threads any more, or the process is about to end.
            UnavailableError: the machine has no thread left.
        """
        pool = self._pool
        with pool.lock:
            if _is_ending:
                raise ClosedError("nothing can be sent any more: the process is about to end")
            if self._is_closed:
                raise ClosedError("this broadcaster was closed; make a new one")
            if pool.free <= 0 and len(pool.threads) < _MOST:
                pool.add_thread(self._idle_seconds)
            pool.free -= 1
            pool.calls.put(call)

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Call the function in one of the threads.

        Raises:
            ClosedError, UnavailableError: as `start`.
        """
        future: Future[T] = Future()
        self.start(partial(_settle, future, partial(function, *args, **kwargs)))
        return future

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function in one of the threads and wait for what it returns or raises.

        When the caller is cancelled a call that has begun goes on to its end; one that has not never begins.
        """
        from asyncio import wrap_future  # who awaits this has it loaded

        return await wrap_future(self.submit(function, *args, **kwargs))

    def close(self) -> None:
        """Wait for what has been submitted, and end the threads."""
        self._is_closed = True
        self._pool.end()


class _Pool:
    """The threads of one process.

    Attributes:
        calls: that wait for a thread; None ends them all.
        free: threads that wait for a call, less the calls that wait for a thread. Each counts itself: where it is
            started a signal handler may raise, and it is there all the same.
    """

    def __init__(self) -> None:
        self.lock = make_lock()
        self.calls: SimpleQueue[Callable[[], Tell | None] | None] = SimpleQueue()
        self.threads: set[threading.Thread] = set()
        self.free = 0
        _pools.add(self)

    def end(self) -> None:
        """Wait for the calls that are there, and end the threads."""
        with self.lock:
            self.calls.put(None)
            threads = list(self.threads)
        for thread in threads:
            with suppress(RuntimeError):  # a signal handler's exception came before it was started
                thread.join()

    def add_thread(self, idle_seconds: float) -> None:
        call_at_end(_close_all)
        # Daemons, because the interpreter would wait for others before it says that it ends.
        thread = threading.Thread(target=self._run, args=(idle_seconds,), name="broadcaster-registry", daemon=True)
        self.threads.add(thread)
        try:
            thread.start()
        except RuntimeError as error:
            self.threads.discard(thread)
            raise no_thread(error) from error

    def _run(self, idle_seconds: float) -> None:
        call: Callable[[], Tell | None] | None
        tell: Tell | None = None
        while True:
            with self.lock:
                self.free += 1
            if tell is not None:
                tell()
            call = tell = None  # what they hold is not to live on while this waits
            while call is None:
                try:
                    call = self.calls.get(timeout=idle_seconds)
                except Empty:
                    with self.lock:
                        if self.free > 0:  # else a call has been put there for this one
                            self.free -= 1
                            self.threads.discard(threading.current_thread())
                            return
                else:
                    if call is None:
                        self.calls.put(None)  # for the next of them
                        return
            tell = call()


def _settle(future: "Future[T]", function: Callable[[], T]) -> Tell | None:
    """Call the function, and return what tells whoever waits."""
    try:
        if not future.set_running_or_notify_cancel():
            return None
        return partial(future.set_result, function())
    except BaseException as error:
        return partial(future.set_exception, error)
    finally:
        del future  # or an error's traceback would hold it, and it the error, until the next garbage collection


def _close_all(**_: object) -> None:
    """Wait for the calls that are under way, because the process ends; broadcasts see that they are to stop."""
    global _is_ending
    _is_ending = True
    for pool in list(_pools):
        pool.end()


_pools: "weakref.WeakSet[_Pool]" = weakref.WeakSet()


def _forget_pools() -> None:
    """Begin without those of the parent, in a forked child: nobody is left who would let go of their locks."""
    global _pools
    _pools = weakref.WeakSet()


remake_in_child(_forget_pools)
