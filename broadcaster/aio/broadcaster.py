"""The asyncio face: the same as `sync.Broadcaster`, without ever holding up an event loop."""

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, cast

from ..connections import check_connection_id
from ..errors import ClosedError
from ..face import ADMIN_CHANNEL, ADMIN_EVENT, CLOSE_SECONDS, Face, log_result, log_single
from ..forks import make_lock, remake_in_child
from ..history import Position
from ..listeners import Listeners
from ..registries import PAGE_SIZE
from ..registries.memory import MemoryRegistry
from ..replies import ConnectionInfo, is_there, read_info
from ..results import BroadcastResult
from ..sending.background.carriers import Job, make_carrier
from ..sending.background.event_loops import MOST_POSTS, EventLoops
from ..sending.background.threads import Tell, Threads
from ..sending.engine.engine import Engine
from ..sending.sender import Reply

_LOOK_EVERY = 0.005  # seconds, while a broadcast is prepared


class AsyncBroadcaster(Face):
    """Pushes events to the browsers that are connected to one stage of one WebSocket API, for asyncio callers.

    Takes the same arguments as `Broadcaster` and has the same methods. Making one does no I/O and needs no event loop;
    it may be used under any, also under several in turn or at the same time, and after `fork`. One that is dropped
    without `close` gives back its thread and its connections within a minute.

    Raises:
        ConfigurationError: a setting is missing or malformed.
    """

    def _set_up(self) -> None:
        self._threads = Threads()
        self._carrier = make_carrier(self._sender, self._threads)
        self._loops = EventLoops(self._sender, self._threads) if isinstance(self._sender, Engine) else None
        # The registries of this package know, nearly always without a request, that a short page was the last.
        self._has_short_pages_last = type(self._registry).__module__.startswith("broadcaster.registries.")
        self._begin_anew()
        remake_in_child(self._begin_in_child)

    async def register_connection(self, connection_id: str, *, channels: Collection[str] | None = None) -> None:
        """Let a connection receive what is broadcast on `channels`, or everything when that is None.

        See `Broadcaster.register_connection`. When the caller is cancelled it may have been registered or not; calling
        again is safe.
        """
        self._check_open()
        await self._threads.call(self._register, connection_id, channels)

    async def unregister_connection(self, connection_id: str) -> None:
        """Forget a connection with all its channels; one that is unknown is passed over.

        See `Broadcaster.unregister_connection`.
        """
        self._check_open()
        await self._threads.call(self._unregister, connection_id)

    async def authorize_subscription(self, connection_id: str, channel: str) -> str:
        """Return the signature with which this connection may subscribe to this channel, for the client's `auth`.

        See `Broadcaster.authorize_subscription`.
        """
        self._check_open()
        return await self._threads.call(self._sign, connection_id, channel)

    async def broadcast(self, channel: str, event: str, data: object) -> BroadcastResult:
        """Send one event to everybody who listens to `channel`, and return what became of it.

        See `Broadcaster.broadcast`. `data` is written as JSON before this first waits: what is changed in it later is
        not sent.

        Raises:
            asyncio.CancelledError: the caller was cancelled, and the broadcast stopped. The error's attribute `result`
                tells what had been sent by then, as do a note on it and the line in the log; see the module.
        """
        self._check_open()
        few = self._few(channel)
        listeners = Listeners(iter([few] if few else ()))
        job = Job("POST", listeners, self._encode(channel, event, data), on_stale=self._remove_stale)

        def prepare() -> bool:
            nonlocal listeners
            job.body = self._append(channel, job.body)
            job.pages = listeners = self._read_listeners(channel)
            if listeners.is_empty:
                job.outcome = BroadcastResult()
            return self._has_short_pages_last and listeners.has_one_page(size=PAGE_SIZE)

        try:
            if few is not None and listeners.is_empty:
                # Whoever broadcasts in a loop lets other tasks have their turn, and can be cancelled, as with somebody.
                await asyncio.sleep(0)
                job.outcome = BroadcastResult()
            elif not (few and self._loops is not None and await self._loops.carry(job, len(few))):
                await self._carry(job, prepare)
        except asyncio.CancelledError as error:
            _tell_what_was_sent(error, channel, event, job)
            raise
        result = _result_of(job)
        return self._conclude(channel, event, listeners, result)

    async def broadcast_admin_event(self, data: object) -> BroadcastResult:
        """Send `data` as event `admin_event` on channel `admin`; see `broadcast`."""
        return await self.broadcast(ADMIN_CHANNEL, ADMIN_EVENT, data)

    async def read_history(
        self,
        channel: str,
        *,
        since: Mapping[str, object] | Position | None = None,
        rewind: int | str | None = None,
        limit: int = 1_000,
    ) -> dict[str, object]:
        """Return what was sent on a channel with history: `{"epoch", "seq", "recovered", "messages", "more"}`.

        See `Broadcaster.read_history`.
        """
        self._check_open()
        return await self._threads.call(self._read_history, channel, since, rewind, limit)

    async def position(self, channel: str) -> Position:
        """Return (epoch, seq) of the newest message of a channel with history, to put beside a snapshot of the state.

        See `Broadcaster.position`.
        """
        self._check_open()
        return await self._threads.call(self._position, channel)

    async def send_to_connection(self, connection_id: str, channel: str, event: str, data: object) -> BroadcastResult:
        """Send one event to one connection, registered or not, and return what became of it.

        See `Broadcaster.send_to_connection`; when the caller is cancelled, `broadcast`.
        """
        self._check_open()
        check_connection_id(connection_id)
        body = self._messages.message(channel, event, data)
        job = Job("POST", [[connection_id]], body, on_stale=self._remove_stale)
        try:
            if self._loops is None or not await self._loops.carry(job, 1):
                await self._carry(job)
        except asyncio.CancelledError as error:
            _tell_what_was_sent(error, channel, event, job)
            raise
        result = _result_of(job)
        log_single(channel, event, connection_id, result)
        return result

    async def disconnect_connection(self, connection_id: str) -> bool:
        """Close a connection from this side, and forget it; return whether it was there.

        See `Broadcaster.disconnect_connection`.
        """
        reply = await self._request("DELETE", connection_id)
        was_there = is_there(reply, connection_id)
        await self._forget_gone(connection_id)
        return was_there

    async def get_connection(self, connection_id: str) -> ConnectionInfo | None:
        """Return what API Gateway knows of a connection; None if it is gone, and then it leaves the registry.

        See `Broadcaster.get_connection`.
        """
        reply = await self._request("GET", connection_id)
        if is_there(reply, connection_id):
            return read_info(reply, connection_id)
        await self._forget_gone(connection_id)
        return None

    async def flush(self, timeout: float = 5.0) -> bool:  # noqa: ASYNC109 - as in the synchronous face
        """Send what was published and waits, and return whether all of it is out.

        See `Broadcaster.flush`.
        """
        end = self._end_of(timeout)
        while not self._has_nothing_early() and time.monotonic() < end:  # noqa: ASYNC110 - a thread makes it, once
            await asyncio.sleep(0.001)
        if self._publisher is None:
            return not self._early
        out = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._publisher.when_out(partial(_call_in, loop, out.set))
        with suppress(TimeoutError):
            await asyncio.wait_for(out.wait(), end - time.monotonic())
        return out.is_set() and not self._early

    async def close(self, timeout: float = CLOSE_SECONDS) -> None:  # noqa: ASYNC109 - as in the synchronous face
        """Close what this broadcaster opened; more than once is fine.

        What was published is sent as `Broadcaster.close` says.

        Broadcasts that are under way go on to their end, which this waits for. When the caller is cancelled the closing
        goes on without it.
        """
        await asyncio.shield(asyncio.wrap_future(self._begin_closing(timeout)))

    def _begin_closing(self, timeout: float = CLOSE_SECONDS) -> "Future[None]":
        """Close without waiting; the future tells when it is done. Callable without an event loop."""
        end = self._end_of(timeout)
        with self._closing:
            if not self._is_closed:
                try:
                    closing = partial(self._close_now, end)
                    threading.Thread(target=closing, name="broadcaster-closing", daemon=True).start()
                except RuntimeError:  # no thread left on this machine, or none any more in this interpreter
                    self._close_now(end)
                self._is_closed = True
            return self._closed

    async def __aenter__(self) -> "AsyncBroadcaster":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __await__(self) -> "Generator[Any, None, AsyncBroadcaster]":
        """Return itself: `await init_broadcaster(…)` works as well as without the `await`."""
        return self._itself().__await__()

    async def _itself(self) -> "AsyncBroadcaster":
        return self

    def _few(self, channel: str) -> list[str] | None:
        """Return who listens, if they are few and that is known without another thread, which is the usual case."""
        if self._history is not None or type(self._registry) is not MemoryRegistry:
            return None
        return self._registry.few(channel, MOST_POSTS)

    async def _request(self, method: str, connection_id: str) -> Reply:
        self._check_open()
        job = Job(method, [[check_connection_id(connection_id)]])
        await self._carry(job)
        if isinstance(job.outcome, Reply):
            return job.outcome
        raise cast("BaseException", job.outcome)

    async def _forget_gone(self, connection_id: str) -> None:
        with suppress(ClosedError):  # meanwhile; the entry will expire
            await self._threads.call(self._remove_stale, [connection_id])

    async def _carry(self, job: Job, prepare: Callable[[], bool] = lambda: True) -> None:
        """Wait until a job has its outcome; when the caller is cancelled, stop it and wait that little longer.

        Args:
            prepare: called in another thread, finds out whom the job goes to; returns whether all are on one page.
        """
        loop = asyncio.get_running_loop()
        over = loop.create_future()

        def settle() -> None:
            if not over.done():
                over.set_result(None)

        self._preparing.add(job)
        try:
            self._threads.start(partial(self._begin, job, prepare, partial(_call_in, loop, settle)))
        except BaseException:
            self._preparing.discard(job)
            raise
        try:
            await over
        except BaseException as error:  # also GeneratorExit: the caller is thrown away with its loop
            job.is_stopped = True
            self._carrier.wake()
            # Either this sees that it was prepared, or the other thread that it is stopped.
            if isinstance(error, asyncio.CancelledError) and job.method == "POST" and job.is_prepared:
                while job.outcome is None:
                    over = loop.create_future()
                    # If it is cancelled once more: it ends soon all the same, and then it is known what was sent.
                    with suppress(asyncio.CancelledError):
                        await over
            raise
        if job.removals:
            await job.wait_for_removals()

    def _begin(self, job: Job, prepare: Callable[[], bool], tell: Tell) -> Tell | None:
        """Find out whom a job goes to, and carry it in this thread if that is soon done, else in the carrier's.

        Return `tell` if the job has its outcome; else the carrier calls it.
        """
        try:
            if job.is_stopped:
                return None
            has_one_page = prepare()
            if job.outcome is None:
                self._carrier.warm()
                job.is_prepared = True
                if job.is_stopped:
                    job.outcome = BroadcastResult()
                elif not (has_one_page and self._carrier.carry_here(job)):
                    job.pages = self._carrier.prepare(cast("Iterable[list[str]]", job.pages))
                    self._carrier.begin(job, tell)
                    return None
        except BaseException as error:  # of a registry that is somebody's own; nobody may wait for ever
            job.outcome = error
        finally:
            self._preparing.discard(job)
        return tell

    def _close_now(self, end: float) -> None:
        try:
            self._wait_for_early(end)
            if self._publisher is not None:
                self._publisher.close(end - time.monotonic())
            while self._preparing:
                time.sleep(_LOOK_EVERY)
            self._carrier.close()
            if self._loops is not None:
                self._loops.close()
            self._threads.close()
            self._close_all()
        except Exception as error:
            self._closed.set_exception(error)
        else:
            self._closed.set_result(None)

    def _begin_anew(self) -> None:
        self._closing = make_lock()
        self._closed: Future[None] = Future()
        self._preparing: set[Job] = set()  # those that the carrier has not got yet

    def _begin_in_child(self) -> None:
        self._begin_anew()
        if self._is_closed:
            self._closed.set_result(None)


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop was closed meanwhile
        loop.call_soon_threadsafe(call)


def _result_of(job: Job) -> BroadcastResult:
    if isinstance(job.outcome, BroadcastResult):
        return job.outcome
    raise cast("BaseException", job.outcome)


def _tell_what_was_sent(error: asyncio.CancelledError, channel: str, event: str, job: Job) -> None:
    """Put what had been sent by the time of a cancellation where the caller can find it.

    On the error itself, not on one of a class of its own: before Python 3.13 `asyncio.timeout` and task groups know
    `CancelledError` alone, and none of its subclasses.
    """
    result = job.outcome if isinstance(job.outcome, BroadcastResult) else BroadcastResult()
    error.result = result  # type: ignore[attr-defined]
    error.add_note(f"{event} on {channel} was stopped; by then: {result}")
    log_result(channel, event, result, stopped=True)
