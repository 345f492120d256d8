"""Publishing as its callers meet it: encodes, enqueues and returns, and starts the thread that does the rest."""

import os
import sys
import time
from _thread import TIMEOUT_MAX, allocate_lock, start_new_thread
from collections.abc import Callable, Iterator
from math import inf
from typing import TYPE_CHECKING

from ..errors import ClosedError
from ..forks import forbids_threads, notice_fork, remake_in_child
from ..log import logger
from ..results import PublisherStats
from ..sending.background.carriers import make_carrier
from ..sending.sender import Sender
from .backlog import Backlog
from .closing import close_at_end
from .courier import Courier
from .ledger import CLOSED, INVALID, Ledger
from .mailbox import Mailbox
from .removals import Removals
from .settings import MOST_BYTES, PublishingSettings

if TYPE_CHECKING:
    from ..history.choose import History

_START_PAUSE = 1.0  # seconds after which a thread that could not be started is tried again
_MOST_SITES = 1_000
_PACKAGE = __name__.partition(".")[0]


class Publisher:
    """Takes events from any thread, and sends them in one of its own. `publish` never waits for anything.

    What somebody waits for is a lock, held until then: in an `Event` of `threading`, an exception of a signal handler
    may leave its own lock taken, for which the thread would then wait for ever.

    After a fork the child begins with an empty queue; what the parent had waiting, the parent sends.

    Args:
        encode: returns the members of an event, from its channel, name, data and key; raises what is wrong with it.
        pages: yields who listens to a channel; may block.
        remove_stale: forgets connections that are gone; may block.
        history: numbers and keeps the messages of the channels that have one; may block.

    Attributes:
        is_closed: whether events are refused.
    """

    def __init__(
        self,
        *,
        encode: Callable[[str, str, object, str | None], bytes],
        sender: Sender,
        pages: Callable[[str], Iterator[list[str]]],
        remove_stale: Callable[[list[str]], None],
        history: "History | None",
        settings: PublishingSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._encode = encode
        self._sender = sender
        self._pages = pages
        self._remove_stale = remove_stale
        self._history = history
        self._settings = settings
        self._clock = clock
        # A process of Lambda is frozen between events: a thread that sends later would do so days later, or never.
        self._sends_at_once = "AWS_LAMBDA_FUNCTION_NAME" in os.environ
        self.is_closed = False
        self._begin()
        remake_in_child(self._begin)

    def _begin(self) -> None:
        """Begin with nothing waiting: at first, and in a forked child."""
        self._courier: Courier | None = None
        ledger = Ledger()
        backlog = Backlog(
            self._settings.window,
            ledger,
            most_events=self._settings.queue,
            most_bytes=MOST_BYTES,
            max_age=self._settings.max_age,
        )
        self._mailbox = Mailbox(backlog, ledger, self._clock)
        self._starting = allocate_lock()
        self._start_at = self._clock()
        self._sites: set[tuple[str, str, int]] = set()
        self._running = allocate_lock()  # held for as long as the thread is there

    def publish(self, channel: str, event: str, data: object, *, latest: str | None = None) -> None:
        """See `Broadcaster.publish`."""
        notice_fork()
        try:
            if self.is_closed:
                raise ClosedError("this broadcaster was closed; make a new one")
            body = self._encode(channel, event, data, latest)
        except Exception as error:  # a user's own classes may raise anything while they are encoded
            if self._settings.strict:
                raise
            self.refuse(error)
            return
        self.put(channel, body, latest)
        if self._sends_at_once:
            self.flush(self._settings.timeout)

    def put(self, channel: str, body: bytes, latest: str | None) -> None:
        """Let an event be sent that was encoded."""
        self._mailbox.put(channel, body, latest)
        if self._courier is None:
            self._start()

    def flush(self, timeout: float) -> bool:
        """See `Broadcaster.flush`."""
        out = allocate_lock()
        out.acquire()
        self.when_out(out.release)
        return out.acquire(timeout=_at_most(timeout))

    def when_out(self, call: Callable[[], None]) -> None:
        """Send what waits now, and call `call`, in some thread, when all of it has ended."""
        notice_fork()
        self._mailbox.when_out(call)
        if self._courier is None and self._mailbox.ledger.queued:
            self._start()

    def stats(self) -> PublisherStats:
        """See `Broadcaster.publisher_stats`."""
        notice_fork()
        return self._mailbox.stats()

    def close(self, timeout: float) -> None:
        """Send what waits, for at most so many seconds; what is left then is dropped, with one line to the log."""
        notice_fork()
        if self.is_closed:
            return
        end = self._clock() + timeout
        self.flush(timeout)
        self.is_closed = True
        left = self._mailbox.ledger.queued
        courier = self._courier
        if courier is None:
            self._mailbox.close()
        else:
            courier.stop()
            if self._running.acquire(timeout=_at_most(end - self._clock())):
                self._running.release()
        if left:
            logger().warning("%d published events were not sent within %.1f seconds, and are dropped", left, timeout)

    # The thread

    def _start(self) -> None:
        """Start the thread, if nobody else is doing so; where there may be none, do its work before this returns."""
        if self.is_closed:
            self._mailbox.close()  # the thread may have ended since the caller looked
            return
        if self._clock() < self._start_at or self._starting.locked():
            return
        sends_here = forbids_threads()
        with self._starting:
            if self._courier is not None:
                return
            carrier = make_carrier(self._sender, Removals())
            if sends_here:
                carrier.close()  # so that it starts no thread
            courier = Courier(
                self._mailbox,
                pages=self._pages,
                remove_stale=self._remove_stale,
                history=self._history,
                carrier=carrier,
                window=self._settings.window,
                most_events=self._settings.queue,
                max_age=self._settings.max_age,
                clock=self._clock,
            )
            self._running.acquire(False)
            close_at_end(self)
            # Nothing is called between this and the thread: a signal handler that raises would leave it without one.
            self._courier = courier
            if not sends_here:
                try:
                    start_new_thread(self._run, (courier,))
                except RuntimeError as error:
                    self._courier = None
                    self._running.release()
                    self._start_at = self._clock() + _START_PAUSE
                    logger().warning("Events wait, because no thread could be started: %s. It is tried again", error)
                return
        self._mailbox.when_out(lambda: None)  # nothing waits for a window
        self._run(courier, self._clock() + self._settings.timeout)

    def _run(self, courier: Courier, until: float = inf) -> None:
        try:
            courier.run(until)
        except Exception:
            logger().exception("The thread that sends what was published has failed; the next event starts another")
        finally:
            courier.close()
            self._running.release()
            self._courier = None
        with self._mailbox.open():
            is_late = self._mailbox.ledger.queued
        if is_late:  # something was published while this thread was ending
            self._start()

    # What was wrong

    def refuse(self, error: Exception) -> None:
        """Count what is no event, and log it once for each kind of mistake and place that makes it."""
        self._mailbox.refuse(CLOSED if isinstance(error, ClosedError) else INVALID)
        file, line = _call_site()
        site = type(error).__name__, file, line
        if site not in self._sites and len(self._sites) < _MOST_SITES:
            self._sites.add(site)
            logger().error("An event published in %s, line %d, is dropped, and all like it: %s", file, line, error)


def _at_most(timeout: float) -> float:
    """Return what a lock takes as its timeout."""
    return min(max(0.0, timeout), TIMEOUT_MAX)


def _call_site() -> tuple[str, int]:
    """Return where in the application this package was called."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno
