"""The registry of a backend that runs as one process: everything in memory, gone when the process ends."""

import os
import time
import weakref
from _thread import RLock, allocate_lock  # threading itself costs 4 ms to import
from collections.abc import Callable, Collection, Iterator
from math import inf

from ..channels import MAX_CHANNELS, too_many_channels
from ..errors import InvalidArgumentError
from ..forks import make_lock
from . import ENTRY_LIFETIME, PAGE_SIZE
from .lists.rotation import next_place, rotated
from .several_processes import sibling_sign, warn, worker_sign

_NONE: frozenset[str] = frozenset()


class MemoryRegistry:
    """Keeps connections in this process alone: other workers of the same server see none of them.

    Says so with one warning on the logger `broadcaster` when there are signs of several workers: the usual variables
    and command lines, like processes beside this one, or use in another process than the one it was made in.

    Args:
        max_channels: how many channels one connection may add up to; without it, the broadcaster's setting.
        clock: seconds that never go back; for tests.
    """

    def __init__(self, *, max_channels: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_channels = max_channels
        self._clock = clock
        self._lock = make_lock()
        self._is_changing = False
        self._next_changes: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        self._expires: dict[str, float] = {}  # in the order of the latest registration, so the oldest is first
        self._channels: dict[str, set[str]] = {}  # of a connection; none for those that listen to everything alone
        self._members: dict[str, set[str]] = {}  # of a channel
        self._everything: set[str] = set()
        self._pid = os.getpid()
        self._has_looked_beside = False
        self._has_warned = False
        _all.add(self)
        self._warn_once(worker_sign())

    def take_defaults(self, *, scope: str, max_channels: int) -> None:
        """Adopt the bound on channels where none was given. A list in memory is one deployment's alone, so no scope."""
        if self._max_channels is None:
            self._max_channels = max_channels

    def add(
        self, connection_id: str, channels: Collection[str] | None = None, *, lifetime: float = ENTRY_LIFETIME
    ) -> None:
        """Record that a connection listens to `channels`, or to everything when that is None; none at all is no change.

        Starts the `lifetime` (seconds) of all that the connection is registered for afresh.

        Raises:
            InvalidArgumentError: the connection would listen to more channels than one may. Nothing was recorded.
        """
        self._look_around()
        if channels is not None and not channels:
            return
        self._change(self._add, connection_id, channels, lifetime)

    def remove(self, connection_ids: Collection[str]) -> None:
        """Forget these connections with all their channels; unknown ones are ignored."""
        self._change(self._remove, connection_ids)

    def pages(self, channel: str) -> Iterator[list[str]]:
        """Yield who listens to `channel` or to everything when the first page is asked for, in lists of at most 1,000.

        Costs about 50 ms under the lock for a million connections.
        """
        self._look_around()
        with self._lock:
            ids = self._listening_to(channel)
        ids = rotated(ids, next_place())
        if 0 < len(ids) <= PAGE_SIZE:
            yield ids
            return
        for start in range(0, len(ids), PAGE_SIZE):
            yield ids[start : start + PAGE_SIZE]

    def few(self, channel: str, most: int) -> list[str] | None:
        """Return who listens to `channel` or to everything, if they are few and this is known without waiting; or None.

        Not known before the first use, which looks for other processes and takes its time.
        """
        if not self._has_warned and not (self._has_looked_beside and self._pid == os.getpid()):
            return None
        count = len(self._everything) + len(self._members.get(channel, _NONE))
        if not count:
            return []
        if count > most or not self._lock.acquire(blocking=False):
            return None
        try:
            return rotated(self._listening_to(channel), next_place())
        finally:
            self._lock.release()

    def count(self) -> int:
        """Return the number of connections that have not expired."""
        with self._lock:
            now = self._clock()
            return sum(expires > now for expires in list(self._expires.values()))

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""

    def _listening_to(self, channel: str) -> list[str]:
        members = self._members.get(channel)
        if not members and not self._everything:
            return []
        now = self._clock()
        expires = self._expires
        # Copies, because a signal handler may change the sets in between. One that has no expiry is being changed.
        ids = [each for each in list(self._everything) if expires.get(each, inf) > now]
        if members:
            ids += [each for each in members - self._everything if expires.get(each, inf) > now]
        return ids

    def _change(self, change: Callable[..., None], *arguments: object) -> None:
        """Make a change; in a signal handler that has come in the middle of one, have it made right after that."""
        with self._lock:  # re-entrant, so nobody but such a handler finds a change under way
            if self._is_changing:
                self._next_changes.append((change, arguments))
                return
            self._is_changing = True
            try:
                change(*arguments)
            finally:
                self._is_changing = False
                self._make_next_changes()

    def _make_next_changes(self) -> None:
        while True:
            try:
                change, arguments = self._next_changes.pop(0)
                self._change(change, *arguments)
            except IndexError:
                return  # there are none, or another handler has made them
            except InvalidArgumentError:
                continue  # whoever asked for it has gone on

    def _add(self, connection_id: str, channels: Collection[str] | None, lifetime: float) -> None:
        now = self._clock()
        self._drop_oldest_expired(now)
        if channels is not None:
            most = MAX_CHANNELS if self._max_channels is None else self._max_channels
            count = len(self._channels.get(connection_id, _NONE).union(channels))
            if count > most:
                raise too_many_channels(connection_id, count, most)
        expires = max(self._expires.pop(connection_id, 0.0), now + lifetime)
        self._expires[connection_id] = expires
        if channels is None:
            self._everything.add(connection_id)
        for channel in channels or ():
            self._channels.setdefault(connection_id, set()).add(channel)
            self._members.setdefault(channel, set()).add(connection_id)

    def _remove(self, connection_ids: Collection[str]) -> None:
        for connection_id in connection_ids:
            self._forget(connection_id)

    def _drop_oldest_expired(self, now: float) -> None:
        # Lifetimes are nearly always the same, so the front of the dictionary is what expires next. One that is not at
        # the front stays a little longer, and `pages` leaves it out.
        while self._expires:
            oldest = next(iter(self._expires))
            if self._expires[oldest] > now:
                return
            self._forget(oldest)

    def _forget(self, connection_id: str) -> None:
        if self._expires.pop(connection_id, None) is None:
            return
        self._everything.discard(connection_id)
        for channel in self._channels.pop(connection_id, ()):
            members = self._members[channel]
            members.discard(connection_id)
            if not members:
                del self._members[channel]

    def _look_around(self) -> None:
        if self._has_warned:
            return
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._warn_once("it was made before this process was forked off, and is used in it")
        elif not self._has_looked_beside:
            # At the first use and not before: by then a server has started all its workers.
            self._has_looked_beside = True
            self._warn_once(sibling_sign())

    def _warn_once(self, sign: str | None) -> None:
        if sign and not self._has_warned:
            self._has_warned = True
            warn(sign)


# A fork copies the lock as it is just then. Taking all of them around the fork leaves them free, and what they guard
# whole, on both sides.
_all: "weakref.WeakSet[MemoryRegistry]" = weakref.WeakSet()
_held: list[RLock] = []
_forking = allocate_lock()  # of two threads that fork, one at a time


def _hold_all() -> None:
    _forking.acquire()
    _held[:] = [registry._lock for registry in list(_all)]
    for lock in _held:
        lock.acquire()


def _release_all() -> None:
    for lock in _held:
        lock.release()
    _held.clear()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_all, after_in_parent=_release_all, after_in_child=_release_all)
