"""The requests about the rows of the DynamoDB history, one after another, without I/O: for the Lambda, too."""

from ..aws.json_service import Ask
from ..aws.retries import AwsError
from ..cheap_typing import TYPE_CHECKING, Any
from .dynamodb_rows import Block, Entry, block_of, following, newest_query, put, query_from
from .positions import Position, Rewind, Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
    numbers: list[int] = []
    texts: list[str] = []
    end = newest.newest
    if since.epoch != end.epoch or since.seq >= end.seq:
        return Slice(end, numbers, texts)
    place = newest.place - newest.seq + since.seq + 1
    members = {**query_from(key, place, limit=min(limit, _PAGE)), "TableName": table}
    while True:
        answer = yield Ask("Query", members)
        for block in map(block_of, answer["Items"]):
            if block.epoch == end.epoch and block.has_messages(now):
                for number, _, text in _kept(block, newest):
                    if since.seq < number <= end.seq and len(numbers) < limit:
                        numbers.append(number)
                        texts.append(text)
        pages = None if pages is None else pages - 1
        if pages == 0 or not answer.get("LastEvaluatedKey") or len(numbers) >= limit:
            return Slice(end, numbers, texts)
        members = {**members, "ExclusiveStartKey": answer["LastEvaluatedKey"]}


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
    least = float("inf") if rewind.events is None else rewind.events
    wanted = rows if rewind.events is None else max(1, min(rows, rewind.events))
    members: dict[str, Any] = {**newest_query(key, limit=wanted), "TableName": table}
    newest: Block | None = None
    after: Block | None = None
    numbers: list[int] = []  # the newest first
    texts: list[str] = []
    is_over = False
    while not is_over:
        answer = yield Ask("Query", members)
        for block in map(block_of, answer["Items"]):
            if newest is None:
                newest = block
                if not newest.goes_on(now):
                    return newest, None
            is_next = after is None or (block.epoch == after.epoch and block.next_place == after.place)
            if not is_next or not block.has_messages(now) or not _is_wanted(block, newest, rewind, now):
                is_over = True
                break
            after = block
            for number, since, text in reversed(list(_kept(block, newest))):
                if rewind.events is None or since < rewind.events:
                    numbers.append(number)
                    texts.append(text)
            if block.seq <= 1 or newest.total - block.total + sum(block.counts) >= least:
                is_over = True
                break
        pages = None if pages is None else pages - 1
        if pages == 0 or not answer.get("LastEvaluatedKey"):
            is_over = True
        members = {**members, "ExclusiveStartKey": answer.get("LastEvaluatedKey")}
    if newest is None:
        return None, None
    return newest, Slice(newest.newest, numbers[::-1][:limit], texts[::-1][:limit])


def _is_wanted(block: Block, newest: Block, rewind: Rewind, now: float) -> bool:
    """Return whether any message of a row is."""
    since = newest.total - block.total
    if since >= newest.keep:
        return False
    if rewind.events is not None:
        return since < rewind.events
    return rewind.seconds is not None and block.at >= now - rewind.seconds


def _kept(block: Block, newest: Block) -> "Iterator[tuple[int, int, str]]":
    """Yield the messages that the channel still keeps: number, how many events came after it, and text."""
    since = newest.total - block.total + sum(block.counts)
    for offset, (text, count) in enumerate(zip(block.texts, block.counts, strict=True)):
        since -= count
        if since < newest.keep:
            yield block.seq + offset, since, text
