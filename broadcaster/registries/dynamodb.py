"""The registry of a backend of several machines that runs no server, and the one that the Lambda can share.

Needs one on-demand table, which the stack makes; nothing here creates one. Needs `dynamodb:Query` and
`dynamodb:BatchWriteItem` on it.

## The table

Partition key `pk` (S), sort key `sk` (S), time to live in `expires` (N, whole seconds since the epoch); no index, no
stream. Every registration of one connection for one channel is two rows, each of about 50 bytes:

| row | `pk` | `sk` |
|---|---|---|
| by channel | `<scope>#channel#<channel>`, or `<scope>#channel#*` for everything | `<connection_id>` |
| by connection | `<scope>#connections#<shard>` | `<connection_id>#<channel>`, or `<connection_id>#*` |

`<scope>` is the API and its stage, `abc123xyz/production`, or whatever tells one deployment from another,
percent-encoded but for `A-Z a-z 0-9 _ . : / -`. Rows without it, `channel#…` and `connections#…`, are those from before
deployments were kept apart. `<shard>` is the lower-case hexadecimal digit `zlib.crc32(connection_id.encode()) % 16`.
What other languages publish through is in the table too: `<scope>#request#<signature>`, which names a request that was
answered, for 15 minutes after its time.

Neither a channel name nor a connection id can have `#` or `*` in it, so no name can be taken for another row's.

DynamoDB removes rows some time after they expire; until then every read passes over them.

## The requests

| for | requests | units |
|---|---|---|
| one subscribe | 1 Query by connection, to count its channels; then 1 BatchWriteItem with 2 puts | 1 RRU, 2 WRU |
| one unsubscribe | 1 Query by connection; if it was subscribed 1 BatchWriteItem with 2 deletes | 1 RRU, 2 WRU |
| one `$disconnect` | 1 Query by connection; then 1 BatchWriteItem for 12 channels | 1 RRU, 2 WRU a channel |
| one broadcast | 2 Queries by channel at once, of its own and of `channel#*` | 1 RRU for each 4 KB, at least 1 each |
| `count()` | 16 Queries by connection, one for each shard | the same |

The Query of a `$disconnect` is `pk = <scope>#connections#<shard> AND begins_with(sk, "<connection_id>#")`. A Query of
more than 1,000 rows takes one more request for each further 1,000, a BatchWriteItem takes 25 rows. Every read is
strongly consistent: a connection whose subscribe was answered is found by the next Query.

A BatchWriteItem is not atomic: what it returns as unprocessed has to be sent again. Puts and deletes name whole
rows and no condition, so repeating one, or two writers doing the same, changes nothing. The bodies of all these
requests are in `dynamodb_rows`, for boto3 and for the Lambda alike.

Two late writes are harmless: a row by channel that a subscribe writes after `$disconnect` was handled is removed with
its first 410 or expires; one whose row by connection is missing, because a writer died between two parts of one batch,
expires.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator

from ..aws.choose import find_region, make_service
from ..aws.json_service import Ask, once
from ..aws.retries import AwsError, Patience
from ..channels import MAX_CHANNELS, too_many_channels
from ..cheap_typing import TYPE_CHECKING, Any
from ..errors import ConfigurationError, RegistryError
from . import ENTRY_LIFETIME, PAGE_SIZE, dynamodb_rows
from .deployments.old_rows import OldRows
from .dynamodb_jobs import batches, channels_of, next_page, read, removals, write
from .dynamodb_rows import EVERYTHING, SHARDS, Write
from .lists.entries import Entry, merge
from .lists.merged import each_once
from .lists.rotation import next_place, pages_from

if TYPE_CHECKING:
    from ..aws.choose import AwsService
    from ..aws.json_service import Got, Job

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_TABLE_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")
_MOST_KEPT_ASKS = 1_000
_REMOVED_AT_ONCE = 100
# Of ids, in the order of their bytes, which DynamoDB sorts by.
_ID_CHARACTERS = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"

_ACCESS = frozenset(
    {"AccessDeniedException", "ExpiredTokenException", "InvalidSignatureException", "UnrecognizedClientException"}
)


class DynamoDBRegistry:
    """Keeps connections in a DynamoDB table, where every process with access to it sees them.

    While DynamoDB throttles or cannot be reached, each call is repeated for about five seconds; nothing has to be
    restarted afterwards. The clocks of the machines that share a table should agree within a minute.

    Its requests are made in the calling thread over kept-alive connections, several at once, without boto3; that finds
    the credentials and the region where they are not in the environment, and carries the requests where a proxy is in
    force.

    Args:
        table: its name.
        region: without it, that of `AWS_REGION`, `AWS_DEFAULT_REGION` or AWS's configuration files.
        endpoint_url: of a stand-in for DynamoDB; AWS's variable `AWS_ENDPOINT_URL_DYNAMODB` does the same.
        client: a boto3 client to use instead, never closed here; its own retries and timeouts hold.
        scope: keeps the connections of one deployment apart from those of others in the table. Without it, the
            broadcaster that the registry is given to says which: its API and stage, as the Lambda does. Rows without a
            scope, as they were before, are still read and removed for 2 hours and 10 minutes.
        max_channels: how many channels one connection may add up to; without it, the broadcaster's setting.
        clock: seconds since the epoch; for tests.
        patience: how long to try; for tests.

    Raises:
        ConfigurationError: the table's name or the scope is malformed.
    """

    def __init__(
        self,
        table: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        client: "Any" = None,
        scope: str | None = None,
        max_channels: int | None = None,
        clock: Callable[[], float] = time.time,
        patience: Patience = Patience(),  # noqa: B008 - it is immutable
    ) -> None:
        _check_table(table)
        self._table = table
        self._name = f"DynamoDBRegistry({table!r}{f', region={region!r}' if region else ''})"
        self._region = region
        self._endpoint_url = endpoint_url
        self._given = client
        self._clock = clock
        self._patience = patience
        self._max_channels = max_channels
        self._own_scope = scope
        self._default_scope: str | None = None
        self._start = "" if scope is None else dynamodb_rows.start_of(scope)
        self._old_rows = OldRows(clock())
        self._asks: dict[tuple[str, str], tuple[int, Ask]] = {}  # by start and name of a list: the second, the request
        self._made: dict[str, AwsService] = {}

    def __repr__(self) -> str:
        return self._name

    @property
    def table(self) -> str:
        """The table's name."""
        return self._table

    @property
    def start(self) -> str:
        """What the partition keys of this deployment begin with."""
        return self._start

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds since the epoch."""
        return self._clock

    def take_defaults(self, *, scope: str, max_channels: int) -> None:
        """Adopt the scope and the bound on channels where none was given.

        Raises:
            ConfigurationError: a broadcaster of another API or stage has this registry already.
        """
        if self._max_channels is None:
            self._max_channels = max_channels
        if self._own_scope is not None:
            return
        if self._default_scope not in (None, scope):
            raise ConfigurationError(
                f"{self!r} keeps the connections of {self._default_scope} already, and is now given to a broadcaster "
                f"of {scope}; make a registry for each, or give it a scope= if the two are to share one list"
            )
        self._default_scope = scope
        self._start = dynamodb_rows.start_of(scope)

    def add(
        self, connection_id: str, channels: Collection[str] | None = None, *, lifetime: float = ENTRY_LIFETIME
    ) -> None:
        """Record that a connection listens to `channels`, or to everything when that is None; none at all is no change.

        One request for each 12 channels, and one before to count those that it has. Each entry has a lifetime of its
        own, from its latest registration.

        Raises:
            InvalidArgumentError: the connection would listen to more channels than one may. Nothing was recorded.
        """
        names = [EVERYTHING] if channels is None else list(dict.fromkeys(channels))
        what = f"register connection {connection_id!r}"
        if channels is not None and names:
            most = MAX_CHANNELS if self._max_channels is None else self._max_channels
            [known] = self.run(what, [channels_of(self._table, connection_id, start=self._start)])
            count = len({*known, *names} - {EVERYTHING})
            if count > most:
                raise too_many_channels(connection_id, count, most)
        writes = dynamodb_rows.puts(connection_id, names, now=self._clock(), lifetime=lifetime, start=self._start)
        for batch in batches(writes):
            self._write(what, batch)

    def remove(self, connection_ids: Collection[str]) -> None:
        """Forget these connections with all their channels; unknown ones are passed over.

        One request for each connection and two for each 25 entries, up to 16 at a time; for one connection of at most
        12 channels two requests, for an unknown one one.
        """
        ids = list(dict.fromkeys(connection_ids))
        for start in range(0, len(ids), _REMOVED_AT_ONCE):
            self._remove(ids[start : start + _REMOVED_AT_ONCE])

    def _remove(self, ids: list[str]) -> None:
        what = f"remove {len(ids)} connections"
        deadline = self._patience.time.clock() + self._patience.total  # for all of them, or each would try so long
        starts = [self._start, ""] if self._start and self._old_rows.may_exist(self._clock()) else [self._start]
        which = [(start, connection_id) for connection_id in ids for start in starts]
        jobs = [channels_of(self._table, connection_id, start=start) for start, connection_id in which]
        found = self.run(what, jobs, deadline=deadline)
        for writes in removals((*each, names) for each, names in zip(which, found, strict=True)):
            self._write(what, writes, deadline=deadline)

    def pages(self, channel: str) -> Iterator[list[str]]:
        """Yield who listens to `channel` or to everything, each once, in lists of at most 1,000.

        Strongly consistent. Holds a few pages in memory however many there are. Costs two queries, made at once, and
        one more for each further 1,000 connections.
        """

        def pages_between(after: str, until: str) -> Iterator[list[str]]:
            now = self._clock()
            names = (channel, EVERYTHING)
            old_names = self._old_rows.to_be_read(names, now) if self._start else []
            lists = [(self._start, name) for name in names] + [("", name) for name in old_names]
            asks = [self._ask_for_list(start, name, now, after, until) for start, name in lists]
            answers = self._ask_for_pages(asks)
            for name, answer in zip(old_names, answers[len(names) :], strict=True):
                if not (after or until or answer["Items"] or answer.get("LastEvaluatedKey")):
                    self._old_rows.found_empty(name, now)
            return each_once(*map(self._rest, asks, answers))

        return pages_from(next_place(), pages_between, _id_at)

    def count(self) -> int:
        """Return the number of connections that have not expired, without those in rows that have no scope.

        Exact, and therefore not for every second: reads every row by connection, 1 RRU for about 80 registrations.
        """
        return sum(self.run("count the connections", map(self._number_in, range(SHARDS))))

    def entries(self) -> list[Entry]:
        """Return every connection that has not expired with its channels, those first that registered longest ago.

        For people to look at: reads every row by connection, as `count` does.
        """
        rows: list[dynamodb_rows.Row] = []
        queries = [
            dynamodb_rows.shard_query(shard, now=self._clock(), start=self._start, what="sk, expires")
            for shard in range(SHARDS)
        ]
        self.run("list the connections", [read(self._table, query, rows.extend) for query in queries])
        return merge(
            (dynamodb_rows.connection_of(row), dynamodb_rows.channel_of(row), float(row["expires"]["N"]))
            for row in rows
        )

    def describe(self, operation: str) -> "dict[str, Any]":
        """Return the answer to `DescribeTable` or `DescribeTimeToLive` of the table, which sending needs no right to.

        Raises:
            RegistryError: DynamoDB refused or could not be reached; the cause is an `AwsError` with the code.
        """
        [answer] = self.run("look at the table", [once(Ask(operation, {"TableName": self._table}))])
        return answer

    def close(self) -> None:
        """Close the connections to DynamoDB, unless the client was passed in; the next use opens them again."""
        if service := self._made.pop("service", None):
            service.close()

    def _ask_for_list(self, start: str, name: str, now: float, after: str, until: str) -> Ask:
        """Return the first request for who listens to `name`; without bounds it is the same one for a second."""
        is_kept = not (after or until)
        second = int(now)  # which is what the request says of the time
        kept = self._asks.get((start, name)) if is_kept else None
        if kept is not None and kept[0] == second:
            return kept[1]
        query = dynamodb_rows.listeners_query(name, now=second, after=after, until=until, start=start)
        ask = Ask("Query", {**query, "TableName": self._table, "Limit": PAGE_SIZE}, is_kept=is_kept)
        if is_kept:
            if len(self._asks) >= _MOST_KEPT_ASKS:
                self._asks.clear()
            self._asks[start, name] = second, ask
        return ask

    def _rest(self, ask: Ask, answer: "dict[str, Any]") -> Iterator[list[str]]:
        """Yield the ids of an answer, and of those that follow it."""
        while True:
            yield [row["sk"]["S"] for row in answer["Items"]]
            if not (members := next_page(ask.members, answer)):
                return
            ask = Ask("Query", members)
            [answer] = self._ask_for_pages([ask])

    def _ask_for_pages(self, asks: list[Ask]) -> "list[dict[str, Any]]":
        return self.run("list the connections", map(once, asks))

    def _number_in(self, shard: int) -> "Job[int]":
        number, last = 0, ""

        def take(rows: list[dynamodb_rows.Row]) -> None:
            nonlocal number, last
            for connection_id in map(dynamodb_rows.connection_of, rows):
                number += connection_id != last
                last = connection_id

        yield from read(self._table, dynamodb_rows.shard_query(shard, now=self._clock(), start=self._start), take)
        return number

    def _write(self, what: str, writes: list[Write], *, deadline: float | None = None) -> None:
        self.run(what, [write(self._table, batch) for batch in batches(writes)], deadline=deadline)

    def run(self, what: str, jobs: "Iterable[Job[Got]]", *, deadline: float | None = None) -> "list[Got]":
        """Return the results of requests to this table in order; for the history, too.

        If one raises, the others end first, and then that is raised.

        Args:
            what: is done with them, in the text of the error: "list the connections".
            deadline: of all of them, on the clock of `patience`; without it each has its own time.

        Raises:
            RegistryError: DynamoDB said no, or could not be asked in time.
            ConfigurationError: there is no region, or there are no credentials.
        """
        try:
            return self._service().run(jobs, deadline=deadline)
        except AwsError as error:
            how_long = f", in {self._patience.total:g} seconds of trying" if error.is_retryable else ""
            said = f" ({error.message})" if error.message else ""
            hint = ""
            if error.code == "ResourceNotFoundException":
                hint = (
                    ". Is the table's name right, and the region? The stack makes the table with -c registry=dynamodb"
                )
            elif error.code in _ACCESS:
                hint = (
                    ". It takes credentials that may dynamodb:Query and dynamodb:BatchWriteItem this table, and with "
                    "history dynamodb:PutItem"
                )
            raise RegistryError(f"{self._name} could not {what}{how_long}: {error}{said}{hint}") from error

    def _service(self) -> "AwsService":
        service = self._made.get("service")
        if service is None:
            region = "" if self._given else self._region or find_region()
            if region is None:
                raise ConfigurationError(
                    f"no region for {self._name}; give 'dynamodb://{self._table}?region=us-east-1' or set AWS_REGION"
                )
            made = make_service(
                "dynamodb",
                region=region,
                endpoint_url=self._endpoint_url,
                client=self._given,
                patience=self._patience,
            )
            # No lock, which a fork could leave locked: of those that are made at once all but one go unused.
            service = self._made.setdefault("service", made)
        return service


def _id_at(place: float) -> str:
    """Return about which id is at a share of a list of ids that were made at random."""
    first, rest = divmod(int(place * len(_ID_CHARACTERS) ** 2), len(_ID_CHARACTERS))
    return _ID_CHARACTERS[first] + _ID_CHARACTERS[rest]


def _check_table(table: object) -> None:
    if not isinstance(table, str) or not 3 <= len(table) <= 255 or not _TABLE_CHARACTERS.issuperset(table):
        raise ConfigurationError(
            f"{table!r:.80} is no name of a DynamoDB table; they have 3 to 255 of A-Z a-z 0-9 _ - . "
            "and this one's is an output of the stack"
        )
