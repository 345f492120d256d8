"""The loop: one thread, one selector, many links, each with one request in flight.

A `Reactor` carries one broadcast for a synchronous caller, in its thread, or several at once for asyncio callers, in
the worker thread or, to a few, in the event loop's own. It does not decide anything about answers: `fan_out.FanOut`
says whom to post to and what an answer means, `dialing` how many links to open. A link that is free takes the next
target at once, in the same pass in which its answer was read; everything rarer (deadlines, timeouts, opening links,
signing anew) waits for `_look_around`, some twenty times a second or when something has changed.

Of several tasks the oldest come first, so that each is over as soon as can be, but every eighth target is one of the
newest: a broadcast to a few does not wait for one to many thousands.
"""

import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf

from ...cheap_typing import TYPE_CHECKING
from ...forks import remake_in_child
from ...http1 import ProtocolError
from ...transfers import receive_or_end
from .addresses import Addresses
from .dialing import FIRST_LINKS, MESSAGES_PER_LINK
from .link import IDLE, OPENING, READ, RECEIVING, SENDING, WRITE, Link
from .links import RECENTLY, Links, describe
from .task import Task

if TYPE_CHECKING:
    import ssl

_LOOK_AROUND_EVERY = 0.05  # seconds
_READ_BYTES = 16_384
_NEWEST_EVERY = 8


class Reactor:
    """Runs tasks until they are done. Made and used in one thread at a time; `wake` may be called from any.

    Args:
        context: the TLS settings; None for plain HTTP.
        timeout: seconds for one request, and as many for opening a link.
        concurrency: requests in flight for one task.
    """

    def __init__(
        self,
        addresses: Addresses,
        name: str,
        context: "ssl.SSLContext | None",
        *,
        timeout: float,
        concurrency: int,
        attempts: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.last_used = monotonic()
        self._timeout = timeout
        self._concurrency = concurrency
        self._read_ahead = concurrency * MESSAGES_PER_LINK  # connection ids
        self._monotonic = monotonic
        self._links = Links(addresses, name, context, attempts=attempts, when_looked_up=self.wake)
        self._blocked, self._ended = self._links.blocked, self._links.ended
        self._select = self._links.selector.select
        self._tasks: list[Task] = []
        self._look_at = 0.0
        self._turn = 0
        self._is_newest_first = False
        self._judge_slow_at = 0.0
        self._awake, self._waker = socket.socketpair()
        self._awake.setblocking(False)
        self._waker.setblocking(False)
        self._links.selector.register(self._awake, READ, None)
        remake_in_child(self.close)  # our copies of its sockets; the parent's stay open

    # For the engine

    def run(self, task: Task) -> None:
        """Carry one task to its end, in the calling thread."""
        self.begin(task)
        while not task.is_over:
            self.step()

    def begin(self, task: Task) -> None:
        """Begin a task, and post to as many as there are free links; `step` goes on with it until it is over."""
        look_at = self._look_at
        if not self._tasks:
            self._links.begin()
            look_at = inf
        self._tasks.append(task)
        self._look_at = 0.0
        try:
            task.signer.refresh()  # first: from now on every link that another task leaves may be given to it
            if self._links.has_idle and not task.wants_to_stop():
                self._post_first(task, look_at)
        except Exception as error:
            self._break_off(task, error)

    def step(self, *, waits: bool = True) -> None:
        """Wait until something can be done, and do it; or without waiting, what can be done now."""
        before = self._monotonic()
        if before >= self._look_at or self._links.have_changed:
            self._look_around(before)
            if not self._tasks:
                return
            before = self._monotonic()
        self._serve(max(0.0, self._look_at - before) if waits else 0.0)
        if before >= self._judge_slow_at:
            # By the time before the selector was asked: an answer that has arrived meanwhile is never called late,
            # even if something (the registry, say) has held up this loop.
            self._give_up_slow(before)

    def _serve(self, wait: float) -> None:
        """Wait so long until a socket is ready, and serve all that are."""
        events = self._select(wait)
        now = self._monotonic()
        for key, mask in events:
            link: Link | None = key.data
            if link is None:
                self._drain_waker()
            elif link.state == RECEIVING:
                self._receive(link, now)
            else:
                self._advance(link, mask, now)

    def wake(self) -> None:
        """Make a `step` that is waiting look around. Callable from any thread."""
        self._look_at = 0.0
        with suppress(OSError):  # enough wake-ups are waiting already, or it was closed
            self._waker.send(b"\0")

    # For an event loop, which waits in its place

    def fileno(self) -> int | None:
        """Return what is readable when `step` has something to do; None where a selector cannot be waited for."""
        fileno = getattr(self._links.selector, "fileno", None)
        return None if fileno is None else fileno()

    @property
    def is_busy(self) -> bool:
        """Whether there are tasks."""
        return bool(self._tasks)

    @property
    def step_at(self) -> float:
        """When to call `step` at the latest, as long as there are tasks."""
        return 0.0 if self._links.have_changed else self._look_at

    def has_links_for(self, posts: int) -> bool:
        """Return whether so many posts can begin now, and no further link would be opened for them."""
        return min(posts, FIRST_LINKS, self._concurrency) <= self._links.free

    # For the engine, between tasks

    def freshen(self) -> None:
        """Close the links that the far side has closed while nobody was looking, or may soon."""
        now = self._monotonic()
        if now - self.last_used > RECENTLY:
            self._links.close_aged(now)

    def close(self) -> None:
        """Close everything at once, whatever is under way."""
        self._links.close_all()
        self._awake.close()
        self._waker.close()

    # The usual way of a message

    def _post_first(self, task: Task, look_at: float) -> None:
        """Post to as many as there are free links; if that is everybody, this task needs no look around soon.

        Args:
            look_at: when the other tasks need one.
        """
        now = self._monotonic()
        self._post_on_idle(task, now)
        fan_out = task.fan_out
        if fan_out.in_flight and not (fan_out.read_ahead(self._read_ahead) or fan_out.waiting(now)):
            self._look_at = min(look_at, now + _LOOK_AROUND_EVERY)

    def _post_on_idle(self, task: Task, now: float) -> None:
        while self._links.has_idle and (connection_id := task.fan_out.take(now)) is not None:
            self._post(self._links.take_idle(), task, connection_id, now)

    def _receive(self, link: Link, now: float) -> None:
        """Read the answer; count it, and send the next request on the same link."""
        try:
            data = link.receive(_READ_BYTES)
        except self._blocked:
            return
        except self._ended:
            data = b""
        except OSError as error:
            self._lose(link, describe(error), now)
            return
        try:
            answer = link.reader.feed(data) if data else link.reader.eof()
            while answer is None:
                # TLS may hold more that the selector does not know of.
                data = receive_or_end(link.receive, _READ_BYTES)
                answer = link.reader.feed(data) if data else link.reader.eof()
        except self._blocked:
            return
        except (ProtocolError, OSError) as error:
            self._lose(link, describe(error), now)
            return
        task: Task = link.task
        task.last = answer
        fan_out = task.fan_out
        fan_out.answered(link.connection_id, answer, now)
        if not link.is_kept:
            self._links.has_answered(link)
        if not data or not answer.keep_alive or not link.reader.is_idle:
            self._links.close(link)
            return
        if len(self._tasks) > 1 and self._is_turn_of_newest():
            self._employ(link, now, reversed(self._tasks))
            return
        if not fan_out.in_flight and fan_out.is_done:
            # Here and not in the next look around, which costs a broadcast to a few as much as another message.
            self._links.rest(link, now)
            self._conclude(task, now)
        elif len(self._tasks) == 1 and fan_out.is_all_in_flight:
            self._links.rest(link, now)  # of a broadcast to a few: what is left to do are the other answers
        elif (connection_id := fan_out.take(now)) is not None:
            self._post(link, task, connection_id, now)
        else:
            self._employ(link, now, self._tasks)

    def _post(self, link: Link, task: Task, connection_id: str, now: float) -> None:
        """Send the request for this target."""
        link.task = task
        link.connection_id = connection_id
        link.since = now
        request = task.signer.head(connection_id) + task.body
        try:
            sent = link.send(request)
        except self._blocked:
            sent = 0
        except OSError as error:
            link.state = RECEIVING
            self._lose(link, describe(error), now)
            return
        if sent == len(request):
            link.state = RECEIVING
        else:
            link.state = SENDING
            link.unsent = memoryview(request)[sent:]
            self._links.wait_for(link, READ | WRITE)

    def _is_turn_of_newest(self) -> bool:
        self._turn = (self._turn + 1) % _NEWEST_EVERY
        return not self._turn

    def _employ(self, link: Link, now: float, tasks: Iterable[Task]) -> None:
        """Give a free link to the first task that has somebody to post to; otherwise keep it for the next message."""
        for task in tasks:
            connection_id = task.fan_out.take(now)
            if connection_id is not None:
                self._post(link, task, connection_id, now)
                return
        self._links.rest(link, now)
        for task in self._tasks:
            self._look_at = min(self._look_at, self._next_look(task, now))

    # What happens less often

    def _advance(self, link: Link, mask: int, now: float) -> None:
        """Go on with a link that is not simply waiting for its answer."""
        if link.state == OPENING:
            if self._links.go_on_opening(link, now):
                for task in self._tasks:
                    task.has_had_links = True
                self._employ(link, now, self._tasks)
        elif link.state == IDLE:
            self._links.look_at_idle(link)
        elif link.state == SENDING:
            if mask & READ:
                # An answer before the request is complete: it is taken, and then the link is of no more use.
                self._receive_early(link, now)
            if link.state == SENDING:
                self._go_on_sending(link, now)

    def _go_on_sending(self, link: Link, now: float) -> None:
        try:
            while link.unsent:
                link.unsent = link.unsent[link.send(link.unsent) :]
        except self._blocked:
            return
        except OSError as error:
            self._lose(link, describe(error), now)
            return
        link.state = RECEIVING
        self._links.wait_for(link, READ)

    def _receive_early(self, link: Link, now: float) -> None:
        try:
            while True:
                data = receive_or_end(link.receive, _READ_BYTES)
                answer = link.reader.feed(data) if data else link.reader.eof()
                if answer is not None:
                    task: Task = link.task
                    task.last = answer
                    task.fan_out.answered(link.connection_id, answer, now)
                    self._links.close(link)
                    return
        except self._blocked:
            pass
        except (ProtocolError, OSError) as error:
            self._lose(link, describe(error), now)

    def _lose(self, link: Link, reason: str, now: float, *, timed_out: bool = False) -> None:
        """Give up a link on which a request is under way; the decisions say what becomes of its target."""
        task: Task = link.task
        connection_id, was_silent = link.connection_id, link.is_kept and link.reader.is_idle
        self._links.close(link)
        if timed_out or not was_silent:
            task.fan_out.lost(connection_id, reason, now, timed_out=timed_out)
        else:
            task.fan_out.lost_on_kept(connection_id, reason, now)
        if was_silent:
            self._links.distrust_idle(now)

    def _drain_waker(self) -> None:
        try:
            while self._awake.recv(4096):
                pass
        except BlockingIOError:
            pass
        self._look_at = 0.0

    # Now and then

    def _look_around(self, now: float) -> None:
        """Do what depends on time or on the whole: deadlines, new links, signing anew, work for free links."""
        self._look_at = now + _LOOK_AROUND_EVERY
        self._links.have_changed = False
        # Where the pace leaves only a few, the newest may take theirs first every other time.
        self._is_newest_first = not self._is_newest_first
        for task in self._tasks[::-1] if self._is_newest_first else self._tasks[:]:
            if task.is_over:
                continue  # when the answers were read before another one's deadline
            try:
                self._look_after(task, now)
            except Exception as error:
                self._break_off(task, error)
        waiting = 0
        for task in self._tasks:
            waiting += task.fan_out.waiting(now)
        if waiting:
            self._open_links(waiting, now)
        for task in self._tasks:
            self._look_at = min(self._look_at, self._next_look(task, now))

    def _look_after(self, task: Task, now: float) -> None:
        fan_out = task.fan_out
        task.report_stale()
        if fan_out.read_ahead(self._read_ahead):
            self._look_at = now  # go on reading, but not before answers have been looked at
        if not fan_out.is_done:
            if task.wants_to_stop():
                fan_out.stop()
            if now >= fan_out.deadline or fan_out.is_stopped:
                # Answers first: they may lie in the sockets if this process or the event loop stood still for a while.
                self._serve(0.0)
                if task.is_over:
                    return
            if now >= fan_out.deadline or fan_out.is_stopped:
                if not task.has_had_links and (reason := self._links.why_not_open):
                    fan_out.cannot_connect(reason)
                fan_out.give_up(now, self._abandon(task))
            else:
                task.signer.refresh()
                self._post_on_idle(task, now)
                if fan_out.in_flight:
                    return
        if fan_out.is_done:
            task.report_stale(all_of_them=True)
            self._finish(task, now)

    def _conclude(self, task: Task, now: float) -> None:
        """End a task that is done; if its stale connections cannot be reported, that is its error."""
        try:
            task.report_stale(all_of_them=True)
        except Exception as error:
            task.error = error
        self._finish(task, now)
        self._look_at = now  # a link is free: whoever waits for one may have it

    def _abandon(self, task: Task) -> list[str]:
        """Close the links on which requests of this task are under way; return whom they were about."""
        links = self._links.of_task(task)
        abandoned = [link.connection_id for link in links]
        for link in links:
            self._links.close(link)
        return abandoned

    def _break_off(self, task: Task, error: Exception) -> None:
        """End a task with an error: its registry or credentials must not end those of other callers."""
        task.error = error
        self._abandon(task)
        self._finish(task, self._monotonic())

    def _finish(self, task: Task, now: float) -> None:
        task.is_over = True
        self._tasks.remove(task)
        self.last_used = now

    def _give_up_slow(self, now: float) -> None:
        """Give up requests without an answer, and links that do not open, after their time."""
        self._judge_slow_at = now + _LOOK_AROUND_EVERY
        for link in self._links.not_since(now - self._timeout):
            if link.state == OPENING:
                self._links.fail_to_open(link, TimeoutError(f"no connection within {self._timeout:g} s"), now)
            else:
                self._lose(link, f"no answer within {self._timeout:g} s", now, timed_out=True)

    def _open_links(self, waiting: int, now: float) -> None:
        reason = self._links.why_unreachable
        if reason is None:
            self._links.open_more(waiting, self._concurrency * len(self._tasks), now)
            return
        for task in self._tasks:
            task.fan_out.cannot_connect(reason)
        self._links.try_on(now)
        self._look_at = now

    def _next_look(self, task: Task, now: float) -> float:
        """Return when to look around for this task if nothing happens before."""
        if task.fan_out.waiting(now) and not self._links.has_idle:
            return self._links.retry_at if self._links.retry_at > now else inf
        return task.fan_out.wake_at(now)
