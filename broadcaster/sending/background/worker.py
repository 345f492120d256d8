"""The one thread that carries the broadcasts of all asyncio callers through one loop of the engine."""

import atexit
import threading
import weakref
from collections import deque
from collections.abc import Callable

from ...errors import ClosedError
from ...forks import remake_in_child
from ..engine.links import MOST_IDLE_SECONDS
from ..engine.reactor import Reactor
from ..engine.task import Task
from .threads import no_thread

WhenOver = Callable[[], None]


class Worker:
    """Starts its thread with the first task and ends it when there has been none for a while. Thread-safe.

    Args:
        make_reactor: is called in the thread, which closes what it gets.
        idle_seconds: after which the thread ends; the links would not be trusted any longer anyway.
    """

    def __init__(self, make_reactor: Callable[[], Reactor], *, idle_seconds: float = MOST_IDLE_SECONDS) -> None:
        self._make_reactor = make_reactor
        self._idle_seconds = idle_seconds
        self._is_closed = False
        self._is_ending = False
        self._reactor: Reactor | None = None
        self._begin()
        remake_in_child(self._begin)
        _workers.add(self)

    def _begin(self) -> None:
        """Begin without a thread: at first, and in a forked child, which leaves the parent its sockets."""
        reactor, self._reactor = self._reactor, None
        self._condition = threading.Condition()
        self._waiting: deque[tuple[Task, WhenOver]] = deque()
        self._thread: threading.Thread | None = None
        if reactor is not None:
            reactor.close()

    def submit(self, task: Task, when_over: WhenOver) -> None:
        """Carry a task to its end; then `when_over` is called in the thread, and must not raise.

        Raises:
            ClosedError: the worker was closed.
            UnavailableError: the machine has no thread left.
        """
        with self._condition:
            if self._is_closed:
                raise ClosedError("this broadcaster was closed; make a new one")
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="broadcaster-worker", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    raise no_thread(error) from error
                self._thread = thread
            self._waiting.append((task, when_over))
            self._condition.notify()
        self.wake()

    def wake(self) -> None:
        """Let the thread look around: a page is there, or a task is to be stopped."""
        reactor = self._reactor
        if reactor is not None:
            reactor.wake()

    def close(self) -> None:
        """Accept no more tasks, wait for those that are under way, and end the thread. More than once is fine."""
        with self._condition:
            self._is_closed = True
            self._condition.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def end(self) -> None:
        """End the thread whatever it is doing, because the interpreter ends."""
        with self._condition:
            self._is_closed = self._is_ending = True
            self._condition.notify()
            thread = self._thread
        self.wake()
        if thread is not None:
            thread.join(1.0)

    def _run(self) -> None:
        running: list[tuple[Task, WhenOver]] = []
        reactor: Reactor | None = None
        try:
            reactor = self._reactor = self._make_reactor()
            while self._take(reactor, running):
                reactor.step()
                if any(task.is_over for task, _ in running):
                    _report(running)
        except Exception as error:  # nothing that is known of; but nobody may wait for ever
            self._give_up(running, error)
        finally:
            if reactor is not None:
                reactor.close()

    def _take(self, reactor: Reactor, running: list[tuple[Task, WhenOver]]) -> bool:
        """Begin the new tasks, waiting for one if there is nothing to do; return False to end."""
        if running and not self._waiting:
            return not self._is_ending
        with self._condition:
            if not running and not self._waiting:
                if not self._is_closed:
                    self._condition.wait(self._idle_seconds)
                if not self._waiting:
                    self._thread = self._reactor = None
                    return False
            new = list(self._waiting)
            self._waiting.clear()
        if not running:
            reactor.freshen()
        for task, when_over in new:
            running.append((task, when_over))
            reactor.begin(task)
        return not self._is_ending

    def _give_up(self, running: list[tuple[Task, WhenOver]], error: Exception) -> None:
        with self._condition:
            self._thread = self._reactor = None
            running += self._waiting
            self._waiting.clear()
        for task, when_over in running:
            task.error, task.is_over = error, True
            when_over()


def _report(running: list[tuple[Task, WhenOver]]) -> None:
    """Remove the tasks that are over and tell those who wait for them."""
    over = [each for each in running if each[0].is_over]
    running[:] = [each for each in running if not each[0].is_over]
    for _, when_over in over:
        when_over()


_workers: "weakref.WeakSet[Worker]" = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    # The thread is a daemon so that it does not keep the interpreter alive, and must not be running when that is torn
    # down.
    for worker in list(_workers):
        worker.end()
