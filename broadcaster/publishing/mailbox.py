"""Where callers leave events and the thread finds them. Nobody who publishes ever waits here.

An event is put into a queue that needs no lock, and the thread sorts it into the backlog when it wakes. It is woken for
an event on a quiet channel; while a channel's window is running it wakes at the end of that anyway. If much has
gathered, the caller sorts, if the lock is free; if not, whoever holds it looks into the queue once more after giving it
back. So a caller does not wait while another thread, or this very one, further down its stack (a signal handler, a
`__del__`), holds the lock. Who flushes leaves a word in the same queue, for the same reason.

The lock is taken by `with` alone: between `acquire` and `try` the exception of a signal handler, as of Ctrl-C, would
leave it locked for good.
"""

import time
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress

from ..cheap_typing import Any
from ..results import PublisherStats
from .backlog import Backlog
from .ledger import CLOSED, Ledger

# Beyond these the caller sorts, which keeps the bounds: events in the queue, and bytes of one.
_MOST_UNSORTED = 16
_LARGE = 4_096
# Beyond this it lets the one who sorts go on, which had to wait for the interpreter while all others left theirs.
_MOST_BEHIND = 1_000

_MOST_ROUNDS = 20
_TRIES = 100  # to get the lock, a millisecond apart


class _Everything(Collection[str]):
    """The channels that need no bell while the thread is awake: it looks into the queue before it sleeps."""

    def __contains__(self, channel: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


_AWAKE = _Everything()


class Mailbox:
    """Holds the backlog and the ledger under one lock, which is never held during I/O.

    Args:
        backlog: its ledger is the one to count in.
        clock: seconds that never go back.
    """

    def __init__(self, backlog: Backlog, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._backlog = backlog
        self._clock = clock
        # Channel, body and key of an event; the reason why something is none; whom to call when all before is out; or
        # None, because nothing is sent any more.
        self._inbox: deque[tuple[Any, bytes | None, str | None]] = deque()
        self._lock = allocate_lock()
        self._bell = allocate_lock()  # locked while nobody has rung
        self._bell.acquire()
        self._needs_no_bell: Collection[str] = ()
        self._waiters: list[tuple[int, Callable[[], None]]] = []
        self.ledger = ledger

    def put(self, channel: str, body: bytes, latest: str | None) -> None:
        """Leave an event. Does not wait."""
        self._inbox.append((channel, body, latest))
        if channel not in self._needs_no_bell:
            self.ring()
        if len(self._inbox) > _MOST_UNSORTED or len(body) > _LARGE:
            if len(self._inbox) > _MOST_BEHIND and self._lock.locked():
                time.sleep(0.001)
            self._sort()

    def refuse(self, reason: str) -> None:
        """Count something that is no event. Does not wait."""
        self._inbox.append((reason, None, None))
        if len(self._inbox) > _MOST_UNSORTED:
            self._sort()

    @contextmanager
    def open(self) -> Iterator[Backlog]:
        """Hold the lock, with everything sorted in."""
        with self._lock:
            self._sort_in()
            yield self._backlog
        self._sort()

    def when_out(self, call: Callable[[], None]) -> None:
        """Let all that waits be due, and `call` be called when it has ended, in some thread. Does not wait."""
        self._inbox.append((call, None, None))
        self._sort()
        self.ring()

    def close(self) -> None:
        """Drop all that waits, as closed, where there is no thread any more. Does not wait."""
        self._inbox.append((None, None, None))
        self._sort()

    def stats(self) -> PublisherStats:
        """Return the counts of now."""
        for _ in range(_TRIES):
            if not self._lock.locked():
                with self._lock:
                    self._sort_in()
                    return self.ledger.stats()
            time.sleep(0.001)
        # In a signal handler this very thread holds the lock, further down its stack.
        return self.ledger.stats()

    def tell_waiters(self) -> None:
        """Call those whose events have ended; in the thread."""
        if not self._waiters:
            return
        with self.open():
            out = self._take_waiters()
        for call in out:
            call()

    def ring(self) -> None:
        """Wake the thread, or let it not fall asleep. Does not wait."""
        with suppress(RuntimeError):  # somebody has rung already
            self._bell.release()

    def sleep(self, until: float, *, for_events: bool = True) -> None:
        """Wait, in the thread, until then, until somebody rings, or until an event is due, if that counts."""
        now = self._clock()
        if for_events:
            with self.open() as backlog:
                closed = backlog.closed(now)
                until = min(until, backlog.next_due(), *closed.values())
                self._needs_no_bell = closed
            if self._inbox:  # left since then, by somebody who saw the thread awake
                until = now
        if until > now:
            # A lock cannot wait for much longer than a day at a time.
            self._bell.acquire(timeout=min(until - now, 3600.0))
        else:
            self._bell.acquire(False)
        self._needs_no_bell = _AWAKE

    def _sort(self) -> None:
        # Repeated for those who saw the lock held and left. Not without end, where several threads publish without a
        # pause: the next of them goes on with it.
        for _ in range(_MOST_ROUNDS):
            if not self._inbox or self._lock.locked():
                return
            with self._lock:
                is_due = self._sort_in()
            if is_due and self._needs_no_bell is not _AWAKE:
                self.ring()

    def _sort_in(self) -> bool:
        """Sort what is there by now into the backlog; return whether a channel is due because of that."""
        now = self._clock()
        is_due = False
        # No more than that, or it would have no end where several threads publish without a pause.
        for _ in range(len(self._inbox)):
            what, body, latest = self._inbox.popleft()
            if body is not None:
                is_due = self._backlog.add(what, body, latest, now) <= now or is_due
            elif isinstance(what, str):
                self.ledger.refuse(what)
            elif what is None:
                self._backlog.drop_all(CLOSED)
                for call in self._take_waiters():
                    call()
            else:
                self._flush(what)
        return is_due

    def _take_waiters(self) -> list[Callable[[], None]]:
        """Take those whose events have ended."""
        open_since = self.ledger.open_since()
        out = [call for generation, call in self._waiters if generation < open_since]
        self._waiters = [each for each in self._waiters if each[0] >= open_since]
        return out

    def _flush(self, call: Callable[[], None]) -> None:
        generation = self.ledger.next_generation()
        self._backlog.hurry()
        if generation < self.ledger.open_since():
            call()
        else:
            self._waiters.append((generation, call))
