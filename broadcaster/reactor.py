"""The loop: one thread, one selector, many links, each with one request in flight.

A `Reactor` carries one broadcast for a synchronous caller, in its thread, or several at once for asyncio callers, in
the worker thread. It does not decide anything about answers: `decisions.FanOut` says whom to post to and what an
answer means, `dialing` how many links to open. A link that is free takes the next target at once, in the same pass in
which its answer was read; everything rarer (deadlines, timeouts, opening links, signing anew) waits for
`_look_around`, some twenty times a second or when something has changed.
"""

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

from .addresses import Addresses
from .dialing import MESSAGES_PER_LINK, SLOW_OPENING_AFTER, STUCK_AFTER, Dialing, links_to_open
from .http1 import ProtocolError
from .link import CLOSED, IDLE, OPENING, READ, RECEIVING, SENDING, WRITE, Link
from .task import Task

if TYPE_CHECKING:
    import ssl

# Firewalls, NAT and load balancers forget a silent connection after a minute at the earliest.
MOST_IDLE_SECONDS = 50.0
_LOOK_AROUND_EVERY = 0.05  # seconds
_READ_BYTES = 16_384
_RECENTLY = 1.0  # seconds; a link that was idle for longer may have been closed on the far side without our knowing


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
        self._addresses = addresses
        self._name = name
        self._context = context
        self._timeout = timeout
        self._concurrency = concurrency
        self._attempts = attempts
        self._monotonic = monotonic
        self._blocked: tuple[type[OSError], ...] = (BlockingIOError,)
        if context is not None:
            import ssl

            self._blocked = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
        self._session: ssl.SSLSession | None = None
        self._tasks: list[Task] = []
        self._links: set[Link] = set()
        self._idle: list[Link] = []  # the one used last comes first out
        self._dialing = Dialing(attempts)
        self._look_at = 0.0
        self._judge_slow_at = 0.0
        self._selector = selectors.DefaultSelector()
        self._awake, self._waker = socket.socketpair()
        self._awake.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._awake, READ, None)

    # For the engine

    def run(self, task: Task) -> None:
        """Carry one task to its end, in the calling thread."""
        self.add(task)
        while not task.is_over:
            self.step()

    def add(self, task: Task) -> None:
        """Begin a task; `step` goes on with it until it is over."""
        if not self._tasks and not self._links:
            self._dialing = Dialing(self._attempts)  # what failed last time may work now
        self._tasks.append(task)
        self._look_at = 0.0

    def step(self) -> None:
        """Wait until something can be done, and do it."""
        before = self._monotonic()
        if before >= self._look_at:
            self._look_around(before)
            if not self._tasks:
                return
            before = self._monotonic()
        events = self._selector.select(max(0.0, self._look_at - before))
        now = self._monotonic()
        for key, mask in events:
            link: Link | None = key.data
            if link is None:
                self._drain_waker()
            elif link.state == RECEIVING:
                self._receive(link, now)
            else:
                self._advance(link, mask, now)
        if before >= self._judge_slow_at:
            # By the time before the selector was asked: an answer that has arrived meanwhile is never called late,
            # even if something (the registry, say) has held up this loop.
            self._give_up_slow(before)

    def wake(self) -> None:
        """Make a `step` that is waiting look around. Callable from any thread."""
        self._look_at = 0.0
        with suppress(OSError):  # enough wake-ups are waiting already, or it was closed
            self._waker.send(b"\0")

    def close_idle(self) -> int:
        """Close the links that have been idle too long or that the far side has closed; return how many are left."""
        now = self._monotonic()
        for key, mask in self._selector.select(0):
            if key.data is not None:
                self._advance(key.data, mask, now)
        for link in [link for link in self._idle if now - link.since > MOST_IDLE_SECONDS]:
            self._close(link)
        return len(self._links)

    def close(self) -> None:
        """Close everything at once, whatever is under way."""
        for link in self._links:
            link.close()
        self._links.clear()
        self._idle.clear()
        self._selector.close()
        self._awake.close()
        self._waker.close()

    # The usual way of a message

    def _receive(self, link: Link, now: float) -> None:
        """Read the answer; count it, and send the next request on the same link."""
        try:
            data = link.receive(_READ_BYTES)
        except self._blocked:
            return
        except OSError as error:
            self._lose(link, _describe(error), now)
            return
        try:
            answer = link.reader.feed(data) if data else link.reader.eof()
            while answer is None:
                # TLS may hold more that the selector does not know of.
                data = link.receive(_READ_BYTES)
                answer = link.reader.feed(data) if data else link.reader.eof()
        except self._blocked:
            return
        except (ProtocolError, OSError) as error:
            self._lose(link, _describe(error), now)
            return
        task: Task = link.task
        task.last = answer
        task.fan_out.answered(link.connection_id, answer, now)
        if not link.is_kept:
            link.is_kept = True
            self._session = link.session
        if not data or not answer.keep_alive or not link.reader.is_idle:
            self._close(link)
            return
        connection_id = task.fan_out.take(now)
        if connection_id is not None:
            self._post(link, task, connection_id, now)
        else:
            self._employ(link, now)

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
            self._lose(link, _describe(error), now)
            return
        if sent == len(request):
            link.state = RECEIVING
        else:
            link.state = SENDING
            link.unsent = memoryview(request)[sent:]
            self._wait_for(link, READ | WRITE)

    def _employ(self, link: Link, now: float) -> None:
        """Give a free link to whichever task has somebody to post to; otherwise keep it for the next message."""
        for task in self._tasks:
            connection_id = task.fan_out.take(now)
            if connection_id is not None:
                self._post(link, task, connection_id, now)
                return
        link.state = IDLE
        link.task = None
        link.since = now
        self._idle.append(link)
        for task in self._tasks:
            self._look_at = min(self._look_at, self._next_look(task, now))

    # What happens less often

    def _advance(self, link: Link, mask: int, now: float) -> None:
        """Go on with a link that is not simply waiting for its answer."""
        if link.state == OPENING:
            self._go_on_opening(link, now)
        elif link.state == IDLE:
            # An end, or something that nobody asked for; TLS session tickets, too, make the socket readable.
            try:
                link.receive(1)
            except self._blocked:
                return
            except OSError:
                pass
            self._close(link)
        elif link.state == SENDING:
            if mask & READ:
                # An answer before the request is complete: it is taken, and then the link is of no more use.
                self._receive_early(link, now)
            if link.state == SENDING:
                self._go_on_sending(link, now)

    def _go_on_opening(self, link: Link, now: float) -> None:
        try:
            events = link.open()
        except OSError as error:
            self._fail_to_open(link, error, now)
            return
        if events:
            self._wait_for(link, events)
            return
        self._wait_for(link, READ)
        self._dialing.opened()
        self._addresses.works(link.address)
        for task in self._tasks:
            task.has_had_links = True
        self._employ(link, now)

    def _go_on_sending(self, link: Link, now: float) -> None:
        try:
            while link.unsent:
                link.unsent = link.unsent[link.send(link.unsent) :]
        except self._blocked:
            return
        except OSError as error:
            self._lose(link, _describe(error), now)
            return
        link.state = RECEIVING
        self._wait_for(link, READ)

    def _receive_early(self, link: Link, now: float) -> None:
        try:
            while True:
                data = link.receive(_READ_BYTES)
                answer = link.reader.feed(data) if data else link.reader.eof()
                if answer is not None:
                    task: Task = link.task
                    task.last = answer
                    task.fan_out.answered(link.connection_id, answer, now)
                    self._close(link)
                    return
        except self._blocked:
            pass
        except (ProtocolError, OSError) as error:
            self._lose(link, _describe(error), now)

    def _fail_to_open(self, link: Link, error: OSError, now: float) -> None:
        untried = self._addresses.failed(link.address, now)
        reason, is_final = _describe(error), False
        if self._context is not None:
            from .tls import is_untrusted

            if is_untrusted(error):
                is_final = True
                reason = f"{reason}; if it is the right host, give its authority with verify= or AWS_CA_BUNDLE"
        self._dialing.failed(reason, link.since, now, untried=untried, is_final=is_final)
        self._close(link)

    def _lose(self, link: Link, reason: str, now: float, *, timed_out: bool = False) -> None:
        """Give up a link on which a request is under way; the decisions say what becomes of its target."""
        task: Task = link.task
        connection_id, was_silent = link.connection_id, link.is_kept and link.reader.is_idle
        self._close(link)
        if timed_out or not was_silent:
            task.fan_out.lost(connection_id, reason, now, timed_out=timed_out)
        else:
            task.fan_out.lost_on_kept(connection_id, reason, now)
        if was_silent:
            # Those that were left alone for long are probably dead as well.
            for other in [other for other in self._idle if now - other.since > _RECENTLY]:
                self._close(other)

    def _close(self, link: Link) -> None:
        if link.state == CLOSED:
            return
        if link.state == IDLE:
            self._idle.remove(link)
        self._links.discard(link)
        self._selector.unregister(link.socket)
        link.close()
        self._look_at = 0.0

    def _wait_for(self, link: Link, events: int) -> None:
        """Tell the selector what to wait for; wrapping in TLS has given the link another socket object."""
        if link.events != events:
            link.events = events
            self._selector.modify(link.socket, events, link)

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
        for task in list(self._tasks):
            try:
                self._look_after(task, now)
            except Exception as error:
                # One task's registry or credentials must not end those of other callers.
                task.error = error
                self._abandon(task)
                self._finish(task, now)
        if self._tasks:
            self._open_links(now)
            self._look_at = min(self._look_at, *(self._next_look(task, now) for task in self._tasks))

    def _look_after(self, task: Task, now: float) -> None:
        fan_out = task.fan_out
        task.report_stale()
        if fan_out.read_ahead(self._concurrency * MESSAGES_PER_LINK):
            self._look_at = now  # go on reading, but not before answers have been looked at
        if not fan_out.is_done and (now >= fan_out.deadline or task.wants_to_stop()):
            if not task.has_had_links and not self._has_open_links():
                fan_out.cannot_connect(self._dialing.reason or "no connection could be opened in time")
            fan_out.give_up(now, self._abandon(task))
        if not fan_out.is_done:
            task.refresh()
            while self._idle and (connection_id := fan_out.take(now)) is not None:
                self._post(self._idle.pop(), task, connection_id, now)
        if fan_out.is_done:
            task.report_stale(all_of_them=True)
            self._finish(task, now)

    def _abandon(self, task: Task) -> list[str]:
        """Close the links on which requests of this task are under way; return whom they were about."""
        links = [link for link in self._links if link.task is task]
        abandoned = [link.connection_id for link in links]
        for link in links:
            self._close(link)
        return abandoned

    def _finish(self, task: Task, now: float) -> None:
        task.is_over = True
        self._tasks.remove(task)
        self.last_used = now

    def _give_up_slow(self, now: float) -> None:
        """Give up requests without an answer, and links that do not open, after their time."""
        self._judge_slow_at = now + _LOOK_AROUND_EVERY
        limit = now - self._timeout
        for link in [link for link in self._links if link.since < limit and link.state != IDLE]:
            if link.state == OPENING:
                self._fail_to_open(link, TimeoutError(f"no connection within {self._timeout:g} s"), now)
            else:
                self._lose(link, f"no answer within {self._timeout:g} s", now, timed_out=True)

    def _open_links(self, now: float) -> None:
        waiting = sum(task.fan_out.waiting(now) for task in self._tasks)
        if not waiting:
            return
        opening = [link for link in self._links if link.state == OPENING]
        if self._dialing.is_hopeless and not opening and not self._has_open_links():
            for task in self._tasks:
                task.fan_out.cannot_connect(self._dialing.reason)
            self._dialing.start_over(now)
            self._look_at = now
            return
        if now < self._dialing.next_at:
            return
        slow_opening = sum(now - link.since > SLOW_OPENING_AFTER for link in opening)
        stuck = sum(link.task is not None and now - link.since > STUCK_AFTER for link in self._links)
        wanted = links_to_open(
            waiting=waiting,
            moving=len(self._links) - slow_opening - stuck,
            opening=len(opening) - slow_opening,
            room=self._concurrency * len(self._tasks) - len(self._links) + slow_opening,
        )
        for _ in range(wanted):
            if not self._dial(now):
                break

    def _dial(self, now: float) -> bool:
        """Begin to open one link; return whether that was possible."""
        address = self._addresses.next(self.wake)
        if address is None:
            error = self._addresses.take_error()
            if error is not None:
                is_unknown = error.errno == socket.EAI_NONAME
                hint = "; check the API id and the region" if is_unknown else ""
                self._dialing.failed(f"{_describe(error)}{hint}", now, now, is_final=is_unknown)
                self._look_at = now
            return False
        try:
            link = Link(address, self._name, now, self._context, self._session)
        except OSError as error:
            self._dialing.failed(_describe(error), now, now, untried=self._addresses.failed(address, now))
            return False
        self._links.add(link)
        self._selector.register(link.socket, link.events, link)
        return True

    def _has_open_links(self) -> bool:
        return any(link.state != OPENING for link in self._links)

    def _next_look(self, task: Task, now: float) -> float:
        """Return when to look around for this task if nothing happens before."""
        if task.fan_out.waiting(now) and not self._idle:
            return self._dialing.next_at if self._dialing.next_at > now else inf
        return task.fan_out.wake_at(now)


def _describe(error: Exception) -> str:
    """Return an error's own words on one line, without its number."""
    text = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error) or type(error).__name__
    if getattr(error, "verify_message", ""):
        text = f"its certificate is not trusted: {text}"
    return " ".join(str(text).split())[:200]
