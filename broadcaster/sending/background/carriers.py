"""How posts are carried while event loops do other things: by the engine's worker, or by boto3 in threads."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol, cast

from ...errors import BroadcasterError, ClosedError
from ...forks import make_lock, remake_in_child
from ...results import BroadcastResult
from ..engine.engine import Engine
from ..engine.task import Task
from ..fan_out import OnOutcome
from ..sender import Reply, Sender, to_reply
from .pages import PagesAhead
from .threads import no_thread, process_ends
from .worker import Worker

Pages = Iterable[Sequence[str] | None]


class Job:
    """One broadcast, or one request about a single connection, on its way through other threads.

    Args:
        pages: as `Carrier.prepare` returns them, or `Carrier.carry_here` takes them.
        on_stale: may block.
        on_outcome: gets each target with its outcome, in some thread; must not block or raise.

    Attributes:
        is_stopped: set it, and wake the carrier, to make it end soon.
        is_prepared: whether it is known whom it goes to: from then on something may have been sent.
        outcome: what became of it, when it is over.
        removals: calls of `on_stale` that may be under way still.
    """

    __slots__ = (
        "body",
        "is_prepared",
        "is_stopped",
        "method",
        "on_outcome",
        "on_stale",
        "outcome",
        "pages",
        "removals",
    )

    def __init__(
        self,
        method: str,
        pages: Pages = (),
        body: bytes = b"",
        *,
        on_stale: Callable[[list[str]], None] = lambda ids: None,
        on_outcome: OnOutcome | None = None,
    ) -> None:
        self.method = method
        self.pages = pages
        self.body = body
        self.on_stale = on_stale
        self.on_outcome = on_outcome
        self.is_stopped = self.is_prepared = False
        self.outcome: BroadcastResult | Reply | BaseException | None = None
        self.removals: list[Future[None]] = []

    async def wait_for_removals(self) -> None:
        """Wait until the connections that are gone were removed, which goes on also if the caller is cancelled."""
        from asyncio import shield, wrap_future  # who awaits this has it loaded

        for removal in self.removals:
            await shield(wrap_future(removal))


class Carrier(Protocol):
    """Carries jobs in other threads. All methods are thread-safe and usable after a fork."""

    def prepare(self, pages: Iterable[Sequence[str]]) -> Pages:
        """Return the pages to make a job of, the first of them read."""

    def warm(self) -> None:
        """Do what may block before the first post: find credentials, set up TLS.

        Raises:
            ConfigurationError: there are no credentials.
        """

    def begin(self, job: Job, when_over: Callable[[], None]) -> None:
        """Begin a job without waiting; `when_over` is called in some thread when it has its outcome.

        Raises:
            ClosedError: the carrier was closed.
        """

    def carry(self, job: Job, stop: Callable[[], bool]) -> None:
        """Carry a job to its end in this thread, for when there is no other; its outcome is in it then.

        Args:
            stop: asked several times a second whether to give up.
        """

    def carry_here(self, job: Job) -> bool:
        """Carry posts of one page to their end in this thread, unless some are carried so already; return whether so.

        Where this thread has read who listens, another one for the posts would cost as much as they do.
        """

    def wake(self) -> None:
        """Look whether a job is to be stopped."""

    def close(self) -> None:
        """Begin no more jobs, and wait for those that are under way."""


class Submitting(Protocol):
    """Where what may block runs: `Threads`, or what does as they do."""

    def submit(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Call the function in another thread."""


def make_carrier(sender: Sender, threads: Submitting) -> Carrier:
    """Return what carries the posts of this sender."""
    return EngineCarrier(sender, threads) if isinstance(sender, Engine) else ThreadCarrier(sender)


class EngineCarrier:
    """All jobs in one thread and one loop of the engine; pages are read and stale ids removed in other threads."""

    def __init__(self, engine: Engine, threads: Submitting) -> None:
        self._engine = engine
        self._threads = threads
        self._worker = Worker(engine.reactor)
        self._begin()
        remake_in_child(self._begin)
        self.warm = engine.prepare
        self.wake = self._worker.wake
        self.close = self._worker.close

    def prepare(self, pages: Iterable[Sequence[str]]) -> Pages:
        """See `Carrier.prepare`."""
        ahead = PagesAhead(iter(pages), submit=self._threads.submit, when_there=self.wake)
        ahead.start()
        return ahead

    def begin(self, job: Job, when_over: Callable[[], None]) -> None:
        """See `Carrier.begin`."""

        def remove(connection_ids: list[str]) -> None:
            with suppress(BroadcasterError):  # no thread is left; the next broadcast finds them again
                job.removals.append(self._threads.submit(job.on_stale, connection_ids))

        def conclude() -> None:
            job.outcome = outcome_of(task)
            when_over()

        task = self._task(job, remove, lambda: job.is_stopped)
        self._worker.submit(task, conclude)

    def carry(self, job: Job, stop: Callable[[], bool]) -> None:
        """See `Carrier.carry`. In a loop that is closed afterwards: nobody may be left to do so."""
        task = self._task(job, job.on_stale, stop)
        reactor = self._engine.reactor()
        try:
            reactor.run(task)
        finally:
            reactor.close()
        job.outcome = outcome_of(task)

    def carry_here(self, job: Job) -> bool:
        """See `Carrier.carry_here`. Not for a request about one connection: `Sender.request` cannot be stopped."""
        if job.method != "POST" or not self._here.acquire(blocking=False):
            return False
        try:
            # The process waits for this thread before it ends, and for the worker's no longer than a second.
            _carry(self._engine, job, lambda: job.is_stopped or process_ends())
        finally:
            self._here.release()
        return True

    def _begin(self) -> None:
        """Begin with nothing under way: at first, and in a forked child."""
        self._here = make_lock()

    def _task(self, job: Job, on_stale: Callable[[list[str]], None], stop: Callable[[], bool]) -> Task:
        return self._engine.task(
            job.method,
            job.pages,
            job.body,
            on_stale=on_stale,
            stop=stop,
            on_outcome=job.on_outcome,
        )


class ThreadCarrier:
    """Each job in a thread of its own, for a sender that blocks."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._is_closed = False
        self._begin()
        remake_in_child(self._begin)

    def prepare(self, pages: Iterable[Sequence[str]]) -> Pages:
        """See `Carrier.prepare`."""
        return pages

    def begin(self, job: Job, when_over: Callable[[], None]) -> None:
        """See `Carrier.begin`."""
        thread = threading.Thread(target=self._run, args=(job, when_over), name="broadcaster-sender", daemon=True)
        with self._lock:
            if self._is_closed:
                raise ClosedError("this broadcaster was closed; make a new one")
            try:
                thread.start()
            except RuntimeError as error:
                raise no_thread(error) from error
            self._threads.add(thread)

    def carry(self, job: Job, stop: Callable[[], bool]) -> None:
        """See `Carrier.carry`."""
        _carry(self._sender, job, stop)

    def carry_here(self, job: Job) -> bool:
        """See `Carrier.carry_here`; a sender that blocks for each post has threads of its own."""
        return False

    def warm(self) -> None:
        """See `Carrier.warm`: a sender that blocks does so in its own threads."""

    def wake(self) -> None:
        """See `Carrier.wake`: the sender looks by itself, some ten times a second."""

    def close(self) -> None:
        """See `Carrier.close`."""
        with self._lock:
            self._is_closed = True
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _begin(self) -> None:
        """Begin without a thread: at first, and in a forked child, which has inherited none."""
        self._lock = make_lock()
        self._threads: set[threading.Thread] = set()

    def _run(self, job: Job, when_over: Callable[[], None]) -> None:
        _carry(self._sender, job, lambda: job.is_stopped)
        with self._lock:
            self._threads.discard(threading.current_thread())
        when_over()


def _carry(sender: Sender, job: Job, stop: Callable[[], bool]) -> None:
    """Carry a job to its end in this thread."""
    pages = cast("Iterable[Sequence[str]]", job.pages)  # each is there: nobody else reads them
    stale: list[str] = []
    try:
        if job.method == "POST":
            try:
                job.outcome = sender.broadcast(
                    pages,
                    job.body,
                    on_stale=stale.extend,
                    stop=stop,
                    on_outcome=job.on_outcome,
                )
            finally:
                if stale:  # after the sending, for which nobody is to wait
                    job.on_stale(stale)
        else:
            [[connection_id]] = pages
            job.outcome = sender.request(job.method, connection_id, job.body)
    except Exception as error:
        job.outcome = error


def outcome_of(task: Task) -> BroadcastResult | Reply | Exception:
    """Return what became of a task that is over."""
    if task.error is not None:
        return task.error
    try:
        return task.fan_out.result() if task.method == "POST" else to_reply(task.fan_out, task.last)
    except Exception as error:
        return error
