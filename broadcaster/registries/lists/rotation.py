"""Where in a list a broadcast begins: at a different place each time, so that nobody is always the last.

A broadcast that its deadline cuts off has then left out other connections than the one before. A list that begins with
a hundred thousand dead connections would else silence everybody behind them.
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator

from .. import PAGE_SIZE

# Steps of this share of a list come close to every place in it sooner than random ones do.
# https://en.wikipedia.org/wiki/Low-discrepancy_sequence#Additive_recurrence
_STEP = 0.6180339887498949

_place = int.from_bytes(os.urandom(4), "big") / 2**32


def next_place() -> float:
    """Return where to begin this time, as a share of the list: 0.0 to less than 1.0."""
    global _place
    _place = place = (_place + _STEP) % 1.0  # two threads that take the same one do no harm
    return place


def rotated(ids: list[str], place: float) -> list[str]:
    """Return the ids from `place` on, then those before it."""
    at = int(len(ids) * place)
    return ids[at:] + ids[:at] if at else ids


def pages_from(
    place: float,
    read: Callable[[str, str], Iterator[list[str]]],
    find: Callable[[float], str],
    *,
    size: int = PAGE_SIZE,
) -> Iterator[list[str]]:
    """Yield the pages of a sorted list from `place` to its end, then those before it.

    A list of less than a page is read as if nothing of this were: its one page is rotated. Of a longer one the first
    page is kept in memory until its turn comes.

    Args:
        place: a share of the list, 0.0 to less than 1.0.
        read: yields the sorted, non-empty pages of the ids after its first argument up to its second, that one
            included; an empty one is no bound. All but the last page are of `size`.
        find: returns the id at a share of the list; roughly is enough, and so is an id that is not there any more.
        size: of a page.
    """
    pages = read("", "")
    first = next(pages, None)
    if first is None:
        return
    if len(first) < size:
        yield rotated(first, place)
        return
    middle, end_of_first = find(place), first[-1]
    if middle > end_of_first:
        yield from read(middle, "")
        yield first
        yield from read(end_of_first, middle)
        return
    at = bisect_right(first, middle)
    if first[at:]:
        yield first[at:]
    yield from pages
    if first[:at]:
        yield first[:at]
