"""Sorted lists of ids as one, each id once, without holding any of them in memory."""

from collections.abc import Iterable, Iterator

from .. import PAGE_SIZE


def each_once(*lists: Iterable[list[str]], size: int = PAGE_SIZE) -> Iterator[list[str]]:
    """Yield the ids of all lists, sorted, each once, in non-empty lists of at most `size`.

    Holds one page of each at a time. What only one of the lists still has passes through as it is.

    Args:
        lists: each the pages of sorted ids, no id twice in a list; the pages may be empty.
        size: of all pages that are yielded but the last.
    """
    heads = [(page, source) for source in map(iter, lists) if (page := _next_page(source))]
    ready: list[str] = []
    while len(heads) > 1:
        # Everything up to the smallest of the last ids can be ordered now.
        bound = min([page[-1] for page, _ in heads])
        new: set[str] = set()
        rest = []
        for page, source in heads:
            taken, left = _split(page, bound)
            new.update(taken)
            if left or (left := _next_page(source)):
                rest.append((left, source))
        heads = rest
        ready += sorted(new)
        while len(ready) >= size:
            yield ready[:size]
            del ready[:size]
    for page, source in heads:
        while page:
            ready = ready + page if ready else page
            while len(ready) >= size:
                yield ready[:size]
                ready = ready[size:]
            page = _next_page(source)
    if ready:
        yield ready


def _next_page(pages: Iterator[list[str]]) -> list[str]:
    for page in pages:
        if page:
            return page
    return []


def _split(page: list[str], bound: str) -> tuple[list[str], list[str]]:
    if page[-1] <= bound:
        return page, []
    from bisect import bisect_right

    at = bisect_right(page, bound)
    return page[:at], page[at:]
