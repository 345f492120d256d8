"""The history of a backend that runs as one process: gone when the process ends, and an epoch of its own in each."""

import time
from collections import deque
from collections.abc import Callable

from ..forks import make_lock, remake_in_child
from . import FORGOTTEN_AFTER
from .epochs import new_epoch
from .positions import Position, Rewind, Slice

# Seconds.
_TOKENS_KEPT = 60
# How often to look for what has expired, on a channel and on all: at each message it would take longer than to keep it.
_MESSAGES_EVERY = 1.0
_CHANNELS_EVERY = 60.0


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
        self._channels: dict[str, _Channel] = {}
        self._looked_at = self._clock()

    def append(self, channel: str, message: bytes, *, events: int, keep: int, token: str) -> Position:
        """See `HistoryStore.append`."""
        with self._lock:
            now = self._clock()
            kept = self._use(channel, now)
            if now - kept.looked_at > _MESSAGES_EVERY:
                kept.drop(now, self._lifetime)
            return kept.append(message, events, keep, token, now)

    def end(self, channel: str) -> None:
        """See `HistoryStore.end`."""
        with self._lock:
            self._channels.pop(channel, None)

    def read(self, channel: str, *, since: Position | None, rewind: Rewind | None, limit: int) -> Slice:
        """See `HistoryStore.read`."""
        with self._lock:
            now = self._clock()
            kept = self._use(channel, now)
            kept.drop(now, self._lifetime)
            return kept.read(since, rewind, limit, now)

    def _use(self, channel: str, now: float) -> "_Channel":
        if now - self._looked_at > _CHANNELS_EVERY:
            self._looked_at = now
            before = now - self._lifetime - FORGOTTEN_AFTER
            for name in [name for name, kept in self._channels.items() if kept.used_at <= before]:
                del self._channels[name]
            for each in list(self._channels.values()):
                each.drop(now, self._lifetime)
        kept = self._channels.get(channel)
        if kept is None:
            kept = self._channels[channel] = _Channel()
        kept.used_at = now
        return kept


class _Channel:
    """The messages of one channel."""

    __slots__ = ("_epoch", "_events", "_messages", "_seq", "_tokens", "looked_at", "used_at")

    def __init__(self) -> None:
        self._epoch = new_epoch()
        self._seq = 0
        self._events = 0  # of all messages so far
        # Each with its number, when it came, how many events there were with it, and itself.
        self._messages: deque[tuple[int, float, int, bytes]] = deque()
        self._tokens: dict[str, tuple[float, int]] = {}
        self.used_at = self.looked_at = 0.0

    def append(self, message: bytes, events: int, keep: int, token: str, now: float) -> Position:
        if token in self._tokens:
            return Position(self._epoch, self._tokens[token][1])
        # Nothing is called before the message is there: a signal handler may broadcast on the channel then.
        seq = self._seq = self._seq + 1
        so_far = self._events = self._events + events
        self._messages.append((seq, now, so_far, message))
        self._tokens[token] = now, seq
        while self._events - self._messages[0][2] >= keep:
            self._messages.popleft()
        return Position(self._epoch, seq)

    def read(self, since: Position | None, rewind: Rewind | None, limit: int, now: float) -> Slice:
        newest = Position(self._epoch, self._seq)
        before = self._messages[0][0] - 1 if self._messages else self._seq
        if since is not None:
            after = since.seq if since.epoch == self._epoch else self._seq
        elif rewind is not None and rewind.events is not None:
            least = self._events - rewind.events
            after = next((seq for seq, _, events, _ in reversed(self._messages) if events <= least), before)
        elif rewind is not None and rewind.seconds is not None:
            least_time = now - rewind.seconds
            after = next((seq for seq, at, _, _ in reversed(self._messages) if at < least_time), before)
        else:
            after = self._seq
        start = max(0, after - before)
        found = [self._messages[at] for at in range(start, min(len(self._messages), start + limit))]
        return Slice(newest, [seq for seq, *_ in found], [message.decode() for *_, message in found])

    def drop(self, now: float, lifetime: float) -> None:
        """Forget what has expired."""
        self.looked_at = now
        while self._messages and self._messages[0][1] < now - lifetime:
            self._messages.popleft()
        while self._tokens:
            oldest = next(iter(self._tokens))
            if self._tokens[oldest][0] >= now - _TOKENS_KEPT:
                break
            del self._tokens[oldest]
