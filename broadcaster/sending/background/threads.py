"""The threads in which registries are read and written, and whatever else may block, so that no event loop waits."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from ...errors import ClosedError

# Each call is one page or one write. Not the event loop's own threads: the application may keep those busy for long.
_MOST = 8

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A few threads, started when they are needed. Callable from any thread and any event loop."""

    def __init__(self) -> None:
        self.begin()
        self._is_closed = False

    def begin(self) -> None:
        """Begin without any thread: at first, and in a forked child, which has inherited none."""
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Call the function in one of the threads.

        Raises:
            ClosedError: there are no threads any more, or the interpreter is about to end.
        """
        with self._lock:
            if self._is_closed:
                raise ClosedError("this broadcaster was closed; make a new one")
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_MOST, thread_name_prefix="broadcaster-registry")
            try:
                return self._pool.submit(function, *args, **kwargs)
            except RuntimeError as error:
                raise ClosedError(f"nothing can be sent any more: {error}") from error

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
