"""Loops that wait for the next broadcast, with their links, and the end of those that nobody needs any more."""

from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from contextlib import suppress

from ...forks import forbids_threads, make_lock
from .links import MOST_IDLE_SECONDS
from .reactor import Reactor

# More threads at once make theirs anew.
_MOST_KEPT = 32


class KeptReactors:
    """A stack of reactors: the one used last comes first out. Thread-safe; not for use after a fork.

    The far side closes links that are idle, and its half of the closing has to be answered. Nobody but us would do that
    while the application has nothing to send, so a thread does, which ends when there is nothing left to close.

    Args:
        idle_seconds: after which a reactor is closed.
    """

    def __init__(self, monotonic: Callable[[], float], idle_seconds: float = MOST_IDLE_SECONDS) -> None:
        self._monotonic = monotonic
        self._idle_seconds = idle_seconds
        self._lock = make_lock()
        self._kept: list[Reactor] = []  # in the order of their last use
        self._is_closed = False
        self._is_watched = False
        self._ending = allocate_lock()  # held until it is to end
        self._ending.acquire()

    def take(self) -> Reactor | None:
        """Return the reactor that was used last, if there is one; it is no longer kept."""
        with self._lock:
            return self._kept.pop() if self._kept else None

    def put(self, reactor: Reactor) -> None:
        """Keep a reactor for the next broadcast, or close it if there are enough."""
        with self._lock:
            is_kept = not self._is_closed and len(self._kept) < _MOST_KEPT
            if is_kept:
                self._kept.append(reactor)
            if is_kept and not self._is_watched and not forbids_threads():
                with suppress(RuntimeError):  # no thread left on this machine, or none any more in this interpreter
                    start_new_thread(self._watch, ())
                    self._is_watched = True
        if not is_kept:
            reactor.close()

    def close(self) -> None:
        """Close all that are kept, and from now on those that come back. More than once is fine."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._ending.release()
            kept, self._kept = self._kept, []
        for reactor in kept:
            reactor.close()

    def _watch(self) -> None:
        """Close those that have not been used for a while; end when none is left."""
        wait = self._idle_seconds
        while not self._ending.acquire(timeout=wait):
            oldest = self._monotonic() - self._idle_seconds
            with self._lock:
                aged = [reactor for reactor in self._kept if reactor.last_used <= oldest]
                self._kept = [reactor for reactor in self._kept if reactor.last_used > oldest]
                self._is_watched = is_needed = bool(self._kept)
                wait = min((reactor.last_used - oldest for reactor in self._kept), default=0.0)
            for reactor in aged:
                reactor.close()
            if not is_needed:
                return
