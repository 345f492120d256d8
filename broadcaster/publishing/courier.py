"""The thread that sends what was published: reads who listens, hands messages to the carrier, tries again."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

from ..errors import ClosedError, UnavailableError
from ..history.positions import numbered
from ..messages import envelope, id_of
from ..results import Failure
from ..sending.background.carriers import Carrier, Job
from .lanes import PATIENCE, Batch, Flight, Lanes, batches_of
from .ledger import CLOSED, EXPIRED, Event
from .mailbox import Mailbox
from .outage import Outage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..history import Position
    from ..history.choose import History

# For so long it is remembered that nobody listens to a channel: a new viewer's first event comes at most this and a
# window later.
UNWATCHED_SECONDS = 1.0

_IDLE_SECONDS = 10.0  # after which the thread ends; the next event starts another
_MOST_UNWATCHED = 10_000  # channels
# For so long one channel is sent, and one after another, before answers are looked at and others have their turn.
_TURN = 0.05  # seconds
_MOST_TRIED = 16  # held channels, at each answer
# A held channel is read anew after `PATIENCE`; of very many so seldom that it stays at 2,000 reads a second.
_HELD_SHARE = 0.0005  # seconds
_STORED_WITHIN = 2.0  # seconds, although nobody who listens answers


class Courier:
    """Sends until there is nothing to do for a while, or until it is stopped.

    Args:
        pages: yields who listens to a channel; may block and raise.
        remove_stale: forgets connections that are gone; may block.
        history: numbers and keeps the messages of the channels that have one; may block and raise.
        carrier: carries the posts; used and closed here alone.
        window: of a channel; without one its events never share a message.
        most_events: that wait for connections which have not answered yet.
        max_age: seconds after which what was not sent is dropped.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        pages: Callable[[str], Iterator[list[str]]],
        remove_stale: Callable[[list[str]], None],
        history: "History | None",
        carrier: Carrier,
        window: Callable[[str], float],
        most_events: int,
        max_age: float,
        clock: Callable[[], float],
    ) -> None:
        self._mailbox = mailbox
        self._pages = pages
        self._remove_stale = remove_stale
        self._history = history
        self._carrier = carrier
        self._window = window
        self._max_age = max_age
        self._clock = clock
        self._lanes = Lanes(self._done_batch, most_events=most_events, max_age=max_age, random=_random)
        self._done: list[Batch] = []
        self._outcomes: deque[tuple[Flight, str, Failure | None]] = deque()
        self._landed: deque[tuple[Flight, Job]] = deque()
        self._jobs: set[Job] = set()
        self._unwatched: dict[str, float] = {}
        # Channels with listeners that are behind: all who listen, and until when nobody else is looked for; or, with a
        # history, since when nobody could take more.
        self._held: dict[str, tuple[list[str], float]] = {}
        self._stuck: dict[str, _Numbered] = {}
        ledger = mailbox.ledger
        self._history_outage = Outage("the history", lambda: sum(ledger.dropped.values()), _random)
        self._registry_outage = Outage("the registry", lambda: sum(ledger.dropped.values()), _random)
        self._outage = Outage("API Gateway", lambda: sum(ledger.dropped.values()), _random)
        self._unreached: set[str] = set()  # connections without a usable answer since somebody had one
        self._reached_at = -inf
        self._is_stopped = False
        self._until = inf
        self._turn_ends = 0.0

    def run(self, until: float = inf) -> None:
        """Send, until nothing has been published for ten seconds or `stop` was called.

        Args:
            until: the time to stop at. If it is given, this returns as soon as nothing waits.
        """
        self._until = until
        idle_since = self._clock()
        while not self._has_to_stop():
            now = self._clock()
            self._settle(now)
            is_open = now >= self._registry_outage.until and now >= self._outage.until
            with self._mailbox.open() as backlog:
                backlog.expire(now)
                due = dict.fromkeys(backlog.due(now) if is_open else ())
                wake_at = backlog.next_expiry()
            self._expire_stuck(now)
            self._turn_ends = now + _TURN
            if is_open:
                for channel in [each for each in islice(self._held, _MOST_TRIED) if each not in due]:
                    if not self._is_turn_over():
                        self._go_on(channel)
            if is_open and now >= self._history_outage.until:
                due |= dict.fromkeys(self._stuck)
            for channel in due:
                if self._registry_outage.until <= now:  # or each would wait for the registry
                    self._send(channel)
                if self._is_turn_over():
                    wake_at = now  # for the rest
                    break
            if is_open:
                for flight in self._lanes.depart(now):
                    self._begin(flight)
            self._count_done()
            if self._reached_at == now:  # after what was lost until now is counted
                self._outage.end(now)
            self._mailbox.tell_waiters()
            if self._lanes or due or self._mailbox.ledger.queued:
                idle_since = now
            elif until < inf or now - idle_since >= _IDLE_SECONDS:
                return
            if is_open:
                if self._stuck and self._history_outage.is_on:
                    wake_at = min(wake_at, self._history_outage.until)
                self._mailbox.sleep(min(wake_at, self._lanes.next_departure(), idle_since + _IDLE_SECONDS, until))
            else:  # what is due has to wait
                open_at = max(self._registry_outage.until, self._outage.until)
                self._mailbox.sleep(min(wake_at, open_at, until), for_events=False)

    def stop(self) -> None:
        """End soon. Callable from any thread."""
        self._is_stopped = True
        self._mailbox.ring()

    def close(self) -> None:
        """End the carrier's threads, in the thread, after `run`. What is under way is dropped, as closed.

        Of what waits, only what `stop` left.
        """
        self._settle(self._clock())
        self._count_done()
        outages = self._history_outage, self._registry_outage, self._outage
        next((each for each in outages if each.is_on), self._outage).leave()
        self._lanes.drop_all(CLOSED)
        self._expire_stuck(inf, CLOSED)
        if self._is_stopped:
            with self._mailbox.open() as backlog:
                backlog.drop_all(CLOSED)
        self._count_done()
        self._mailbox.tell_waiters()
        for job in list(self._jobs):
            job.is_stopped = True
        self._carrier.wake()
        self._carrier.close()

    def _is_turn_over(self) -> bool:
        return self._is_stopped or self._clock() >= self._turn_ends

    def _has_to_stop(self) -> bool:
        if self._clock() >= self._until:
            self._is_stopped = True
        return self._is_stopped

    # What is due

    def _go_on(self, channel: str) -> None:
        """Go on with a channel that was held."""
        if self._history is not None and self._history.has(channel):
            self._send_with_history(channel, self._history, self._clock())
        else:
            self._feed(channel, *self._held.pop(channel))

    def _send(self, channel: str) -> None:
        now = self._clock()
        if self._history is not None and self._history.has(channel):
            self._send_with_history(channel, self._history, now)
            return
        self._held.pop(channel, None)
        if self._unwatched.get(channel, now) > now:
            self._discard(channel, now)
            return
        try:
            if self._history is not None:
                self._history.end(channel)
            connection_ids = [connection_id for page in self._pages(channel) for connection_id in page]
        except Exception as error:  # whatever the registry raises: the next try may find it well
            self._registry_outage.begin(error, now)
            return
        self._registry_outage.end(now)
        if self._is_stopped:  # while the registry was read
            return
        if not connection_ids:
            self._remember_unwatched(channel, now)
            self._discard(channel, now)
            return
        self._feed(channel, connection_ids)

    def _feed(self, channel: str, connection_ids: list[str], until: float = inf) -> None:
        """Send what waits on a channel; what those who listen could not take without loss stays there meanwhile."""
        now = self._clock()
        shares = self._window(channel) > 0
        size = self._next_size(channel)
        while self._lanes.have_room(connection_ids, size, now):
            with self._mailbox.open() as backlog:
                events = backlog.take(channel, now)
                size = backlog.next_size(channel)
            if not events:
                return
            flight = self._lanes.offer(batches_of(channel, events, shares=shares), connection_ids)
            if flight is not None:
                self._begin(flight)
            if self._is_turn_over():
                self._hold(channel, now)  # no longer
                return
        # Of the first time, or who comes while others hang would not be seen.
        until = min(until, self._held_until(now))
        self._held[channel] = connection_ids, until
        self._hold(channel, until)

    def _next_size(self, channel: str) -> int:
        if channel in self._stuck:
            return len(self._stuck[channel].body)
        with self._mailbox.open() as backlog:
            return backlog.next_size(channel)

    def _held_until(self, now: float) -> float:
        return now + max(PATIENCE, len(self._held) * _HELD_SHARE)

    def _hold(self, channel: str, until: float) -> None:
        with self._mailbox.open() as backlog:
            backlog.hold(channel, until)

    def _send_with_history(self, channel: str, history: "History", now: float) -> None:
        """Number and store each message, then read who listens, then post it.

        In this order, and without remembering that nobody listens: who subscribes and then reads the history finds a
        message there or is posted it. One that could not be stored, or may have been, is tried again as it is: with
        other events in it, what is posted under its number would not be what is stored under it. Where nothing can be
        stored, channels without a history go on.

        What those who listen could not take without loss waits, as elsewhere; but not for long, if that is true of all.
        """
        connection_ids, since = self._held.pop(channel, ([], now))  # who listened to the message before
        if now < self._history_outage.until:
            self._hold(channel, self._history_outage.until)
            return
        while True:
            size = self._next_size(channel)
            if not connection_ids or self._lanes.have_room(connection_ids, size, now):
                since = now
            elif now < since + _STORED_WITHIN or not self._lanes.have_room(connection_ids, size, now, in_one=False):
                self._held[channel] = connection_ids, since
                self._hold(channel, self._held_until(now))
                return
            listening = self._send_numbered(channel, history, now)
            if listening is None:
                return
            connection_ids = listening
            if self._is_turn_over():
                self._held[channel] = connection_ids, since
                return

    def _send_numbered(self, channel: str, history: "History", now: float) -> list[str] | None:
        """Send the next message of a channel with history; return who listens, None if there is none or it failed."""
        message = self._stuck.get(channel)
        if self._is_stopped:
            return None
        if message is None:
            with self._mailbox.open() as backlog:
                events = backlog.take(channel, now)
            if not events:
                return None
            message = self._stuck[channel] = _Numbered(channel, events)
        try:
            if message.position is None:
                message.position = history.append(
                    channel, message.body, events=len(message.events), token=id_of(message.events[0].body)
                )
                self._history_outage.end(now)
        except Exception as error:  # as for other channels
            self._hold(channel, self._history_outage.begin(error, now))
            return None
        try:
            connection_ids = [each for page in self._pages(channel) for each in page]
        except Exception as error:
            self._registry_outage.begin(error, now)
            return None
        if self._is_stopped:  # meanwhile
            return None
        del self._stuck[channel]
        self._registry_outage.end(now)
        if connection_ids:
            body = message.body if message.position is None else numbered(message.body, message.position)
            flight = self._lanes.offer([Batch(channel, message.events, body, shares=False)], connection_ids)
            if flight is not None:
                self._begin(flight)
        else:
            with self._mailbox.open():
                self._mailbox.ledger.end_unwatched(message.events)
        return connection_ids

    def _expire_stuck(self, now: float, reason: str = EXPIRED) -> None:
        """Drop messages that could not be stored for too long. One that was stored after all, clients find there."""
        before = now if reason == CLOSED else now - self._max_age
        for channel in [each for each, message in self._stuck.items() if message.events[0].at < before]:
            with self._mailbox.open():
                self._mailbox.ledger.end(self._stuck.pop(channel).events, reason)

    def _discard(self, channel: str, now: float) -> None:
        with self._mailbox.open() as backlog:
            self._mailbox.ledger.end_unwatched(backlog.take_all(channel, now))

    def _remember_unwatched(self, channel: str, now: float) -> None:
        if len(self._unwatched) >= _MOST_UNWATCHED:
            self._unwatched = {each: until for each, until in self._unwatched.items() if until > now}
        self._unwatched[channel] = now + UNWATCHED_SECONDS

    def _begin(self, flight: Flight) -> None:
        job = Job(
            "POST",
            [flight.connection_ids],
            flight.body,
            on_stale=self._remove_stale,
            on_outcome=partial(self._note, flight),
        )
        try:
            self._carrier.warm()
            flight.begun = self._clock()
            try:
                self._carrier.begin(job, partial(self._note_landed, flight, job))
            except (ClosedError, UnavailableError):
                # There is no other thread to be had: from the interpreter's end on, since Python 3.12, never again.
                self._carrier.carry(job, self._has_to_stop)
                self._note_landed(flight, job)
        except Exception as error:  # credentials, say, which may come back
            self._lanes.land(flight, self._outage.begin(error, self._clock()))
        else:
            self._jobs.add(job)

    # What became of it

    def _note(self, flight: Flight, connection_id: str, failure: Failure | None) -> None:
        """Take an outcome, in the carrier's thread."""
        self._outcomes.append((flight, connection_id, failure))
        if self._lanes.has_lane(connection_id):
            self._mailbox.ring()

    def _note_landed(self, flight: Flight, job: Job) -> None:
        self._landed.append((flight, job))
        self._mailbox.ring()

    def _settle(self, now: float) -> None:
        ledger = self._mailbox.ledger
        landed = []  # taken out first: of these no outcome comes later
        while self._landed:
            landed.append(self._landed.popleft())
        while self._outcomes:
            flight, connection_id, failure = self._outcomes.popleft()
            if failure is None:
                ledger.messages += 1
                ledger.bytes += len(flight.body)
            self._look_for_outage(flight, connection_id, failure, now)
            self._lanes.settle(flight, connection_id, failure, now)
        for flight, job in landed:
            self._jobs.discard(job)
            if self._lanes.has_under_way(flight):
                error = job.outcome if isinstance(job.outcome, Exception) else None
                self._lanes.land(flight, now if error is None else self._outage.begin(error, now))

    def _look_for_outage(self, flight: Flight, connection_id: str, failure: Failure | None, now: float) -> None:
        """Record an outage when nobody gets an answer, and its end when somebody does.

        A browser that does not answer, while others do, is no outage. There is no pause for all: each connection has
        its own.
        """
        if failure is not None and (failure.status in (None, 429) or failure.status >= 500):
            if flight.begun <= self._reached_at or self._lanes.has_failed(connection_id):
                return
            self._unreached.add(connection_id)
            if len(self._unreached) > 1 or failure.status in range(500, 600):
                self._outage.note(failure.reason, now)
        elif failure is None or failure.status == 410:  # which tells as well that it works again
            self._reached_at = now
            self._unreached.clear()
            self._outage.until = -inf
            if self._outage.is_on:
                self._lanes.retry_now()

    def _done_batch(self, batch: Batch) -> None:
        self._done.append(batch)

    def _count_done(self) -> None:
        """Count what has ended."""
        if self._done:
            done, self._done = self._done, []
            with self._mailbox.open():
                for batch in done:
                    if batch.is_superseded and batch.missed is None:
                        self._mailbox.ledger.end_superseded(batch.events)
                    else:
                        self._mailbox.ledger.end(batch.events, batch.missed)


class _Numbered:
    """A message of a channel with history, on its way into the store."""

    __slots__ = ("body", "events", "position")

    def __init__(self, channel: str, events: "Sequence[Event]") -> None:
        self.events = events
        self.body = envelope(channel, [event.body for event in events])
        self.position: Position | None = None


def _random() -> float:
    """Return 0 to 1 by chance."""
    return int.from_bytes(os.urandom(4), "big") / 2**32
