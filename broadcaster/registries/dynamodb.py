"""The registry of a backend of several machines that runs no server, and the one that the Lambda can share.

Needs one on-demand table, which the stack makes; nothing here creates one. Needs `dynamodb:Query` and
`dynamodb:BatchWriteItem` on it.

## The table

Partition key `pk` (S), sort key `sk` (S), time to live in `expires` (N, whole seconds since the epoch); no index, no
stream. Every registration of one connection for one channel is two rows, each of about 50 bytes:

| row | `pk` | `sk` |
|---|---|---|
| by channel | `channel#<channel>`, or `channel#*` for everything | `<connection_id>` |
| by connection | `connections#<shard>` | `<connection_id>#<channel>`, or `<connection_id>#*` |

`<shard>` is the lower-case hexadecimal digit `zlib.crc32(connection_id.encode()) % 16`. Neither a channel name nor a
connection id can have `#` or `*` in it, so no name can be taken for another row's.

DynamoDB removes rows some time after they expire; until then every read passes over them.

## The requests

| for | requests | units |
|---|---|---|
| one subscribe | 1 BatchWriteItem with 2 puts | 2 WRU |
| one unsubscribe | 1 BatchWriteItem with 2 deletes | 2 WRU |
| one `$disconnect` | 1 Query by connection; then 1 BatchWriteItem for 12 channels | 1 RRU, 2 WRU a channel |
| one broadcast | 2 Queries by channel, of the channel's own and of `channel#*` | 1 RRU for each 4 KB, at least 1 each |
| `count()` | 16 Queries by connection, one for each shard | the same |

The Query of a `$disconnect` is `pk = connections#<shard> AND begins_with(sk, "<connection_id>#")`. A Query of more than
1,000 rows takes one more request for each further 1,000, a BatchWriteItem takes 25 rows. Every read is strongly
consistent: a connection whose subscribe was answered is found by the next Query.

A BatchWriteItem is not atomic: what it returns as unprocessed has to be sent again. Puts and deletes name whole
rows and no condition, so repeating one, or two writers doing the same, changes nothing. The bodies of all these
requests are in `dynamodb_rows`, for boto3 and for the Lambda alike.

Two late writes are harmless: a row by channel that a subscribe writes after `$disconnect` was handled is removed with
its first 410 or expires; one whose row by connection is missing, because a writer died between two parts of one batch,
expires.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, TypeVar

from ..errors import ConfigurationError
from . import ENTRY_LIFETIME, PAGE_SIZE, dynamodb_rows
from .dynamodb_calls import Calls, Time, make_client
from .dynamodb_rows import EVERYTHING, MAX_BATCH, SHARDS, Write
from .merged import each_once
from .rotation import next_place, pages_from

# Requests at once where many connections are removed; each waits a few milliseconds for DynamoDB.
_CONCURRENCY = 16

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_TABLE_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")

_Given = TypeVar("_Given")
_Got = TypeVar("_Got")


class DynamoDBRegistry:
    """Keeps connections in a DynamoDB table, where every process with access to it sees them.

    While DynamoDB throttles or cannot be reached, each call is repeated for about five seconds; nothing has to be
    restarted afterwards. The clocks of the machines that share a table should agree within a minute.

    Args:
        table: its name.
        region: without it, boto3 looks for one: in `AWS_REGION`, `AWS_DEFAULT_REGION` and its configuration files.
        endpoint_url: of a stand-in for DynamoDB; boto3's own variable `AWS_ENDPOINT_URL_DYNAMODB` does the same.
        client: a boto3 client to use instead, never closed here; its own retries and timeouts hold.
        clock: seconds since the epoch; for tests.
        waiting: how to wait between two attempts; for tests.

    Raises:
        ConfigurationError: the table's name is malformed, or boto3 is not installed.
    """

    def __init__(
        self,
        table: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        client: Any = None,
        clock: Callable[[], float] = time.time,
        waiting: Time = Time(),  # noqa: B008 - it is immutable
    ) -> None:
        _check_table(table)
        _check_boto3()
        self._name = f"DynamoDBRegistry({table!r}{f', region={region!r}' if region else ''})"
        self._region = region
        self._endpoint_url = endpoint_url
        self._given = client
        self._clients: dict[int, Any] = {}  # by process
        self._clock = clock
        self._calls = Calls(self._client, table, self._name, waiting)

    def __repr__(self) -> str:
        return self._name

    def add(
        self, connection_id: str, channels: Collection[str] | None = None, *, lifetime: float = ENTRY_LIFETIME
    ) -> None:
        """Record that a connection listens to `channels`, or to everything when that is None; none at all is no change.

        One request for each 12 channels. Each entry has a lifetime of its own, from its latest registration.
        """
        names = [EVERYTHING] if channels is None else list(dict.fromkeys(channels))
        for batch in _batches(dynamodb_rows.puts(connection_id, names, now=self._clock(), lifetime=lifetime)):
            self._calls.write(f"register connection {connection_id!r}", batch)

    def remove(self, connection_ids: Collection[str]) -> None:
        """Forget these connections with all their channels; unknown ones are passed over.

        One request for each connection and two for each 25 entries, up to 16 at a time; for one connection of at most
        12 channels two requests, for an unknown one one.
        """
        ids = list(dict.fromkeys(connection_ids))
        what = f"remove {len(ids)} connections"
        by_channel: list[Write] = []
        by_connection: list[Write] = []
        for connection_id, channels in zip(ids, self._at_once(self._channels, ids), strict=True):
            first, then = dynamodb_rows.deletes(connection_id, channels)
            by_channel += first
            by_connection += then
        if len(by_channel) + len(by_connection) <= MAX_BATCH:
            self._write(what, by_channel + by_connection)
        else:
            self._write(what, by_channel)
            self._write(what, by_connection)

    def pages(self, channel: str) -> Iterator[list[str]]:
        """Yield who listens to `channel` or to everything, each once, in lists of at most 1,000.

        Strongly consistent. Holds two pages in memory however many there are. Costs two queries, and one more for each
        further 1,000 connections.
        """

        def read(*_: str) -> Iterator[list[str]]:
            return each_once(self._sorted_pages(channel), self._sorted_pages(EVERYTHING))

        return pages_from(next_place(), read, lambda place: "")

    def count(self) -> int:
        """Return the number of connections that have not expired.

        Exact, and therefore not for every second: reads every row by connection, 1 RRU for about 80 registrations.
        """
        return sum(self._at_once(self._count_shard, range(SHARDS)))

    def close(self) -> None:
        """Close the connections to DynamoDB, unless the client was passed in; the next use opens them again."""
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

    def _sorted_pages(self, channel: str) -> Iterator[list[str]]:
        query = dynamodb_rows.listeners_query(channel, now=self._clock())
        for rows in self._calls.query("list the connections", query, limit=PAGE_SIZE):
            yield [row["sk"]["S"] for row in rows]

    def _channels(self, connection_id: str) -> list[str]:
        query = dynamodb_rows.channels_query(connection_id)
        pages = self._calls.query(f"look up connection {connection_id!r}", query, limit=PAGE_SIZE)
        return [dynamodb_rows.channel_of(row) for rows in pages for row in rows]

    def _count_shard(self, shard: int) -> int:
        query = dynamodb_rows.shard_query(shard, now=self._clock())
        number, last = 0, ""
        for rows in self._calls.query("count the connections", query, limit=PAGE_SIZE):
            for connection_id in map(dynamodb_rows.connection_of, rows):
                number += connection_id != last
                last = connection_id
        return number

    def _write(self, what: str, writes: list[Write]) -> None:
        self._at_once(lambda batch: self._calls.write(what, batch), _batches(writes))

    def _at_once(self, work: Callable[[_Given], _Got], given: Iterable[_Given]) -> list[_Got]:
        """Return the results in order. If one raises, the others end first, and then that is raised."""
        given = list(given)
        if len(given) < 2:
            return [work(one) for one in given]
        from concurrent.futures import ThreadPoolExecutor

        self._calls.prepare()  # or each thread would make a client
        with ThreadPoolExecutor(min(_CONCURRENCY, len(given)), "broadcaster-dynamodb") as pool:
            return list(pool.map(work, given))

    def _client(self) -> Any:
        if self._given is not None:
            return self._given
        # Connections are not shared with the process that this one was forked from.
        client = self._clients.get(os.getpid())
        if client is None:
            # No lock, which a fork could leave locked: of clients that are made at once all but one go unused.
            made = make_client(self._region, self._endpoint_url, connections=_CONCURRENCY)
            client = self._clients.setdefault(os.getpid(), made)
        return client


def _batches(writes: list[Write]) -> list[list[Write]]:
    return [writes[start : start + MAX_BATCH] for start in range(0, len(writes), MAX_BATCH)]


def _check_table(table: object) -> None:
    if not isinstance(table, str) or not 3 <= len(table) <= 255 or not _TABLE_CHARACTERS.issuperset(table):
        raise ConfigurationError(
            f"{table!r:.80} is no name of a DynamoDB table; they have 3 to 255 of A-Z a-z 0-9 _ - . "
            "and this one's is an output of the stack"
        )


def _check_boto3() -> None:
    from importlib.util import find_spec

    if find_spec("boto3") is None:
        raise ConfigurationError("a DynamoDB registry needs boto3, which is not installed; pip install boto3")
