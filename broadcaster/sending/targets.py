"""Whom a broadcast has still to post to: those read from the registry, and those to try again later. No clock."""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from math import inf


class Targets:
    """A queue of connection ids that reads its pages as they are needed: a million ids never stand in it at once.

    Args:
        pages: a page of None says that the next one is not there yet, and that it is worth asking again later.

    Attributes:
        error: what the pages raised. Those that were read before are served first.
    """

    def __init__(self, pages: Iterable[Sequence[str] | None]) -> None:
        self.error: Exception | None = None
        self._pages = iter(pages)
        self._has_pages = True
        self._ready: deque[str] = deque()
        self._later: list[tuple[float, int, str]] = []  # a heap: when, tie-breaker, connection id
        self._postponed = 0

    def take(self, now: float) -> str | None:
        """Return the next one, those whose time has come first; None if there is nobody now."""
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2]
        if self._ready or self.read():
            return self._ready.popleft()
        return None

    def put_first(self, connection_id: str) -> None:
        """Let this one be the next."""
        self._ready.appendleft(connection_id)

    def postpone(self, connection_id: str, when: float) -> None:
        """Let this one come back at that time."""
        self._postponed += 1
        heapq.heappush(self._later, (when, self._postponed, connection_id))

    def waiting(self, now: float) -> int:
        """Return how many could be taken now, as far as they have been read."""
        if not self._later or self._later[0][0] > now:
            return len(self._ready)
        return len(self._ready) + sum(when <= now for when, *_ in self._later)

    def next_at(self, now: float) -> float:
        """Return when there is somebody to take: `now`, a later time, or never; reads a page to find out."""
        if self._ready or self.read():
            return now
        return self._later[0][0] if self._later else inf

    @property
    def is_empty(self) -> bool:
        """Whether nobody is left, now or later; reads a page to find out."""
        return not (self._ready or self._later or (self._has_pages and (self.read() or self._has_pages)))

    def read(self) -> bool:
        """Read until somebody can be taken at once; return whether somebody can. Reads nothing if so already."""
        while self._has_pages and not self._ready:
            if not self._read_page():
                break
        return bool(self._ready)

    def read_ahead(self, count: int) -> bool:
        """Read one more page if fewer than `count` are known; return whether there may be more to read ahead."""
        if not self._has_pages or len(self._ready) >= count:
            return False
        return self._read_page() and self._has_pages and len(self._ready) < count

    def drain(self, *, unread: bool) -> Iterator[str]:
        """Remove everybody, at whatever time they were to come; those on pages that were not read only if wanted.

        Of those, who is on a page that is not there yet is left for the next call.
        """
        while self._ready or (unread and self.read()):
            yield self._ready.popleft()
        if not unread:
            self._has_pages = False
        later, self._later = self._later, []
        for _, _, connection_id in later:
            yield connection_id

    def clear(self) -> None:
        """Forget everybody, and the pages that were not read."""
        self._ready.clear()
        self._later.clear()
        self._has_pages = False

    def _read_page(self) -> bool:
        """Read a page if it is there; return whether it was, or it is known that there is none any more."""
        try:
            page = next(self._pages)
        except StopIteration:
            self._has_pages = False
        except Exception as error:
            self.error = error
            self._has_pages = False
        else:
            if page is None:
                return False
            self._ready.extend(page)
        return True
