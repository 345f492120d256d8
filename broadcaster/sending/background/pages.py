"""The pages of a registry, read ahead in other threads, for a loop that must not wait for them."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...errors import ClosedError, UnavailableError
from ...forks import make_lock

# One is being sent to while the next is read; more would only fill the memory.
_PAGES_AHEAD = 2


class PagesAhead:
    """Iterates over pages without ever blocking: where the next one has not been read yet, it gives None.

    Args:
        pages: may block, and is used by one thread at a time.
        submit: runs a function in another thread.
        when_there: called in some thread when a page has been read, or the end been found, after None was given.
    """

    def __init__(
        self,
        pages: Iterator[Sequence[str]],
        *,
        submit: Callable[[Callable[[], None]], Any],
        when_there: Callable[[], None],
    ) -> None:
        self._pages = pages
        self._submit = submit
        self._when_there = when_there
        self._lock = make_lock()
        self._there: deque[Sequence[str]] = deque()
        self._is_reading = False
        self._is_awaited = False
        self._is_at_end = False
        self._error: Exception | None = None

    def start(self) -> None:
        """Read the first page in this thread, and let others go on."""
        self._is_reading = True
        if self._read_one():
            self._read_elsewhere()

    def __iter__(self) -> "PagesAhead":
        return self

    def __next__(self) -> Sequence[str] | None:
        with self._lock:
            page = self._there.popleft() if self._there else None
            if page is None and self._is_at_end:
                error, self._error = self._error, None
                raise error or StopIteration
            self._is_awaited = page is None
            has_to_read_on = not self._is_reading and not self._is_at_end
            self._is_reading = self._is_reading or has_to_read_on
        if has_to_read_on:
            self._read_elsewhere()
        return page

    def _read_elsewhere(self) -> None:
        try:
            self._submit(self._read_on)
        except (ClosedError, UnavailableError) as error:
            self._end(error)

    def _read_on(self) -> None:
        while self._read_one():
            pass

    def _read_one(self) -> bool:
        """Read a page; return whether to go on."""
        try:
            page = next(self._pages, None)
        except Exception as error:
            self._end(error)
            return False
        if page is None:
            self._end(None)
            return False
        with self._lock:
            self._there.append(page)
            self._is_reading = len(self._there) < _PAGES_AHEAD
            goes_on = self._is_reading
        self._tell()
        return goes_on

    def _end(self, error: Exception | None) -> None:
        with self._lock:
            self._is_at_end, self._error = True, error
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            is_awaited, self._is_awaited = self._is_awaited, False
        if is_awaited:
            self._when_there()
