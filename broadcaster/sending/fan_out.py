"""What a broadcast does next: whom to post to, what an answer means, when to try again, when to give up.

No I/O, no clock, no sleep: time comes in as an argument (seconds of a monotonic clock), chance as a function. Both the
engine and the boto3 sender drive a `FanOut` like this:

    while not fan_out.is_done:
        connection_id = fan_out.take(now)      # post to it; None: nobody at the moment, see wake_at
        fan_out.answered(connection_id, …)     # or fan_out.lost(connection_id, …)

What an answer means:

| answer | outcome |
|---|---|
| 2xx | sent |
| 410 | stale |
| 429 on this connection alone | a slow reader: again after a back-off, at most `attempts` times, then failed |
| 429 on nearly everybody | the account is throttled: all pause, and it does not count as an attempt |
| 429 on several | the account's ceiling was met: all go slower; until they are as fast again no 429 is an attempt |
| 5xx, 408, or none at all | again after a back-off, at most `attempts` times, then failed |
| none within the timeout | once more, then failed: such posts have been seen to hang for as long as one waits |
| 3xx, 401, 403, 404 before anybody was reached | `RefusedError`: it would be the same for all |
| the same after somebody was reached | failed; after many in a row everybody who is left |
| any other | failed |
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from ..cheap_typing import TYPE_CHECKING, Protocol
from ..errors import RefusedError
from ..results import BroadcastResult, Failure
from .defaults import DEFAULT_ATTEMPTS, DEFAULT_CONCURRENCY
from .pace import Pace, ThrottleWatch
from .refusals import (
    describe_error,
    explain_refusal,
    explain_unreachable,
    is_about_the_id,
    is_about_the_signature,
    is_refusal,
)
from .targets import Targets

if TYPE_CHECKING:
    import logging

_FIRST_BACKOFF = 0.1  # seconds; doubled each time
_SLOW_READER_BACKOFF = 0.4
_LONGEST_BACKOFF = 2.0
_TIMEOUT_ATTEMPTS = 2
# How often one connection waits for the account's throttle before it counts as failed.
_THROTTLED_TIMES = 10
# Posts in flight: so many at first, more with each one that arrives, fewer with each 429. Sixteen processes that begin
# at one moment would else have thousands under way before the first of them hears that the account's burst is used.
_FIRST_WINDOW = 32
_WINDOW_GROWTH = 0.25
_LEAST_WINDOW = 4
_REFUSALS_IN_A_ROW = 20
# Requests granted at a time: the pace is shared by all threads, and asking it for each message would cost a lock.
_GRANT = 32

OnOutcome = Callable[[str, Failure | None], None]


class HasStatus(Protocol):
    """An answer, as far as the decisions look at it."""

    @property
    def status(self) -> int:
        """The three-digit code."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-cased name."""

    @property
    def body(self) -> bytes:
        """Without framing."""


class _Tries:
    """What happened so far to a connection that did not answer well the first time."""

    __slots__ = ("attempts", "kept", "refusals", "throttled", "timeouts")

    def __init__(self) -> None:
        self.attempts = self.kept = self.throttled = self.timeouts = self.refusals = 0


class FanOut:
    """The state of one broadcast. Every target ends in exactly one of sent, stale and failed. Not thread-safe.

    Args:
        pages: connection ids, read page by page as they are needed; a page of None is one that is not there yet.
        url: of the endpoint, for error texts.
        deadline: when to give up, on the clock that `now` is read from.
        patience: seconds after somebody was reached to which that moves the deadline; 0 if it stays where it is.
        attempts: posts to one connection at most.
        concurrency: posts in flight at most.
        random: returns 0 to 1.
        renew: is asked after the first refusal that may be about the signature: whether signing again may help, because
            credentials or clock were corrected. Gets the answer's headers.
        on_outcome: gets each target with its outcome as soon as that is known: None for sent, else how it failed, with
            status 410 for one that is gone. Not those of a broadcast that was refused as a whole.
        log: gets a DEBUG line for each retry, pause and deadline; None where nobody listens.
    """

    def __init__(
        self,
        pages: Iterable[Sequence[str] | None],
        *,
        url: str,
        pace: Pace,
        deadline: float,
        patience: float = 0.0,
        attempts: int = DEFAULT_ATTEMPTS,
        concurrency: int = DEFAULT_CONCURRENCY,
        random: Callable[[], float],
        renew: Callable[[Mapping[str, str]], bool] = lambda headers: False,
        on_outcome: OnOutcome | None = None,
        log: "logging.Logger | None" = None,
    ) -> None:
        self.attempts = attempts
        self.deadline = deadline
        self._patience = patience
        self.stale: list[str] = []  # those that the driver has not taken away yet
        self.failures: list[Failure] = []
        self._targets = Targets(pages)
        self._tries: dict[str, _Tries] = {}
        self._url = url
        self._pace = pace
        self._concurrency = concurrency
        self._window: float = min(concurrency, _FIRST_WINDOW)
        self._random = random
        self._renew = renew
        self._on_outcome = on_outcome
        self._log = log
        self._suspects: list[Failure] = []

    # Where each begins; as attributes of the class, because most broadcasts are over before these change.
    in_flight = 0
    sent = 0
    is_stopped = False  # whether nobody is posted to any more
    refused: str | None = None  # why nobody can be reached: the text of a RefusedError
    _stale_count = 0
    _granted = 0
    _renewed: bool | None = None
    _answers = 0  # other than 2xx
    _throttles: ThrottleWatch | None = None
    _suspicion: str | None = None
    _refusals_in_a_row = 0
    _is_troubled = False  # whether a success would clear a suspicion

    # Whom next

    def take(self, now: float) -> str | None:
        """Return whom to post to now; None if nobody can be at the moment, and `wake_at` tells when to ask again."""
        if self.in_flight >= self._window or self._suspicion is not None or now >= self.deadline or self.is_stopped:
            return None
        if not self._granted and not self._ask_for_grant(now):
            return None
        connection_id = self._targets.take(now)
        if connection_id is not None:
            self._granted -= 1
            self.in_flight += 1
        return connection_id

    def read_ahead(self, count: int) -> bool:
        """Read one more page if fewer than `count` targets are known, so that the driver sees how much is to do.

        Return whether there may be more to read ahead.
        """
        return self._targets.read_ahead(count)

    def waiting(self, now: float) -> int:
        """Return how many targets could be posted to now, as far as they have been read."""
        return self._targets.waiting(now) if self._suspicion is None else 0

    def wake_at(self, now: float) -> float:
        """Return the time at which to ask `take`, or `is_done`, again if no answer and no page arrives before."""
        due = self._targets.next_at(now)
        if self.is_done:
            return now
        if self.in_flight >= self._window or self._suspicion is not None:
            return self.deadline
        if not self._granted:
            due = max(due, self._pace.next_grant(now))
        # Past the deadline all that is left is a page that is not there yet.
        return min(due, self.deadline) if now < self.deadline else due

    @property
    def is_done(self) -> bool:
        """Whether every target has its outcome, or the broadcast is refused and nothing is in flight any more."""
        return not self.in_flight and (self.refused is not None or self._targets.is_empty)

    @property
    def is_all_in_flight(self) -> bool:
        """Whether everybody who has no outcome yet was posted to and has not answered."""
        return self._targets.is_empty

    # What became of it

    def answered(self, connection_id: str, answer: HasStatus, now: float) -> None:
        """Record the answer to a post."""
        status = answer.status
        if 200 <= status < 300:
            self.sent += 1
            self.in_flight -= 1
            if self._window < self._concurrency:
                self._window += _WINDOW_GROWTH
            if self._patience:
                self.deadline = now + self._patience
            if self._is_troubled:
                self._somebody_was_reached()
            if self._on_outcome is not None:
                self._on_outcome(connection_id, None)
            return
        self._answers += 1
        if status == 410 or (status == 400 and is_about_the_id(answer.headers, answer.body)):
            self.in_flight -= 1
            self.stale.append(connection_id)
            self._stale_count += 1
            if self._patience:
                self.deadline = now + self._patience
            self._somebody_was_reached()
            if self._on_outcome is not None:
                self._on_outcome(connection_id, Failure(connection_id, "gone", 410))
        elif is_refusal(status):
            self._refused(connection_id, answer)
        elif status == 429:
            self._throttled(connection_id, now)
        elif status >= 500 or status == 408:
            self._again(connection_id, f"HTTP {status}", status, now, _FIRST_BACKOFF)
        else:
            error = describe_error(answer.headers, answer.body)
            self._fail(connection_id, f"HTTP {status}: {error}" if error else f"HTTP {status}", status)

    def lost(self, connection_id: str, reason: str, now: float, *, timed_out: bool = False) -> None:
        """Record that no answer came; the message may have been delivered or not. It is tried again."""
        if timed_out:
            tries = self._tries.setdefault(connection_id, _Tries())
            tries.timeouts += 1
            if tries.timeouts >= _TIMEOUT_ATTEMPTS:
                self._fail(connection_id, f"{reason} ({tries.attempts + 1} attempts)", None)
                return
        self._again(connection_id, reason, None, now, _FIRST_BACKOFF)

    def lost_on_kept(self, connection_id: str, reason: str, now: float) -> None:
        """Record that a kept-alive connection was closed without a byte of an answer.

        Nearly always the far side had closed it before the post arrived, so that it goes again at once and uncounted;
        if the same happens once more it counts. Should the server have read the post and then closed, the message is
        delivered twice: the price of not losing it.
        """
        tries = self._tries.setdefault(connection_id, _Tries())
        tries.kept += 1
        if tries.kept > 1:
            self._again(connection_id, reason, None, now, _FIRST_BACKOFF)
        else:
            self._put_back(connection_id)

    def cannot_connect(self, reason: str) -> None:
        """Record that no connection can be opened, after as many tries as make sense.

        If nobody was reached, not even by what is still in flight, that ends the broadcast. Otherwise it is retried,
        for as long as the deadline allows.
        """
        if not self._reached:
            self._is_troubled = True
            self._suspicion = explain_unreachable(self._url, reason)
            self._judge_suspects()

    def stop(self) -> None:
        """Post to nobody any more, because the caller wants it; `give_up` follows when answers that came are read."""
        self.is_stopped = True

    def give_up(self, now: float, in_flight: Iterable[str]) -> None:
        """End because the deadline has come or else because the caller wants it."""
        if now >= self.deadline:
            throttled = "; the account's requests are throttled (HTTP 429)" if self._pace.is_reduced else ""
            self.end(f"not answered by the broadcast's deadline{throttled}", in_flight)
        else:
            self.end("the broadcast was stopped", in_flight, drain=False)

    def end(self, reason: str, in_flight: Iterable[str] = (), *, drain: bool = True) -> None:
        """Count everybody who has no outcome yet as failed, those in flight too.

        Args:
            in_flight: those whose posts the driver has abandoned.
            drain: read the remaining pages too, so that everybody is counted.
        """
        if self._log is not None:
            self._log.debug("%s ends with %d sent: %s", self._url, self.sent, reason)
        for connection_id in in_flight:
            self._fail(connection_id, reason, None)
        self._judge_suspects()
        if self.refused is not None:
            return
        for connection_id in self._targets.drain(unread=drain):
            self._count_failed(connection_id, reason, None)

    def take_stale(self) -> list[str]:
        """Return the connections that were found to be gone since this was called last."""
        stale, self.stale = self.stale, []
        return stale

    def result(self) -> BroadcastResult:
        """Return the outcome; what was granted and not used goes back to the pace.

        Raises:
            RefusedError: nobody was reached, and nobody could be.
            Exception: what the pages raised, after those that had been read were served.
        """
        self._return_grant()
        if self.refused is not None:
            raise RefusedError(self.refused)
        if self._targets.error is not None:
            raise self._targets.error
        return BroadcastResult(self.sent, len(self.failures), self._stale_count, failures=self.failures)

    # Why

    @property
    def _reached(self) -> bool:
        """Whether API Gateway has acted on a post of this broadcast, so that address and access must be right."""
        return bool(self.sent or self._stale_count)

    def _ask_for_grant(self, now: float) -> bool:
        """Ask the pace for as many requests as there are targets, within reason; return whether it gave any."""
        self._targets.read()
        wanted = self._targets.waiting(now)
        self._granted = self._pace.grant(min(_GRANT, wanted), now) if wanted else 0
        return bool(self._granted)

    def _return_grant(self) -> None:
        if self._granted:
            self._pace.give_back(self._granted)
            self._granted = 0

    def _again(self, connection_id: str, reason: str, status: int | None, now: float, backoff: float) -> None:
        """Try this connection again after a while, unless it has had its attempts."""
        tries = self._tries.setdefault(connection_id, _Tries())
        tries.attempts += 1
        if tries.attempts >= self.attempts:
            times = f" ({tries.attempts} attempts)" if tries.attempts > 1 else ""
            self._fail(connection_id, reason + times, status)
            return
        # Between half and the whole of it, so that those that failed together do not come back together.
        wait = min(backoff * 2 ** (tries.attempts - 1), _LONGEST_BACKOFF) * (0.5 + self._random() / 2)
        if self._log is not None:
            self._log.debug("post to %s: %s; attempt %d in %.2f s", connection_id, reason, tries.attempts + 1, wait)
        self._retry_at(now + wait, connection_id)

    def _retry_at(self, when: float, connection_id: str) -> None:
        self.in_flight -= 1
        self._targets.postpone(connection_id, when)
        self._judge_suspects()

    def _throttled(self, connection_id: str, now: float) -> None:
        """Tell a slow reader from a throttled account by who else was throttled lately."""
        if self._throttles is None:
            self._throttles = ThrottleWatch()
        self._window = max(min(_LEAST_WINDOW, self._concurrency), self._window - 1)
        number = self.sent + self._answers
        if self._throttles.is_everybody(connection_id, number):
            self._return_grant()
            self._pace.throttled(now, self._random())
            if self._log is not None:
                self._log.debug("the account is throttled: no posts for %.2f s", self._pace.paused_until - now)
            wait = self._pace.paused_until - now
        else:
            if self._throttles.is_some(number, is_near=self._pace.is_reduced):
                self._pace.ease(now)
            if not self._pace.is_reduced:
                reason = "throttled, or its client reads too slowly (HTTP 429)"
                self._again(connection_id, reason, 429, now, _SLOW_READER_BACKOFF)
                return
            wait = _SLOW_READER_BACKOFF * (0.5 + self._random() / 2)
        tries = self._tries.setdefault(connection_id, _Tries())
        tries.throttled += 1
        if tries.throttled >= _THROTTLED_TIMES:
            self._fail(connection_id, f"the account's requests are throttled (HTTP 429, {tries.throttled} times)", 429)
            return
        self._retry_at(now + wait, connection_id)

    def _put_back(self, connection_id: str) -> None:
        """Let it go first, uncounted."""
        self.in_flight -= 1
        self._granted += 1
        self._targets.put_first(connection_id)
        self._judge_suspects()

    def _refused(self, connection_id: str, answer: HasStatus) -> None:
        status, error = answer.status, describe_error(answer.headers, answer.body)
        if self._renewed is None and is_about_the_signature(error):
            self._renewed = self._renew(answer.headers)
        if self._renewed:
            tries = self._tries.setdefault(connection_id, _Tries())
            tries.refusals += 1
            if tries.refusals == 1:
                self._put_back(connection_id)
                return
        self.in_flight -= 1
        self._refusals_in_a_row += 1
        self._is_troubled = True
        text = explain_refusal(status, error, self._url)
        reason = f"HTTP {status}: {error}" if error else f"HTTP {status}"
        if self._reached:
            self._count_failed(connection_id, reason, status)
            if self._refusals_in_a_row >= _REFUSALS_IN_A_ROW:
                self.end(text)
        else:
            # Hold everything back until those in flight have told whether it is the same for everybody.
            self._suspicion = self._suspicion or text
            self._suspects.append(Failure(connection_id, reason, status))
            self._judge_suspects()

    def _somebody_was_reached(self) -> None:
        self._refusals_in_a_row = 0
        self._is_troubled = False
        self._judge_suspects()

    def _judge_suspects(self) -> None:
        """Look whether it is known by now if what went wrong before anybody was reached is the same for everybody."""
        if self._suspicion is None:
            return
        if self._reached:
            self._suspicion = None
            for suspect in self._suspects:
                self._count_failed(*suspect)
            self._suspects.clear()
        elif not self.in_flight:
            self._refuse(self._suspicion)

    def _refuse(self, text: str) -> None:
        if self.refused is None:
            self.refused = text
        self._targets.clear()

    def _fail(self, connection_id: str, reason: str, status: int | None) -> None:
        self.in_flight -= 1
        self._count_failed(connection_id, reason, status)
        self._judge_suspects()

    def _count_failed(self, connection_id: str, reason: str, status: int | None) -> None:
        failure = Failure(connection_id, reason, status)
        self.failures.append(failure)
        if self._on_outcome is not None:
            self._on_outcome(connection_id, failure)
