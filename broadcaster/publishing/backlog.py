"""The events that wait, by channel: how long, how many, and which go first. No I/O, no clock, no lock."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from itertools import islice
from math import inf
from operator import attrgetter

from ..messages import POSITION_BYTES
from .ledger import EXPIRED, OVERFLOW, Event, Ledger

# What API Gateway bills as one message.
# https://aws.amazon.com/api-gateway/pricing/
BILLED_BYTES = 32_768

SEPARATOR = 3  # bytes between two events of a message: `},{`
_ENVELOPE = 32 + POSITION_BYTES  # bytes at most around the channel's name and the events
_MOST_COMPARED = 100  # channels
_SIZE = attrgetter("size")
_MOST_GAPS = 32
_MOST_QUIET = 1_000  # channels beyond which those are forgotten on which nothing waits


class _Channel:
    """What waits on one channel.

    Attributes:
        gaps: how many of the events were superseded.
        held_until: when to try again, because those who listen are behind.
        name: of the channel.
        rank: bits of `size`, by which the fullest is found.
        size: bytes of the events.
        open_at: when the next message may go.
        latest: the events that a newer one would supersede.
    """

    __slots__ = ("events", "gaps", "held_until", "latest", "name", "open_at", "rank", "size")

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: deque[Event] = deque()
        self.gaps = self.rank = self.size = 0
        self.held_until = self.open_at = -inf
        self.latest: dict[str, Event] = {}

    def due_at(self) -> float:
        """Return when a message may go: after the window, or at once if it is full, because that costs no more."""
        return self.held_until if self.size >= BILLED_BYTES else max(self.held_until, self.open_at)


class Backlog:
    """Holds at most so many events and bytes; beyond that the oldest of the fullest channel goes.

    Args:
        window: seconds for which the events of a channel wait for others after a message of it.
        ledger: gets told what ended here.
        most_events: that wait.
        most_bytes: of their bodies.
        max_age: seconds after which an event is dropped.
    """

    def __init__(
        self,
        window: Callable[[str], float],
        ledger: Ledger,
        *,
        most_events: int,
        most_bytes: int,
        max_age: float,
    ) -> None:
        self._window = window
        self._ledger = ledger
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._max_age = max_age
        self._all: dict[str, _Channel] = {}
        self._waiting: dict[str, _Channel] = {}  # those of them that have events
        self._ranks: defaultdict[int, dict[_Channel, None]] = defaultdict(dict)  # the same, by rank
        self._forget_at = -inf
        self.count = 0
        self.size = 0

    def add(self, channel: str, body: bytes, latest: str | None, now: float) -> float:
        """Take an event; return when its channel is due."""
        queue = self._all.get(channel)
        if queue is None:
            self._forget_quiet(now)
            queue = self._all[channel] = _Channel(channel)
        if latest is not None and (before := queue.latest.get(latest)) is not None:
            self._supersede(queue, before)
        event = Event(body, now, latest)
        queue.events.append(event)
        if latest is not None:
            queue.latest[latest] = event
        self._waiting[channel] = queue
        self._count(queue, 1, len(body))
        self._ledger.accept(event)
        while self.count > self._most_events or self.size > self._most_bytes:
            self._drop_oldest(self._fullest(), OVERFLOW)
        return max(queue.due_at(), now)

    def due(self, now: float) -> list[str]:
        """Return the channels of which a message may go now."""
        return [channel for channel, queue in self._waiting.items() if queue.due_at() <= now]

    def closed(self, now: float) -> dict[str, float]:
        """Return the channels whose window is running, each with its end."""
        ends = ((channel, max(queue.held_until, queue.open_at)) for channel, queue in self._all.items())
        return {channel: end for channel, end in ends if end > now}

    def next_due(self) -> float:
        """Return when the next channel is due; infinity if nothing waits."""
        return min((queue.due_at() for queue in self._waiting.values()), default=inf)

    def next_size(self, channel: str) -> int:
        """Return how many bytes the next message of a channel has at most."""
        queue = self._waiting.get(channel)
        first = next((len(event.body) for event in queue.events if event.body), 0) if queue else 0
        return max(BILLED_BYTES, first + _ENVELOPE + len(channel))

    def take(self, channel: str, now: float) -> list[Event]:
        """Take the oldest events of a channel that fit into one billed message; a larger one comes alone.

        If that is all, the next message of the channel is due after the window. While that is running only full ones
        come. Without a window each comes alone.
        """
        queue = self._waiting.get(channel)
        taken: list[Event] = []
        if queue is None or (queue.open_at > now and queue.size < BILLED_BYTES):
            return taken
        window = self._window(channel)
        size = _ENVELOPE + len(channel)
        while queue.events:
            event = queue.events[0]
            if event.body:
                size += len(event.body) + SEPARATOR
                if taken and (size > BILLED_BYTES or not window):
                    break
                taken.append(event)
            self._remove_first(queue)
        if not queue.events:
            del self._waiting[channel]
            queue.open_at = now + window
        return taken

    def take_all(self, channel: str, now: float) -> Iterator[Event]:
        """Take every event of a channel."""
        while taken := self.take(channel, now):
            yield from taken

    def hold(self, channel: str, until: float) -> None:
        """Let what waits on a channel not be due before then, because those who listen are behind."""
        if (queue := self._waiting.get(channel)) is not None:
            queue.held_until = until

    def hurry(self) -> None:
        """Let everything that waits be due at once."""
        for queue in self._waiting.values():
            queue.held_until = queue.open_at = -inf

    def expire(self, now: float) -> None:
        """Drop what has waited for too long, and forget channels that are quiet, if they are many."""
        self._forget_quiet(now)
        oldest = now - self._max_age
        for channel in [each for each, queue in self._waiting.items() if queue.events[0].at < oldest]:
            queue = self._waiting[channel]
            while queue.events and queue.events[0].at < oldest:
                self._drop_oldest(channel, EXPIRED)

    def next_expiry(self) -> float:
        """Return when the oldest event expires; infinity if nothing waits."""
        return min((queue.events[0].at for queue in self._waiting.values()), default=inf) + self._max_age

    def drop_all(self, reason: str) -> int:
        """Drop everything; return how much that was."""
        dropped = self.count
        for channel in list(self._waiting):
            while channel in self._waiting:
                self._drop_oldest(channel, reason)
        return dropped

    def _supersede(self, queue: _Channel, event: Event) -> None:
        # It leaves a gap: to take it out of the middle each time would take longer the more is waiting.
        self._ledger.end_superseded((event,))
        self._count(queue, -1, -len(event.body))
        event.body = b""
        queue.gaps += 1
        if queue.gaps > _MOST_GAPS and 2 * queue.gaps > len(queue.events):
            queue.events = deque(each for each in queue.events if each.body)
            queue.gaps = 0

    def _fullest(self) -> str:
        """Return the fullest channel; of very many, one that is at least half as full.

        A caller of `publish` may be waiting for this: to look at thousands each time would take milliseconds.
        """
        queues = next((self._ranks[rank] for rank in sorted(self._ranks, reverse=True) if self._ranks[rank]), ())
        return max(islice(queues, _MOST_COMPARED), key=_SIZE).name

    def _drop_oldest(self, channel: str, reason: str) -> None:
        queue = self._waiting[channel]
        if queue.events[0].body:
            self._ledger.end((queue.events[0],), reason)
        if len(queue.events) == 1:
            del self._waiting[channel]
        self._remove_first(queue)

    def _remove_first(self, queue: _Channel) -> None:
        event = queue.events.popleft()
        if event.body:
            self._count(queue, -1, -len(event.body))
            if event.latest is not None:
                queue.latest.pop(event.latest, None)  # where a signal handler ended `add` it is not there
        else:
            queue.gaps -= 1

    def _count(self, queue: _Channel, number: int, size: int) -> None:
        queue.size += size
        self.count += number
        self.size += size
        rank = queue.size.bit_length()
        if rank != queue.rank:
            self._ranks[queue.rank].pop(queue, None)
            queue.rank = rank
            if rank:
                self._ranks[rank][queue] = None

    def _forget_quiet(self, now: float) -> None:
        if len(self._all) < _MOST_QUIET or now < self._forget_at:
            return
        self._forget_at = now + 1.0  # or each new one would look at all that there are
        for channel in [each for each, queue in self._all.items() if not queue.events and queue.open_at <= now]:
            del self._all[channel]
