"""The fast sender: the standard library's sockets, selectors and TLS, in the calling thread.

Each broadcast runs in a loop of its own (`reactor.Reactor`), with kept-alive links to the service. A loop that has done
its work is kept for the next broadcast, links and all, so that threads that broadcast at the same time share no
sockets and never wait for each other; what they share is the pace, because AWS counts requests per account.

What holds: what one caller sends in turn arrives in turn, because a broadcast returns when every target has its
outcome. Between callers that send at the same time there is no order. A message is sent twice only if the answer to the
first post was lost; `id` in the envelope lets clients drop the second.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence

from ...aws.credentials import CredentialSource
from ...cheap_typing import TYPE_CHECKING
from ...endpoint import Endpoint
from ...errors import ClosedError, UnavailableError
from ...forks import importing, make_lock, remake_in_child
from ...results import BroadcastResult
from ..fan_out import OnOutcome
from ..pace import Pace
from ..sender import Reply, Settings, to_reply
from .addresses import Addresses
from .kept import KeptReactors
from .links import describe
from .reactor import Reactor
from .signatures import Signatures, TaskSigner
from .task import Task

if TYPE_CHECKING:
    import ssl


def _forget(connection_ids: list[str]) -> None:
    """Do nothing about connections that are gone: whoever asked about one alone sees it in the answer."""


class Engine:
    """Implements `sender.Sender`. Thread-safe; in a forked child it begins with connections of its own.

    Args:
        wall_clock: the time of day, for signatures.
        monotonic: for everything else.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: Settings,
        *,
        credentials: CredentialSource | None = None,
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._url = endpoint.url
        self._settings = settings
        self._credentials = credentials or CredentialSource()
        self._signatures = Signatures(endpoint, self._credentials, wall_clock)
        self._monotonic = monotonic
        self._context: ssl.SSLContext | None = None
        self._closed = False
        self._begin()
        remake_in_child(self._begin)

    def _begin(self) -> None:
        """Begin without any connection: at first, and in a forked child."""
        self._lock = make_lock()
        self._kept = KeptReactors(self._monotonic)
        self._pace = Pace(self._settings.rate)
        self._addresses = Addresses(self._endpoint.host, self._endpoint.port)

    def broadcast(
        self,
        pages: Iterable[Sequence[str]],
        body: bytes,
        *,
        on_stale: Callable[[list[str]], None],
        stop: Callable[[], bool] | None = None,
        deadline: float | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> BroadcastResult:
        """See `Sender.broadcast`."""
        task = self.task("POST", pages, body, on_stale=on_stale, stop=stop, deadline=deadline, on_outcome=on_outcome)
        self._run(task)
        return task.fan_out.result()

    def request(self, method: str, connection_id: str, body: bytes = b"") -> Reply:
        """See `Sender.request`."""
        task = self.task(method, [[connection_id]], body)
        self._run(task)
        return to_reply(task.fan_out, task.last)

    def close(self) -> None:
        """See `Sender.close`."""
        self._closed = True
        self._kept.close()

    def prepare(self) -> None:
        """Do beforehand what would hold up a loop that carries several broadcasts: find credentials, set up TLS.

        Raises:
            ConfigurationError: there are no credentials.
        """
        self._credentials.read()
        self._tls_context()

    def task(
        self,
        method: str,
        pages: Iterable[Sequence[str] | None],
        body: bytes,
        *,
        on_stale: Callable[[list[str]], None] = _forget,
        stop: Callable[[], bool] | None = None,
        deadline: float | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> Task:
        """Return a task for a reactor of this engine; nothing is sent or read yet.

        Args:
            pages: a page of None is one that is not there yet; call the reactor's `wake` when it is.
        """
        settings = self._settings
        return Task(
            method,
            pages,
            body,
            signer=TaskSigner(self._signatures, method, body),
            url=self._url,
            pace=self._pace,
            settings=settings,
            deadline=self._monotonic() + (settings.deadline if deadline is None else deadline),
            patience=settings.deadline if deadline is None else 0.0,
            random=_random,
            on_stale=on_stale,
            stop=stop,
            on_outcome=on_outcome,
        )

    def reactor(self) -> Reactor:
        """Return a new loop for tasks of this engine; who asks for it closes it.

        Raises:
            UnavailableError: this process has no file descriptor left, say.
        """
        settings = self._settings
        context = self._tls_context()
        try:
            return Reactor(
                self._addresses,
                self._endpoint.host,
                context,
                timeout=settings.timeout,
                concurrency=settings.concurrency,
                attempts=settings.attempts,
                monotonic=self._monotonic,
            )
        except OSError as error:
            raise UnavailableError(f"no connection can be opened from this machine: {describe(error)}") from error

    def lend(self, posts: int) -> Reactor | None:
        """Return a loop that has links for so many posts, so that nothing is waited for; None if none is kept.

        Who has it gives it back (`take_back`), or closes it.
        """
        reactor = self._kept.take()
        if reactor is None:
            return None
        reactor.freshen()
        if reactor.has_links_for(posts):
            return reactor
        self._kept.put(reactor)
        return None

    def take_back(self, reactor: Reactor) -> None:
        """Keep a loop that was lent, for the next broadcast of any thread."""
        self._kept.put(reactor)

    @property
    def has_credentials(self) -> bool:
        """Whether the credentials can be read without waiting."""
        return self._credentials.are_at_hand

    def _run(self, task: Task) -> None:
        if self._closed:
            raise ClosedError("this broadcaster was closed; make a new one")
        if task.fan_out.is_done:
            return  # nobody is connected, which is the usual case: no credentials, no sockets
        reactor = self._borrow()
        try:
            reactor.run(task)
        except BaseException:
            # Ctrl-C, say, at any point: nobody knows what its sockets were about to do.
            reactor.close()
            raise
        self._kept.put(reactor)
        if task.error is not None:
            raise task.error

    def _borrow(self) -> Reactor:
        """Return a loop that is kept, or a new one."""
        reactor = self._kept.take()
        if reactor is None:
            return self.reactor()
        try:
            reactor.freshen()
        except BaseException:
            reactor.close()
            raise
        return reactor

    def _tls_context(self) -> "ssl.SSLContext | None":
        if self._endpoint.scheme != "https":
            return None
        with self._lock:
            if self._context is None:
                with importing:
                    from ...tls import make_context

                self._context = make_context(self._settings.verify)
            return self._context


def _random() -> float:
    """Return 0 to 1 by chance; the module `random` costs more to import than the few that are ever needed."""
    return int.from_bytes(os.urandom(4)) / 2**32
