"""Two sorted lists of ids as one, each id once, without holding either in memory."""

from collections.abc import Iterable, Iterator

from . import PAGE_SIZE


def each_once(left: Iterable[list[str]], right: Iterable[list[str]], *, size: int = PAGE_SIZE) -> Iterator[list[str]]:
    """Yield the ids of both, sorted, each once, in non-empty lists of at most `size`.

    Holds one page of either at a time. Where one of the two is empty the pages of the other pass through.

    Args:
        left: pages of sorted ids, no id twice; the pages may be empty.
        right: the same.
    """
    lefts, rights = iter(left), iter(right)
    a, b = _next_page(lefts), _next_page(rights)
    ready: list[str] = []
    while a and b:
        # Everything up to the smaller of the two last ids can be ordered now.
        bound = min(a[-1], b[-1])
        from_a, a = _split(a, bound)
        from_b, b = _split(b, bound)
        ready += sorted({*from_a, *from_b})
        a = a or _next_page(lefts)
        b = b or _next_page(rights)
        while len(ready) >= size:
            yield ready[:size]
            del ready[:size]
    rest, source = (a, lefts) if a else (b, rights)
    while rest:
        ready += rest
        while len(ready) >= size:
            yield ready[:size]
            del ready[:size]
        rest = _next_page(source)
    if ready:
        yield ready


def _next_page(pages: Iterator[list[str]]) -> list[str]:
    for page in pages:
        if page:
            return page
    return []


def _split(page: list[str], bound: str) -> tuple[list[str], list[str]]:
    from bisect import bisect_right

    at = bisect_right(page, bound)
    return page[:at], page[at:]
