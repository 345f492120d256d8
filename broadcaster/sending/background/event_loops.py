"""Carrying posts to a few in the event loop's own thread, for which a change of threads costs as much as the posts.

Each event loop that asks has a reactor of the engine, with links that are open already, and watches it: what has come
is served between other callbacks, and nothing is waited for. Where there is no such reactor the posts take another way,
in which one is made and links are opened; the next broadcast finds it.
"""

import time
from asyncio import AbstractEventLoop, Future, TimerHandle, _get_running_loop, get_running_loop
from collections.abc import Callable
from contextlib import suppress
from math import inf
from weakref import ReferenceType, WeakKeyDictionary, finalize, ref

from ...errors import BroadcasterError
from ...forks import make_lock, remake_in_child
from ..engine.dialing import FIRST_LINKS
from ..engine.engine import Engine
from ..engine.links import MOST_IDLE_SECONDS
from ..engine.reactor import Reactor
from ..engine.task import Task
from .carriers import Job, Submitting, outcome_of

# More posts hold up the other callbacks for longer than some tenths of a millisecond.
MOST_POSTS = 2 * FIRST_LINKS

_LOOK_EVERY = 0.005  # seconds, while a broadcast ends


class EventLoops:
    """The event loops that carry posts of one engine. `carry` is called in a loop, `close` in a thread that may wait.

    Args:
        threads: where stale ids are removed.
        idle_seconds: after which a loop closes its reactor.
    """

    def __init__(self, engine: Engine, threads: Submitting, *, idle_seconds: float = MOST_IDLE_SECONDS) -> None:
        self._engine = engine
        self._threads = threads
        self._idle_seconds = idle_seconds
        self._begin()
        remake_in_child(self._begin_in_child)

    def _begin(self) -> None:
        self._lock = make_lock()
        # Held by the loop alone: one that is closed or thrown away lets go of it.
        self._watched: WeakKeyDictionary[AbstractEventLoop, ReferenceType[_Watched]] = WeakKeyDictionary()

    def _begin_in_child(self) -> None:
        inherited = self._all()
        self._begin()
        for loop, watched in inherited:
            watched.end_in_child(loop)

    async def carry(self, job: Job, posts: int) -> bool:
        """Carry posts to their end and return True; or begin none and return False, if something had to be waited for.

        When the caller is cancelled the job has its outcome at once.
        """
        loop = get_running_loop()
        watched = self._take(loop, posts)
        if watched is None:
            return False
        stale: list[str] = []
        task = self._engine.task(job.method, job.pages, job.body, on_stale=stale.extend, stop=lambda: job.is_stopped)
        try:
            await watched.begin(loop, task)
        except BaseException:  # also GeneratorExit: the caller is thrown away with its loop
            job.is_stopped = True
            watched.stop(loop, task)
            raise
        finally:
            job.outcome = outcome_of(task)
            if stale:
                with suppress(BroadcasterError):  # no thread is left; the next broadcast finds them again
                    job.removals.append(self._threads.submit(job.on_stale, stale))
        if job.removals:
            await job.wait_for_removals()
        return True

    def close(self) -> None:
        """Let each loop close its reactor when its broadcasts are over, and wait for those of other loops that run."""
        here = _get_running_loop()  # where no thread could be started in which to close
        with self._lock:
            all_of_them = self._all()
        for loop, watched in all_of_them:
            try:
                loop.call_soon_threadsafe(watched.end, loop)
            except RuntimeError:  # the loop was closed with a broadcast under way, which nobody has thrown away
                watched.end(loop, at_once=True)
        while any(watched.is_busy and loop.is_running() and loop is not here for loop, watched in all_of_them):
            time.sleep(_LOOK_EVERY)

    def _all(self) -> "list[tuple[AbstractEventLoop, _Watched]]":
        return [(loop, watched) for loop, find in list(self._watched.items()) if (watched := find()) is not None]

    def _take(self, loop: AbstractEventLoop, posts: int) -> "_Watched | None":
        if posts > MOST_POSTS or not self._engine.has_credentials:
            return None
        find = self._watched.get(loop)
        watched = None if find is None else find()
        if watched is not None:
            if watched.can_begin(posts):
                return watched
            if watched.is_busy:
                return None
            if watched.is_open:
                self._engine.take_back(watched.leave(loop))
        reactor = self._engine.lend(posts)
        if reactor is None:
            return None
        watched = _Watched(reactor, self._idle_seconds)
        if not watched.enter(loop, self._engine):
            self._engine.take_back(reactor)
            return None
        with self._lock:
            self._watched[loop] = ref(watched)
        return watched


class _Watched:
    """A reactor that an event loop watches. Used in the loop's thread, and in any when the loop is closed.

    When the loop lets go of it, because it was closed or thrown away, others may have the reactor: programs call
    `asyncio.run` again and again.

    Attributes:
        is_open: whether the loop watches it.
    """

    __slots__ = (
        "__weakref__",
        "_descriptor",
        "_finalizer",
        "_idle_seconds",
        "_is_ending",
        "_over",
        "_reactor",
        "_timer",
        "_timer_at",
        "is_open",
    )

    def __init__(self, reactor: Reactor, idle_seconds: float) -> None:
        self._reactor = reactor
        self._idle_seconds = idle_seconds
        self._over: dict[Task, Future[None]] = {}
        self._timer: Callable[[], TimerHandle | None] = lambda: None  # not held here, because it holds this
        self._timer_at = inf
        self._is_ending = False
        self.is_open = False

    @property
    def is_busy(self) -> bool:
        """Whether a task is under way."""
        return bool(self._over)

    def can_begin(self, posts: int) -> bool:
        """Return whether so many posts can begin without waiting."""
        if not self.is_open or self._is_ending:
            return False
        self._reactor.freshen()
        return self._reactor.has_links_for(posts)

    def enter(self, loop: AbstractEventLoop, engine: Engine) -> bool:
        """Let a loop watch; return whether it can. When it lets go of this, the engine gets the reactor back."""
        descriptor = self._reactor.fileno()
        if descriptor is None:
            return False
        try:
            loop.add_reader(descriptor, self._go_on, loop)
        except NotImplementedError:  # the usual one of Windows
            return False
        self._descriptor = descriptor
        self._finalizer = finalize(self, _give_back, engine, self._reactor)
        self._finalizer.atexit = False  # a thread may run the loop still
        self.is_open = True
        self._arm(loop)
        return True

    def leave(self, loop: AbstractEventLoop) -> Reactor:
        """Let the loop watch no more; return the reactor."""
        self.is_open = False
        self._finalizer.detach()
        self._cancel_timer()
        if not loop.is_closed():
            loop.remove_reader(self._descriptor)
        return self._reactor

    def begin(self, loop: AbstractEventLoop, task: Task) -> "Future[None]":
        """Begin a task; the future is done when it is over."""
        try:
            self._reactor.begin(task)
            over = self._over[task] = loop.create_future()
            self._arm(loop)
        except BaseException as error:
            self._break(loop, error)
            raise
        return over

    def stop(self, loop: AbstractEventLoop, task: Task) -> None:
        """End a task that wants to stop, at once."""
        if task in self._over and not loop.is_closed():
            self._reactor.wake()
            self._go_on(loop)

    def end(self, loop: AbstractEventLoop, *, at_once: bool = False) -> None:
        """Close the reactor as soon as no task is under way."""
        self._is_ending = True
        if self.is_open and (at_once or not self._over):
            self._over.clear()
            self.leave(loop).close()

    def end_in_child(self, loop: AbstractEventLoop) -> None:
        """Close a forked child's copies of the sockets, and only then let the loop watch no more.

        Parent and child share one epoll: the other way round the parent's loop would watch no more either.
        """
        self._reactor.close()
        self.end(loop, at_once=True)

    def _go_on(self, loop: AbstractEventLoop) -> None:
        try:
            self._reactor.step(waits=False)
        except BaseException as error:
            self._break(loop, error)
            if isinstance(error, Exception):
                return
            raise
        for task in [task for task in self._over if task.is_over]:
            over = self._over.pop(task)
            if not over.done():
                # The caller's task goes on in the loop's next turn. To run it here would save 3 % to one viewer, but
                # it would take the links again before other tasks can, and an interrupt in between would wake nobody.
                over.set_result(None)
        if self._is_ending and not self._over:
            self.end(loop)
        else:
            self._arm(loop)

    def _break(self, loop: AbstractEventLoop, error: BaseException) -> None:
        """Give up the reactor: after Ctrl-C, say, nobody knows what its sockets were about to do."""
        under_way, self._over = self._over, {}
        self.end(loop)
        for over in under_way.values():
            if not isinstance(error, Exception):
                over.cancel()  # or each of them would raise it again, in the middle of what the application does then
            elif not over.done():
                over.set_exception(error)

    def _arm(self, loop: AbstractEventLoop) -> None:
        """See to it that the reactor is looked at in time, whatever its sockets do."""
        at = self._reactor.step_at if self._over else self._reactor.last_used + self._idle_seconds
        if at < self._timer_at:
            self._cancel_timer()
            self._timer = ref(loop.call_later(max(0.0, at - time.monotonic()), self._tick, loop))
            self._timer_at = at

    def _cancel_timer(self) -> None:
        timer = self._timer()
        if timer is not None:
            timer.cancel()

    def _tick(self, loop: AbstractEventLoop) -> None:
        self._timer_at = inf
        if self._over:
            self._go_on(loop)
        elif time.monotonic() >= self._reactor.last_used + self._idle_seconds:
            self.end(loop)
        else:
            self._arm(loop)


def _give_back(engine: Engine, reactor: Reactor) -> None:
    if reactor.is_busy:
        reactor.close()  # the loop was closed in the middle of a broadcast
    else:
        engine.take_back(reactor)
