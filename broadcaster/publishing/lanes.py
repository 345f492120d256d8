"""What is under way to each connection, and what waits until that is over. No I/O, no clock, no lock.

There are never two messages under way to one connection, so that what is published on a channel reaches each in order;
and a connection that has not answered yet gets what follows afterwards, together, while all others go on.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from math import inf
from operator import attrgetter

from ..messages import envelope
from ..results import Failure
from .backlog import BILLED_BYTES, SEPARATOR
from .ledger import EXPIRED, OVERFLOW, REFUSED, Event
from .settings import MOST_BYTES

# What waits for one connection; beyond that its oldest is dropped.
LANE_BYTES = 262_144

# For so long those who have room wait for one for which much is waiting; if it has not answered then, they go on.
PATIENCE = 0.25  # seconds

_FIRST_PAUSE = 0.5  # seconds; each further one is twice as long
_LONGEST_PAUSE = 10.0

# Statuses below 500 that say nothing about the message: the same one may pass a moment later, or once access is mended.
_RETRYABLE = frozenset((401, 403, 404, 408, 421, 429, *range(300, 400)))


class Batch:
    """Events of one channel that go to the same connections, at first in one message.

    Args:
        events: in their order.
        body: the message.
        shares: whether it may share a message with other batches of its channel.
        latest: their key, if a newer batch of the channel with the same one supersedes this one where both wait.

    Attributes:
        at: when the oldest event was published.
        is_superseded: whether somebody gets a newer one in its place.
        key: under which it waits in a lane; only batches that supersede each other have the same.
        lanes: how many it waits in.
        left: connections that have not got it yet.
        missed: why somebody did not get it, if so.
        share: bytes that it adds to a message with other batches.
    """

    __slots__ = (
        "at",
        "body",
        "channel",
        "events",
        "is_superseded",
        "key",
        "lanes",
        "left",
        "missed",
        "share",
        "shares",
    )

    def __init__(
        self, channel: str, events: Sequence[Event], body: bytes, *, shares: bool, latest: str | None = None
    ) -> None:
        self.channel = channel
        self.events = events
        self.body = body
        self.shares = shares
        self.share = sum([len(event.body) + SEPARATOR for event in events])
        self.at = events[0].at
        self.key = id(self) if latest is None else (channel, latest)
        self.left = self.lanes = 0
        self.missed: str | None = None
        self.is_superseded = False


class Flight:
    """One message that is under way to some connections.

    Attributes:
        begun: when, on the clock of who sends it.
    """

    __slots__ = ("batches", "begun", "body", "connection_ids")

    def __init__(self, batches: Sequence[Batch], body: bytes, connection_ids: Sequence[str]) -> None:
        self.batches = batches
        self.body = body
        self.connection_ids = connection_ids
        self.begun = 0.0


class _Lane:
    """What waits for one connection.

    Attributes:
        awaited_since: when others began to wait for its next answer, if they do.
        is_slow: whether nobody waits for it any more, until the lane is empty.
    """

    __slots__ = ("awaited_since", "batches", "failures", "is_slow", "size")

    def __init__(self) -> None:
        self.batches: OrderedDict[object, Batch] = OrderedDict()  # by key, the oldest first
        self.size = 0
        self.failures = 0
        self.is_slow = False
        self.awaited_since: float | None = None


class Lanes:
    """Says what may go to whom. Every batch that was offered ends once, when nobody is left who may still get it.

    Args:
        ended: gets each batch that has ended.
        most_events: that wait in all lanes; beyond that, or 32 MB, the fullest loses its oldest.
        max_age: seconds after which what has not been delivered is dropped.
        random: returns 0 to 1.

    Attributes:
        events: that wait.
        size: bytes of their batches.
    """

    def __init__(
        self, ended: Callable[[Batch], None], *, most_events: int, max_age: float, random: Callable[[], float]
    ) -> None:
        self.events = 0
        self.size = 0
        self._ended = ended
        self._most_events = most_events
        self._max_age = max_age
        self._random = random
        self._under_way: dict[str, Flight] = {}
        self._lanes: dict[str, _Lane] = {}
        self._free: list[str] = []  # connections for which something waits and nothing is under way
        self._later: list[tuple[float, str]] = []  # a heap: when a connection may be tried again

    def __bool__(self) -> bool:
        """Tell whether anything waits or is under way."""
        return bool(self._under_way or self._lanes)

    def has_lane(self, connection_id: str) -> bool:
        """Tell whether something waits for this connection. Callable from any thread."""
        return connection_id in self._lanes

    def has_failed(self, connection_id: str) -> bool:
        """Tell whether the last message to this connection failed, and this is a further try."""
        lane = self._lanes.get(connection_id)
        return lane is not None and lane.failures > 0

    def have_room(self, connection_ids: Iterable[str], size: int, now: float, *, in_one: bool = True) -> bool:
        """Tell whether one more message for these would make nobody lose what waits, but for some that are slow.

        Args:
            size: bytes of the message.
            in_one: whether there has to be room for one of them at least; else all may be slow.
        """
        if not self._lanes:
            return True
        has_room, full = False, []
        for connection_id in connection_ids:
            lane = self._lanes.get(connection_id)
            if lane is None or lane.size <= LANE_BYTES - size:
                has_room = True
            else:
                full.append(lane)
        return (has_room or not in_one) and not [lane for lane in full if not _is_slow(lane, now)]

    def offer(self, batches: Sequence[Batch], connection_ids: Iterable[str]) -> Flight | None:
        """Let these connections get batches of one message; return the flight to those who can get it now."""
        now_to: list[str] = []
        waiting: list[str] = []
        for connection_id in connection_ids:
            is_busy = connection_id in self._under_way or connection_id in self._lanes
            (waiting if is_busy else now_to).append(connection_id)
        for batch in batches:
            batch.left = len(now_to) + len(waiting)
        for connection_id in waiting:
            lane = self._lanes.get(connection_id)
            if lane is None:
                lane = self._lanes[connection_id] = _Lane()
            for batch in batches:
                if (before := lane.batches.pop(batch.key, None)) is not None:
                    self._count(lane, before, -1)
                    self._supersede(before)
                lane.batches[batch.key] = batch
                self._count(lane, batch, 1)
            while lane.size > LANE_BYTES and len(lane.batches) > 1:
                self._drop_oldest(lane, OVERFLOW)
        if self._is_over():
            self._drop_from_fullest()
        return self._take_off(batches, _join(batches), now_to) if now_to else None

    def settle(self, flight: Flight, connection_id: str, failure: Failure | None, now: float) -> None:
        """Record what became of a flight for one connection: it was sent, or how it failed."""
        if self._under_way.get(connection_id) is not flight:
            return
        del self._under_way[connection_id]
        status = failure.status if failure else None
        if failure is None or status == 410:
            for batch in flight.batches:
                self._leave(batch)
            if failure is not None:
                self._forget(connection_id)
            elif (lane := self._lanes.get(connection_id)) is not None:
                lane.failures = 0
                lane.awaited_since = None
                self._free.append(connection_id)
            return
        if status is not None and status < 500 and status not in _RETRYABLE:
            for batch in flight.batches:
                batch.missed = batch.missed or REFUSED
                self._leave(batch)
            if connection_id in self._lanes:
                self._free.append(connection_id)
            return
        lane = self._back_to_lane(flight, connection_id)
        pause = min(_FIRST_PAUSE * 2**lane.failures, _LONGEST_PAUSE) * (0.5 + self._random() / 2)
        lane.failures = min(lane.failures + 1, 10)
        heapq.heappush(self._later, (now + pause, connection_id))

    def has_under_way(self, flight: Flight) -> bool:
        """Tell whether the flight has no outcome yet for some of its connections."""
        return any(self._under_way.get(connection_id) is flight for connection_id in flight.connection_ids)

    def land(self, flight: Flight, retry_at: float) -> None:
        """Let all to whom a flight is still under way try again at that time, together: it was refused as a whole."""
        for connection_id in flight.connection_ids:
            if self._under_way.get(connection_id) is flight:
                del self._under_way[connection_id]
                self._back_to_lane(flight, connection_id)
                heapq.heappush(self._later, (retry_at, connection_id))

    def depart(self, now: float) -> list[Flight]:
        """Return the flights that may begin now; those that carry the same to several connections as one."""
        while self._later and self._later[0][0] <= now:
            self._free.append(heapq.heappop(self._later)[1])
        free, self._free = self._free, []
        together: dict[tuple[int, ...], tuple[list[Batch], list[str]]] = {}
        for connection_id in dict.fromkeys(free):
            lane = self._lanes.get(connection_id)
            if lane is None or connection_id in self._under_way:
                continue
            while lane.batches and next(iter(lane.batches.values())).at < now - self._max_age:
                self._drop_oldest(lane, EXPIRED)
            if not lane.batches:
                del self._lanes[connection_id]
                continue
            batches = self._next_message(lane)
            if not lane.batches and not lane.failures:
                del self._lanes[connection_id]
            together.setdefault(tuple(map(id, batches)), (batches, []))[1].append(connection_id)
        return [
            self._take_off(batches, _join(batches), connection_ids) for batches, connection_ids in together.values()
        ]

    def retry_now(self) -> None:
        """Let those that failed be tried again at once: it was not because of them."""
        self._free += [connection_id for _, connection_id in self._later]
        self._later.clear()

    def next_departure(self) -> float:
        """Return when somebody may be tried again; infinity if that depends on answers alone."""
        if self._free:
            return -inf
        return self._later[0][0] if self._later else inf

    def drop_all(self, reason: str) -> None:
        """Drop everything, also what is under way."""
        for connection_id in list(self._lanes):
            lane = self._lanes.pop(connection_id)
            while lane.batches:
                self._drop_oldest(lane, reason)
        for flight in self._under_way.values():
            for batch in flight.batches:
                batch.missed = batch.missed or reason
                self._leave(batch)
        self._under_way.clear()

    def _back_to_lane(self, flight: Flight, connection_id: str) -> _Lane:
        lane = self._lanes.get(connection_id)
        if lane is None:
            lane = self._lanes[connection_id] = _Lane()
        for batch in reversed(flight.batches):
            if batch.key in lane.batches:
                self._supersede(batch)
                continue
            lane.batches[batch.key] = batch
            lane.batches.move_to_end(batch.key, last=False)
            self._count(lane, batch, 1)
        return lane

    def _take_off(self, batches: Sequence[Batch], body: bytes, connection_ids: Sequence[str]) -> Flight:
        flight = Flight(batches, body, connection_ids)
        self._under_way.update(dict.fromkeys(connection_ids, flight))
        return flight

    def _next_message(self, lane: _Lane) -> list[Batch]:
        """Take from a lane its oldest batch, and what follows on the same channel and fits into one billed message."""
        taken: list[Batch] = []
        channel = next(iter(lane.batches.values())).channel
        size = len(envelope(channel, ()))
        for batch in lane.batches.values():
            if batch.channel != channel:
                continue
            size += batch.share
            if taken and (size > BILLED_BYTES or not batch.shares):
                break  # what follows must not overtake it
            taken.append(batch)
            if not batch.shares:
                break
        for batch in taken:
            del lane.batches[batch.key]
            self._count(lane, batch, -1)
        return taken

    def _forget(self, connection_id: str) -> None:
        """Drop what waits for a connection that is gone: nobody missed it."""
        lane = self._lanes.pop(connection_id, None)
        if lane is not None:
            for batch in lane.batches.values():
                self._count(lane, batch, -1)
                self._leave(batch)

    def _drop_oldest(self, lane: _Lane, reason: str) -> None:
        _, batch = lane.batches.popitem(last=False)
        self._count(lane, batch, -1)
        batch.missed = batch.missed or reason
        self._leave(batch)

    def _is_over(self) -> bool:
        return self.events > self._most_events or self.size > MOST_BYTES

    def _drop_from_fullest(self) -> None:
        """Drop the oldest of whichever lane is the fullest, until the rest is within the bounds.

        Thousands of lanes may have to give one each, before the same batch is out of all of them.
        """
        fullest = [(-lane.size, number, lane) for number, lane in enumerate(self._lanes.values())]
        heapq.heapify(fullest)
        while self._is_over():
            _, number, lane = fullest[0]
            self._drop_oldest(lane, OVERFLOW)
            heapq.heapreplace(fullest, (-lane.size, number, lane))

    def _supersede(self, batch: Batch) -> None:
        batch.is_superseded = True
        self._leave(batch)

    def _leave(self, batch: Batch) -> None:
        batch.left -= 1
        if not batch.left:
            self._ended(batch)

    def _count(self, lane: _Lane, batch: Batch, sign: int) -> None:
        """Count a batch into a lane, or out of it; in all it counts once, however many lanes it is in."""
        lane.size += sign * len(batch.body)
        batch.lanes += sign
        if batch.lanes == (1 if sign > 0 else 0):
            self.events += sign * len(batch.events)
            self.size += sign * len(batch.body)


def batches_of(channel: str, events: Iterable[Event], *, shares: bool) -> list[Batch]:
    """Put the events of one message into batches: one with a key by itself, for a newer one to supersede it."""
    batches = []
    for latest, group in groupby(events, key=attrgetter("latest")):
        alike = list(group)
        body = envelope(channel, [event.body for event in alike])
        batches.append(Batch(channel, alike, body, shares=shares, latest=latest))
    return batches


def _is_slow(lane: _Lane, now: float) -> bool:
    if lane.awaited_since is None:
        lane.awaited_since = now
    if lane.failures or now >= lane.awaited_since + PATIENCE:
        lane.is_slow = True
    return lane.is_slow


def _join(batches: Sequence[Batch]) -> bytes:
    if len(batches) == 1:
        return batches[0].body
    return envelope(batches[0].channel, [event.body for batch in batches for event in batch.events])
