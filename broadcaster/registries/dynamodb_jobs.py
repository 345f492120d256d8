"""The requests about the rows of the DynamoDB table, one after another, without I/O: for the library and the Lambda."""

from collections.abc import Callable, Iterable

from ..aws.json_service import Ask
from ..cheap_typing import TYPE_CHECKING, Any
from .dynamodb_rows import MAX_BATCH, Write, channel_of, channels_query, deletes

if TYPE_CHECKING:
    from ..aws.json_service import Job

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html: an answer holds 1 MB of rows at most,
# and these have less than 1 KB each.
PAGE_ROWS = 1_000


def write(table: str, writes: list[Write]) -> "Job[None]":
    """Write at most 25 rows with one request, and what of them was not processed with further ones.

    Puts and deletes of whole rows, without conditions: repeating them, in whatever order, does no harm.
    """
    left, is_again = writes, False
    while left:
        answer = yield Ask("BatchWriteItem", {"RequestItems": {table: left}}, is_again)
        left, is_again = (answer.get("UnprocessedItems") or {}).get(table) or [], True


def channels_of(table: str, connection_id: str, *, channel: str = "", start: str = "") -> "Job[list[str]]":
    """Return what a connection listens to, expired or not; of one channel, whether it listens to that."""
    found: list[str] = []
    query = channels_query(connection_id, channel=channel, start=start)
    yield from read(table, query, lambda rows: found.extend(map(channel_of, rows)))
    return found


def read(table: str, query: "dict[str, Any]", take: "Callable[[list[Any]], object]") -> "Job[None]":
    """Hand each page of a query's rows to `take`; a page may be empty."""
    members = {**query, "TableName": table, "Limit": PAGE_ROWS}
    while True:
        answer = yield Ask("Query", members)
        take(answer["Items"])
        if not (members := next_page(members, answer)):
            return


def next_page(members: "dict[str, Any]", answer: "dict[str, Any]") -> "dict[str, Any]":
    """Return the members of the Query that goes on where this answer ends; empty where nothing follows."""
    last = answer.get("LastEvaluatedKey")
    return {**members, "ExclusiveStartKey": last} if last else {}


def removals(channels: Iterable[tuple[str, str, list[str]]]) -> list[list[Write]]:
    """Return the writes that take connections off their channels: one list after the other is to be written.

    A later attempt finds the rows by channel by those by connection, so these go last unless one request takes all.

    Args:
        channels: of each connection what its rows' partition keys begin with, the id, and the channels.
    """
    by_channel: list[Write] = []
    by_connection: list[Write] = []
    for start, connection_id, names in channels:
        first, then = deletes(connection_id, names, start=start)
        by_channel += first
        by_connection += then
    fits = len(by_channel) + len(by_connection) <= MAX_BATCH
    return [by_channel + by_connection] if fits else [by_channel, by_connection]


def batches(writes: list[Write]) -> list[list[Write]]:
    """Return the writes in batches that fit into one request each."""
    return [writes[start : start + MAX_BATCH] for start in range(0, len(writes), MAX_BATCH)]
