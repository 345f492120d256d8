"""The history of a backend that runs as one process: gone when the process ends, and an epoch of its own in each."""

import time
from collections import deque
from collections.abc import Callable

from ..forks import make_lock, remake_in_child
from . import FORGOTTEN_AFTER
from .epochs import new_epoch
from .positions import Position, Rewind, Slice

_TOKENS_KEPT = 60  # seconds


class MemoryHistory:
    """Keeps the messages of each channel in this process. Implements `HistoryStore`.

    A forked child begins epochs of its own: what it numbers, its parent does not see.

    Args:
        lifetime: seconds that a message is kept.
        clock: seconds that never go back; for tests.
    """

    def __init__(self, *, lifetime: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lifetime = lifetime
        self._clock = clock
        self._begin()
        remake_in_child(self._begin)

    def _begin(self) -> None:
        self._lock = make_lock()
        self._channels: dict[str, _Channel] = {}  # in the order of the latest use

    def append(self, channel: str, message: bytes, *, events: int, keep: int, token: str) -> Position:
        """See `HistoryStore.append`."""
        with self._lock:
            now = self._clock()
            kept = self._use(channel, now)
            return kept.append(message, events=events, keep=keep, token=token, now=now, lifetime=self._lifetime)

    def end(self, channel: str) -> None:
        """See `HistoryStore.end`."""
        with self._lock:
            self._channels.pop(channel, None)

    def read(self, channel: str, *, since: Position | None, rewind: Rewind | None, limit: int) -> Slice:
        """See `HistoryStore.read`."""
        with self._lock:
            now = self._clock()
            return self._use(channel, now).read(since, rewind, limit, now)

    def _use(self, channel: str, now: float) -> "_Channel":
        # The front of the dictionary is what was used longest ago.
        while self._channels:
            oldest = next(iter(self._channels))
            if self._channels[oldest].used_at + self._lifetime + FORGOTTEN_AFTER > now:
                break
            del self._channels[oldest]
        kept = self._channels.pop(channel, None) or _Channel()
        self._channels[channel] = kept
        kept.used_at = now
        return kept


class _Channel:
    """The messages of one channel."""

    __slots__ = ("_epoch", "_events", "_messages", "_seq", "_tokens", "used_at")

    def __init__(self) -> None:
        self._epoch = new_epoch()
        self._seq = 0
        self._events = 0  # of all messages so far
        # Each with its number, when it came, how many events there were with it, and itself.
        self._messages: deque[tuple[int, float, int, bytes]] = deque()
        self._tokens: dict[str, tuple[float, int]] = {}
        self.used_at = 0.0

    def append(self, message: bytes, *, events: int, keep: int, token: str, now: float, lifetime: float) -> Position:
        self._drop(now - lifetime, now - _TOKENS_KEPT)
        if token in self._tokens:
            return Position(self._epoch, self._tokens[token][1])
        self._seq += 1
        self._events += events
        self._tokens[token] = now, self._seq
        self._messages.append((self._seq, now, self._events, message))
        while self._events - self._messages[0][2] >= keep:
            self._messages.popleft()
        return Position(self._epoch, self._seq)

    def read(self, since: Position | None, rewind: Rewind | None, limit: int, now: float) -> Slice:
        newest = Position(self._epoch, self._seq)
        if since is not None:
            after = since.seq if since.epoch == self._epoch else self._seq
        elif rewind is not None and rewind.events is not None:
            least = self._events - rewind.events
            after = next((seq - 1 for seq, _, events, _ in self._messages if events > least), self._seq)
        elif rewind is not None and rewind.seconds is not None:
            least_time = now - rewind.seconds
            after = next((seq - 1 for seq, at, _, _ in self._messages if at >= least_time), self._seq)
        else:
            after = self._seq
        first = self._messages[0][0] if self._messages else 0
        start = max(0, after + 1 - first)
        found = [self._messages[at] for at in range(start, min(len(self._messages), start + limit))]
        return Slice(newest, [seq for seq, *_ in found], [message.decode() for *_, message in found])

    def _drop(self, before: float, tokens_before: float) -> None:
        while self._messages and self._messages[0][1] < before:
            self._messages.popleft()
        while self._tokens:
            oldest = next(iter(self._tokens))
            if self._tokens[oldest][0] >= tokens_before:
                break
            del self._tokens[oldest]
