"""One broadcast, or one single request, on its way through the engine's loop."""

from collections.abc import Callable, Iterable, Sequence

from ...http1 import Answer
from ...log import DEBUG, listening
from ..fan_out import FanOut, OnOutcome
from ..pace import Pace
from ..sender import Settings
from .signatures import TaskSigner

_STALE_BATCH = 1_000


class Task:
    """What the loop needs to know of a broadcast: what to send, to whom next, and when to stop.

    Args:
        signer: signs its requests; it is asked again when a refusal may be about the signature.
        pages: connection ids; a page of None is one that is not there yet.
        url: of the endpoint, for error texts.
        deadline: when to give up, on the loop's clock.
        patience: seconds after the last who was reached to which that moves; 0 if it stays.
        random: returns 0 to 1.
        on_stale: gets the connections that are gone, in batches.
        on_outcome: gets each target with its outcome; see `FanOut`.
        stop: asked several times a second whether to give up.

    Attributes:
        last: the last answer, for a single request.
        is_over: whether every target has its outcome.
        has_had_links: whether a link has been opened meanwhile.
        error: what ended it before its time.
    """

    __slots__ = (
        "_on_stale",
        "_stop",
        "body",
        "error",
        "fan_out",
        "has_had_links",
        "is_over",
        "last",
        "method",
        "signer",
    )

    def __init__(
        self,
        method: str,
        pages: Iterable[Sequence[str] | None],
        body: bytes,
        *,
        signer: TaskSigner,
        url: str,
        pace: Pace,
        settings: Settings,
        deadline: float,
        patience: float,
        random: Callable[[], float],
        on_stale: Callable[[list[str]], None],
        stop: Callable[[], bool] | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> None:
        # The fan-out knows the signer and not this task: a circle would leave one to the garbage collector each time.
        self.fan_out = FanOut(
            pages,
            url=url,
            pace=pace,
            deadline=deadline,
            patience=patience,
            attempts=settings.attempts,
            concurrency=settings.concurrency,
            random=random,
            renew=signer.renew,
            on_outcome=on_outcome,
            log=listening(DEBUG),
        )
        self.signer = signer
        self.method = method
        self.body = body
        self.last: Answer | None = None
        self.is_over = False
        self.has_had_links = False
        self.error: Exception | None = None
        self._on_stale = on_stale
        self._stop = stop

    def wants_to_stop(self) -> bool:
        """Ask the caller whether to give up."""
        return self._stop is not None and self._stop()

    def report_stale(self, *, all_of_them: bool = False) -> None:
        """Hand over the connections that are gone, if they are many or if it is the end."""
        count = len(self.fan_out.stale)
        if count >= _STALE_BATCH or (count and all_of_them):
            stale = self.fan_out.take_stale()
            for start in range(0, count, _STALE_BATCH):
                self._on_stale(stale[start : start + _STALE_BATCH])
