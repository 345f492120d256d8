"""How the DynamoDB history lies in the table, without I/O: its rows, and the requests that write and read them.

| row | `pk` | `sk` |
|---|---|---|
| messages | `<scope>#history#<channel>` | the place of its first message, in 16 digits |

Beside the keys and `expires`, as all rows have it:

| attribute | holds |
|---|---|
| `messages` | what is said about them, `|`, and a line for each message |
| `tokens` | what names the messages, with spaces between |

| before the `|` | is |
|---|---|
| `place` | as in `sk` |
| `epoch`, `seq` | the epoch, and the number of the first message |
| `total` | how many events of this epoch there were with this row's |
| `keep` | how many events the channel keeps |
| `at` | when it was written, in seconds since 1970 |
| `expires` | as the attribute |
| `counts` | how many events each message holds, with commas between |

What is read is one attribute, and the messages have `'` where `"` is meant and U+0001 where `'` is: DynamoDB answers
in JSON, in which each `"` of a string takes a backslash and each attribute an object. So reading many takes half as
long.

The place of a message goes on where its epoch ends and the next one begins; the number begins anew. A row is written
only at the place that follows the newest row, and only if there is none yet: so of two writers who know the same
newest row one comes first, whether they go on with its epoch or end it, and the other is handed the row in its way. So
there is never a hole, nor a counter that could count what is not stored. A row of number 0 begins an epoch in which
nothing was sent yet. With a `total` of -1 it ends the one before it: messages without numbers were sent.

Rows that have expired can be read for days, and DynamoDB removes them in any order. A row never expires before the row
at the place before it. As long as the newest row that is left has not expired, it is therefore the newest that ever
was; once it has, there may have been others, and an epoch ends. It ends `MARGIN` before DynamoDB may remove its rows,
and DynamoDB refuses requests of those whose clocks are wrong by that much.
"""

from math import ceil

from ..cheap_typing import TYPE_CHECKING, Any, NamedTuple
from .lifetimes import FORGOTTEN_AFTER
from .positions import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

# Signatures are good for 5 to 15 minutes around the service's own time.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
MARGIN = 3_600  # seconds

# Of one row, whose limit is 400 KB with the names of its attributes:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_MESSAGES = 16
MAX_BYTES = 300_000

_DIGITS = 16


class Entry(NamedTuple):
    """A message on its way into a row."""

    text: str
    events: int
    keep: int
    token: str


class Block(NamedTuple):
    """A row; without tokens where they were not asked for."""

    place: int
    epoch: str
    seq: int
    texts: "list[str]"
    tokens: "list[str]"
    counts: "list[int]"
    total: int
    keep: int
    at: float
    expires: float

    @property
    def newest(self) -> Position:
        """The position after its last message."""
        return Position(self.epoch, self.seq + max(0, len(self.texts) - 1))

    @property
    def next_place(self) -> int:
        """Where the next row goes."""
        return self.place + max(1, len(self.texts))

    def goes_on(self, now: float) -> bool:
        """Return whether the epoch does: it was not ended, and nothing that was in the table after it can be gone."""
        return self.total >= 0 and now < self.expires - MARGIN

    def has_messages(self, now: float) -> bool:
        """Return whether its messages are still to be given back."""
        return bool(self.texts) and now < self.expires - MARGIN - FORGOTTEN_AFTER

    def position_of(self, token: str) -> Position | None:
        """Return the position of the message with this token, if it is here."""
        return Position(self.epoch, self.seq + self.tokens.index(token)) if token in self.tokens else None


def block_of(item: dict[str, Any]) -> Block:
    """Return what a row says."""
    about, _, messages = item["messages"]["S"].partition("|")
    texts = _with_quotes(messages).split("\n") if messages else []
    place, epoch, seq, total, keep, at, expires, counts = about.split(" ")
    return Block(
        int(place),
        epoch,
        int(seq),
        texts,
        item["tokens"]["S"].split() if "tokens" in item else [],
        [int(count) for count in counts.split(",")] if counts else [],
        int(total),
        int(keep),
        float(at),
        float(expires),
    )


def texts_of(rows: "list[str]") -> "list[str]":
    """Return the messages of rows that have some, from their attributes `messages`."""
    return [text for row in rows for text in _with_quotes(row.partition("|")[2]).split("\n")]


def following(newest: Block | None, entries: "Sequence[Entry]", *, epoch: str, now: float, lifetime: float) -> Block:
    """Return the row to write after the newest one; with entries, or to begin an epoch without any.

    Args:
        newest: the newest row that is left; None where there is none.
        epoch: the name of a new one, in case that the newest row's has ended.
        lifetime: seconds that a message is kept.
    """
    place, seq, total, at, expires = 1, 0, 0, now, ceil(now + lifetime) + FORGOTTEN_AFTER + MARGIN
    if newest is not None:
        place, at, expires = newest.next_place, max(at, newest.at), max(expires, ceil(newest.expires))
        if newest.goes_on(now):
            epoch, seq, total = newest.newest.epoch, newest.newest.seq, newest.total
    return Block(
        place,
        epoch,
        seq + bool(entries),
        [entry.text for entry in entries],
        [entry.token for entry in entries],
        [entry.events for entry in entries],
        total + sum(entry.events for entry in entries),
        entries[-1].keep if entries else 0,
        at,
        expires,
    )


def put(key: str, block: Block) -> dict[str, Any]:
    """Return the members of the PutItem that writes a row where none is yet, or returns the one that is."""
    return {
        "Item": {
            "pk": {"S": key},
            "sk": {"S": _sort_key(block.place)},
            "messages": {"S": _about(block) + "|" + _without_quotes("\n".join(block.texts))},
            "tokens": {"S": " ".join(block.tokens)},
            "expires": {"N": str(int(block.expires))},
        },
        "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def newest_query(key: str, *, limit: int = 1, with_tokens: bool = False) -> dict[str, Any]:
    """Return the members of the Query for the newest rows, the newest first."""
    return {
        "KeyConditionExpression": "pk = :pk",
        "ProjectionExpression": "#messages" + (", #tokens" if with_tokens else ""),
        "ExpressionAttributeNames": {"#messages": "messages", **({"#tokens": "tokens"} if with_tokens else {})},
        "ExpressionAttributeValues": {":pk": {"S": key}},
        "ScanIndexForward": False,
        "ConsistentRead": True,
        "Limit": limit,
    }


def query_from(key: str, place: int, *, limit: int, with_tokens: bool = False) -> dict[str, Any]:
    """Return the members of the Query for the rows from that on which holds the message at a place."""
    first = max(1, place - MAX_MESSAGES + 1)
    return {
        **newest_query(key, limit=limit + MAX_MESSAGES, with_tokens=with_tokens),
        "KeyConditionExpression": "pk = :pk AND sk >= :first",
        "ExpressionAttributeValues": {":pk": {"S": key}, ":first": {"S": _sort_key(first)}},
        "ScanIndexForward": True,
    }


def key_of(start: str, channel: str) -> str:
    """Return the partition key of a channel's messages."""
    return f"{start}history#{channel}"


def _sort_key(place: int) -> str:
    return f"{place:0{_DIGITS}d}"


def _about(block: Block) -> str:
    counts = ",".join(map(str, block.counts))
    numbers = f"{block.seq} {block.total} {block.keep} {block.at:.3f} {int(block.expires)}"
    return f"{block.place} {block.epoch} {numbers} {counts}"


def _without_quotes(text: str) -> str:
    return text.replace("'", "\1").replace('"', "'")  # JSON has U+0001 only escaped, so it is free


def _with_quotes(text: str) -> str:
    return text.replace("'", '"').replace("\1", "'")
