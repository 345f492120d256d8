"""The threads in which registries are read and written, and whatever else may block, so that no event loop waits."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, thread
from typing import ParamSpec, TypeVar

from ...errors import BroadcasterError, ClosedError, UnavailableError
from ...forks import make_lock, remake_in_child

# Each call is one page or one write, which waits for the registry; so many may be slow before the next one waits.
# Not the event loop's own threads: the application may keep those busy for long.
_MOST = 64
_NAME = "broadcaster-registry"

P = ParamSpec("P")
T = TypeVar("T")


def no_thread(error: RuntimeError) -> BroadcasterError:
    """Return what to raise when a thread could not be started: the end of the interpreter, or a shortage."""
    if "shutdown" in str(error):
        return ClosedError(f"nothing can be sent any more: {error}")
    return UnavailableError(f"this machine has no thread left ({error}); try again later, or raise its limit")


def interpreter_ends() -> bool:
    """Return whether the interpreter waits for these threads to end, and for none of the application's own."""
    if not getattr(thread, "_shutdown", False):  # public nowhere, and set before anything that is
        return False
    main = threading.main_thread()
    return all(each.daemon or each is main or each.name.startswith(_NAME) for each in threading.enumerate())


class Threads:
    """A few threads, started when they are needed. Callable from any thread and any event loop."""

    def __init__(self) -> None:
        self._begin()
        self._is_closed = False
        remake_in_child(self._begin)

    def _begin(self) -> None:
        """Begin without any thread: at first, and in a forked child, which has inherited none."""
        self._lock = make_lock()
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Call the function in one of the threads.

        Raises:
            ClosedError: there are no threads any more, or the interpreter is about to end.
            UnavailableError: the machine has no thread left.
        """
        with self._lock:
            if self._is_closed:
                raise ClosedError("this broadcaster was closed; make a new one")
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_MOST, thread_name_prefix=_NAME)
            try:
                return self._pool.submit(function, *args, **kwargs)
            except RuntimeError as error:
                raise no_thread(error) from error

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
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
