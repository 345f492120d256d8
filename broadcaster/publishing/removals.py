"""The thread in which connections that are gone are removed: the interpreter's end does not wait for a registry."""

from _thread import allocate_lock, start_new_thread
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ..sending.background.threads import no_thread


class Removals:
    """Runs functions one after the other in a daemon thread, which ends when there is nothing to do. Thread-safe."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = deque()
        self._running = allocate_lock()  # held by the thread while it looks

    def submit(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Call the function in the thread.

        Raises:
            ClosedError: the interpreter is about to end.
            UnavailableError: the machine has no thread left.
        """
        future: Future[Any] = Future()
        self._waiting.append((future, function, args))
        if not self._running.locked():
            try:
                start_new_thread(self._run, ())
            except RuntimeError as error:
                raise no_thread(error) from error
        return future

    def _run(self) -> None:
        # Once more after it was let go of: something may have been left in between, by somebody who saw it held.
        while self._waiting and self._running.acquire(False):
            try:
                while self._waiting:
                    future, function, args = self._waiting.popleft()
                    try:
                        future.set_result(function(*args))
                    except Exception as error:
                        future.set_exception(error)
            finally:
                self._running.release()
