"""The requests about the rows of the DynamoDB history, one after another, without I/O: for the Lambda, too."""

from bisect import bisect_left

from ..aws.json_service import Ask
from ..aws.retries import AwsError
from ..cheap_typing import TYPE_CHECKING, Any
from .dynamodb_rows import Block, Entry, block_of, following, newest_query, put, query_from, texts_of
from .positions import Position, Rewind, Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..aws.json_service import Job

_PAGE = 1_000  # rows of one Query, at most
_MOST_TRIES = 50  # of a message, before it is given up because others are always faster


def newest_of(table: str, key: str, *, is_again: bool = False) -> "Job[Block | None]":
    """Return the newest row that is left, expired or not."""
    answer = yield Ask("Query", {**newest_query(key), "TableName": table}, is_again)
    return block_of(answer["Items"][0]) if answer["Items"] else None


def write(
    table: str,
    key: str,
    entries: "Sequence[Entry]",
    *,
    newest: Block | None,
    epoch: str,
    clock: "Callable[[], float]",
    lifetime: float,
    tried: "list[int]",
) -> "Job[Block]":
    """Write a row after the newest one; return it, or another that has some of its messages.

    One PutItem where `newest` is the newest row; where others were faster, what is in the way tells of them, and what
    is in its way again is looked for with a Query after a pause.

    Args:
        entries: messages of one row; none to begin an epoch if there is none.
        newest: that is known so far; None to look for it.
        epoch: what to call an epoch that is begun here.
        tried: takes each place before it is tried: more than one, if others were faster.
    """
    for number in range(_MOST_TRIES):
        if newest is None or not newest.goes_on(clock()):
            newest = yield from newest_of(table, key, is_again=number > 1)
        if newest is not None and not entries and newest.goes_on(clock()):
            return newest
        block = following(newest, entries, epoch=epoch, now=clock(), lifetime=lifetime)
        tried.append(block.place)
        answer = yield Ask("PutItem", {**put(key, block), "TableName": table})
        if "Item" not in answer:
            return block
        # Another writer was faster, or the answer to this one's own success was lost. Epoch and number are taken over
        # together, from one row.
        newest = block_of(answer["Item"])
        if any(entry.token in newest.tokens for entry in entries):
            return newest
        if number:
            newest = None
    raise AwsError(f"other processes were faster {_MOST_TRIES} times", is_retryable=True)


def end(table: str, key: str, *, clock: "Callable[[], float]", lifetime: float) -> "Job[None]":
    """Write a row that ends the epoch, if there is one; one Query if there is none."""
    newest = yield from newest_of(table, key)
    while newest is not None and newest.goes_on(clock()):
        last = following(newest, [], epoch="", now=clock(), lifetime=lifetime)._replace(seq=0, total=-1)
        answer = yield Ask("PutItem", {**put(key, last), "TableName": table})
        newest = block_of(answer["Item"]) if "Item" in answer else None


def look_for(table: str, key: str, place: int, tokens: "Sequence[str]") -> "Job[tuple[Block | None, list[Block]]]":
    """Return the last row from a place on, and those that hold a message with one of the tokens."""
    last, found = None, []
    members = {**query_from(key, place, limit=_PAGE, with_tokens=True), "TableName": table}
    while True:
        answer = yield Ask("Query", members)
        for last in map(block_of, answer["Items"]):
            if any(token in last.tokens for token in tokens):
                found.append(last)
        if not answer.get("LastEvaluatedKey"):
            return last, found
        members = {**members, "ExclusiveStartKey": answer["LastEvaluatedKey"]}


def read_since(
    table: str, key: str, newest: Block, since: Position, *, now: float, limit: int, pages: int | None = None
) -> "Job[Slice]":
    """Return the messages after a position, the oldest first; one Query if there are any, and one more for each MB.

    Args:
        pages: how many requests, at most; what they do not reach is left out.
    """
    end = newest.newest
    if since.epoch != end.epoch or since.seq >= end.seq:
        return Slice(end, [], [])
    place = newest.place - newest.seq + since.seq + 1
    members = {**query_from(key, place, limit=min(limit, _PAGE)), "TableName": table}
    found = _Found(newest, now, after=since.seq)
    while True:
        answer = yield Ask("Query", members)
        found.add(answer["Items"])
        pages = None if pages is None else pages - 1
        if pages == 0 or not answer.get("LastEvaluatedKey") or found.next_place >= place + limit:
            return found.messages(limit)
        members = {**members, "ExclusiveStartKey": answer["LastEvaluatedKey"]}
        del answer  # see `read_back`


def read_back(
    table: str,
    key: str,
    rewind: Rewind,
    *,
    now: float,
    limit: int,
    pages: int | None = None,
    rows: int = _PAGE,
) -> "Job[tuple[Block | None, Slice | None]]":
    """Return the newest row, and the newest messages, the oldest first; one Query for each MB.

    Args:
        limit: messages; of more, the oldest are returned.
        pages: how many requests, at most; what they do not reach is left out.
        rows: of one request, at most.
    """
    wanted = rows if rewind.events is None else max(1, min(rows, rewind.events))
    members: dict[str, Any] = {**newest_query(key, limit=wanted), "TableName": table}
    found: _Found | None = None
    while True:
        answer = yield Ask("Query", members)
        items = answer["Items"][::-1]
        if found is None:
            newest = block_of(items[-1]) if items else None
            if newest is None or not newest.goes_on(now):
                return newest, None
            found = _Found(newest, now, rewind=rewind)
        is_over = found.add(items)
        pages = None if pages is None else pages - 1
        if pages == 0 or not answer.get("LastEvaluatedKey") or is_over:
            return newest, found.messages(limit)
        members = {**members, "ExclusiveStartKey": answer["LastEvaluatedKey"]}
        del answer, items  # of which the next page takes the place in memory, and in the processor's caches


class _Found:
    """What is wanted of the rows up to the newest: kept still, and as new as somebody asks for.

    Of most rows of a page only the messages are read, for taking a row apart costs more than all else. A row that is
    not wanted has none before it that is, so bisection finds the first one.

    Args:
        after: only messages with greater numbers.
    """

    def __init__(self, newest: Block, now: float, *, rewind: Rewind = Rewind(), after: int = 0) -> None:  # noqa: B008
        self._newest = newest
        self._after = after
        self._least_time = 0 if rewind.seconds is None else now - rewind.seconds
        self._most = newest.keep if rewind.events is None else min(newest.keep, rewind.events)
        self._now = now
        self._pages: list[tuple[Block, Block, list[str]]] = []  # each its first row, its last one, and all messages
        self.next_place = 0  # behind the rows of the page that was added last

    def add(self, items: "list[dict[str, Any]]") -> bool:
        """Add a page, in the order of places; return whether there is nothing for it in the rows before it."""
        if not items:
            return False
        self.next_place = block_of(items[-1]).next_place
        while items and block_of(items[-1]).place > self._newest.place:  # they have come in the meantime
            items.pop()
        start = 0  # nearly always
        if not items or not self._is_wanted(block_of(items[0])):
            start = bisect_left(items, True, key=lambda item: self._is_wanted(block_of(item)))
        if start == len(items):
            return True
        first = block_of(items[start])
        self._pages.append((first, block_of(items[-1]), texts_of([item["messages"]["S"] for item in items[start:]])))
        return start > 0 or self._since(first) >= self._most

    def messages(self, limit: int) -> Slice:
        """Return the messages, the oldest first; none if a row is missing, which somebody has taken out."""
        end = self._newest.newest
        pages = sorted(self._pages)
        texts = [text for _, _, page in pages for text in page]
        if not pages or len(texts) != pages[-1][1].next_place - pages[0][0].place:
            return Slice(end, [], [])
        first = pages[0][0]
        number, since = first.seq, self._since(first)
        for count in first.counts:
            since -= count
            number += since >= self._most
        number = max(number, self._after + 1)
        texts = texts[number - first.seq :][:limit]
        return Slice(end, list(range(number, number + len(texts))), texts)

    def _is_wanted(self, block: Block) -> bool:
        """Return whether any message of a row is."""
        return (
            block.epoch == self._newest.epoch
            and block.newest.seq > self._after
            and block.has_messages(self._now)
            and block.at >= self._least_time
            and self._newest.total - block.total < self._most
        )

    def _since(self, block: Block) -> int:
        """Return how many events there were from the first of a row on."""
        return self._newest.total - block.total + sum(block.counts)
