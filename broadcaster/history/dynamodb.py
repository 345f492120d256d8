"""The history of a backend of several machines that runs no server, in the DynamoDB table of its registry.

Needs `dynamodb:PutItem` on the table, beside what the registry needs. `dynamodb_rows` tells how the messages lie in it.

| for | requests | units |
|---|---|---|
| a message, one process on its channel | 1 PutItem | 1 WRU for each KB |
| a message, several processes | 1 PutItem; 1 or 2 requests more where another one was faster | the same |
| a reading | 1 Query; 1 more for what was missed, and for each further MB | 1 RRU for each 4 KB, at least 1 each |

Where another process was faster lately, a message waits some hundredths of a second for others of its own process, to
share a row with them.
"""

from collections import deque
from collections.abc import Sequence

from ..aws.retries import Time
from ..cheap_typing import TYPE_CHECKING
from ..forks import make_lock, remake_in_child
from ..registries.dynamodb import DynamoDBRegistry
from .dynamodb_jobs import end, look_for, newest_of, read_back, read_since, write
from .dynamodb_rows import MAX_BYTES, MAX_MESSAGES, Block, Entry, key_of
from .epochs import new_epoch
from .positions import Position, Rewind, Slice

if TYPE_CHECKING:
    from ..aws.json_service import Got as _Got
    from ..aws.json_service import Job

_TOKENS_KEPT = 60  # seconds
_UNSURE_KEPT = 3_600  # seconds
_GATHER_SECONDS = 0.05  # at most, after another process was faster
_CHANNELS_KEPT = 10_000


class DynamoDBHistory:
    """Keeps the messages of each channel in rows that follow one another. Implements `HistoryStore`.

    Remembers the newest row of each channel, so that a message costs one request.

    Args:
        registry: whose table, scope and connections to use. It is not closed here.
        lifetime: seconds that a message is kept.
        time: for tests.
    """

    def __init__(self, registry: DynamoDBRegistry, *, lifetime: float, time: Time = Time()) -> None:  # noqa: B008
        self._registry = registry
        self._lifetime = lifetime
        self._time = time
        self._begin()
        remake_in_child(self._begin)

    def _begin(self) -> None:
        self._lock = make_lock()
        self._channels: dict[str, _Channel] = {}  # in the order of the latest use

    def append(self, channel: str, message: bytes, *, events: int, keep: int, token: str) -> Position:
        """See `HistoryStore.append`. A repetition is known as one in the process in which it was first made."""
        kept = self._use(channel)
        mine = _Waiting(Entry(message.decode(), events, keep, token))
        kept.waiting.append(mine)
        with kept.turn:  # whoever has it writes for all who wait
            if mine.is_open and not kept.is_alone:
                self._time.sleep(_GATHER_SECONDS * self._time.chance())
            while mine.is_open:
                self._write(channel, kept, kept.take() or [mine])  # taken by one whom Ctrl-C ended
        if mine.position is None:
            raise mine.error or RuntimeError("a message has neither a position nor an error")
        return mine.position

    def end(self, channel: str) -> None:
        """See `HistoryStore.end`."""
        key = key_of(self._registry.start, channel)
        job = end(self._registry.table, key, clock=self._registry.clock, lifetime=self._lifetime)
        self._registry.run(f"end the history of channel {channel!r}", [job])

    def read(self, channel: str, *, since: Position | None, rewind: Rewind | None, limit: int) -> Slice:
        """See `HistoryStore.read`."""
        what = f"read the history of channel {channel!r}"
        [found] = self._registry.run(what, [self._reading(channel, since, rewind, limit)])
        return found

    def _reading(self, channel: str, since: Position | None, rewind: Rewind | None, limit: int) -> "Job[Slice]":
        table, key = self._registry.table, key_of(self._registry.start, channel)
        if since is None and rewind is not None:
            _, found = yield from read_back(table, key, rewind, now=self._registry.clock(), limit=limit)
            if found is not None:
                return found
        newest = yield from self._written(channel, [], None, [])  # begins an epoch where there is none
        position = newest.newest if since is None else since
        return (yield from read_since(table, key, newest, position, now=self._registry.clock(), limit=limit))

    def _written(
        self, channel: str, entries: "Sequence[Entry]", newest: Block | None, tried: list[int]
    ) -> "Job[Block]":
        return write(
            self._registry.table,
            key_of(self._registry.start, channel),
            entries,
            newest=newest,
            epoch=new_epoch(),
            clock=self._registry.clock,
            lifetime=self._lifetime,
            tried=tried,
        )

    def _write(self, channel: str, kept: "_Channel", group: "list[_Waiting]") -> None:
        """Store messages in one row, and note in each of them its position or what went wrong."""
        tried: list[int] = []
        try:
            self._look_around(channel, kept, group)
            while left := [each.entry for each in group if each.is_open]:
                [kept.newest] = self._run(channel, [self._written(channel, left, kept.newest, tried)])
                kept.settle(kept.newest, group, self._time.clock())
            kept.is_alone = kept.is_alone and len(tried) < 2
        except BaseException as error:  # of whatever kind, for those who wait, too
            for each in group:
                if each.is_open:
                    if isinstance(error, Exception):
                        each.error = error
                    if tried:
                        kept.unsure[each.entry.token] = self._time.clock(), min(tried)
            if not isinstance(error, Exception):
                raise  # Ctrl-C, say, which is this thread's alone: the others store theirs themselves

    def _look_around(self, channel: str, kept: "_Channel", group: "list[_Waiting]") -> None:
        """Find messages that are stored already, and after another process was faster, how far it is."""
        now = self._time.clock()
        kept.tidy(now)
        if kept.newest is not None and kept.newest.goes_on(self._registry.clock()):
            kept.settle_known(kept.newest.epoch, group)
        table, key = self._registry.table, key_of(self._registry.start, channel)
        unsure = [each.entry.token for each in group if each.is_open and each.entry.token in kept.unsure]
        if unsure:
            place = min(kept.unsure[token][1] for token in unsure)
            [(last, found)] = self._run(channel, [look_for(table, key, place, unsure)])
            for block in found:
                if last is not None and block.epoch == last.epoch and last.goes_on(self._registry.clock()):
                    kept.settle(block, group, now)
            for token in unsure:
                kept.unsure.pop(token, None)
            kept.newest = last or kept.newest
        elif not kept.is_alone:
            before, [kept.newest] = kept.newest, self._run(channel, [newest_of(table, key)])
            kept.is_alone = before is not None and kept.newest is not None and before.place == kept.newest.place

    def _run(self, channel: str, jobs: "Sequence[Job[_Got]]") -> "list[_Got]":
        return self._registry.run(f"store a message of channel {channel!r}", jobs)

    def _use(self, channel: str) -> "_Channel":
        with self._lock:
            kept = self._channels.pop(channel, None) or _Channel()
            self._channels[channel] = kept
            if len(self._channels) > _CHANNELS_KEPT:
                del self._channels[next(iter(self._channels))]
            return kept


class _Waiting:
    """A message on its way into the table."""

    __slots__ = ("entry", "error", "position")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.position: Position | None = None
        self.error: Exception | None = None

    @property
    def is_open(self) -> bool:
        return self.position is None and self.error is None


class _Channel:
    """What this process knows of one channel. What is not right any more costs a request, and is then put right."""

    __slots__ = ("is_alone", "newest", "tokens", "turn", "unsure", "waiting")

    def __init__(self) -> None:
        self.turn = make_lock()  # held during requests, by which the others lose nothing: they would have to wait
        self.waiting: deque[_Waiting] = deque()
        self.newest: Block | None = None
        self.is_alone = True  # no other process was faster lately
        self.tokens: dict[str, tuple[float, Position]] = {}  # of messages that were stored, with the time
        self.unsure: dict[str, tuple[float, int]] = {}  # of those that may have been, with the first place

    def take(self) -> list[_Waiting]:
        """Return those who wait, as far as they fit into one row."""
        group: list[_Waiting] = []
        size = 0
        while self.waiting and len(group) < MAX_MESSAGES:
            size += len(self.waiting[0].entry.text.encode())
            if group and size > MAX_BYTES:
                break
            group.append(self.waiting.popleft())
        return group

    def settle(self, block: Block, group: list[_Waiting], now: float) -> None:
        """Give those of a group that are in a row their positions."""
        for each in group:
            if each.is_open and (position := block.position_of(each.entry.token)):
                each.position = position
                self.tokens[each.entry.token] = now, position

    def settle_known(self, epoch: str, group: list[_Waiting]) -> None:
        """Give those of a group that were stored before their positions."""
        for each in group:
            _, position = self.tokens.get(each.entry.token, (0.0, None))
            if position is not None and position.epoch == epoch:
                each.position = position

    def tidy(self, now: float) -> None:
        """Forget tokens of long ago."""
        for tokens, seconds in ((self.tokens, _TOKENS_KEPT), (self.unsure, _UNSURE_KEPT)):
            while tokens and next(iter(tokens.values()))[0] < now - seconds:
                del tokens[next(iter(tokens))]
