"""The sender that posts through boto3: for HTTP proxies, and as the reference that the engine is compared with.

It costs about 1.3 ms of CPU per message, sixty times the engine's; what it does about answers is the same, because the
same decisions drive it.
"""

import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import Any, NamedTuple

from ..aws.credentials import CredentialSource
from ..endpoint import Endpoint
from ..errors import ClosedError, ConfigurationError, UnavailableError
from ..forks import forbids_threads, importing, make_lock, remake_in_child
from ..log import DEBUG, listening
from ..results import BroadcastResult
from ..signing import Credentials
from .fan_out import FanOut, OnOutcome
from .pace import Pace
from .sender import Reply, Settings, to_reply

# More threads than this only contend for the interpreter: 32 reach what boto3 can do on one core.
MAX_THREADS = 32
_STALE_BATCH = 1_000
_LONGEST_WAIT = 0.1  # seconds between two looks at `stop` and the deadline

_OPERATIONS = {"POST": "post_to_connection", "GET": "get_connection", "DELETE": "delete_connection"}


class Boto3Sender:
    """Implements `sender.Sender` with threads, each with a kept-alive connection of boto3's.

    Every broadcast has its own threads, so that it does not wait for the slow clients of another.
    """

    def __init__(self, endpoint: Endpoint, settings: Settings, *, credentials: CredentialSource | None = None) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._threads = min(settings.concurrency, MAX_THREADS)
        self._credentials = credentials or CredentialSource()
        self._closed = False
        self._begin()
        remake_in_child(self._begin)

    def _begin(self) -> None:
        """Begin without a client: at first, and in a forked child, because boto3's must not be shared by processes."""
        self._lock = make_lock()
        self._pace = Pace(self._settings.rate)
        self._client: Any = None
        self._client_credentials: Credentials | None = None

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
        return self._drive("POST", pages, body, on_stale, stop, deadline, on_outcome)[0].result()

    def request(self, method: str, connection_id: str, body: bytes = b"") -> Reply:
        """See `Sender.request`."""
        return to_reply(*self._drive(method, [[connection_id]], body, lambda ids: None, None, None))

    def close(self) -> None:
        """See `Sender.close`."""
        with self._lock:
            self._closed = True
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _drive(
        self,
        method: str,
        pages: Iterable[Sequence[str]],
        body: bytes,
        on_stale: Callable[[list[str]], None],
        stop: Callable[[], bool] | None,
        deadline: float | None,
        on_outcome: OnOutcome | None = None,
    ) -> "tuple[FanOut, _Answer | None]":
        if self._closed:
            raise ClosedError("this broadcaster was closed; make a new one")
        settings = self._settings

        def renew(_: Mapping[str, str]) -> bool:
            """Look whether the keys have changed, in a file that was rewritten, say, and go on with those."""
            before = run.client
            with suppress(ConfigurationError):
                run.client = self._connected_client(anew=True)
            return run.client is not before

        fan_out = FanOut(
            pages,
            url=self._endpoint.url,
            pace=self._pace,
            deadline=inf,
            patience=settings.deadline if deadline is None else 0.0,
            attempts=settings.attempts,
            concurrency=self._threads,
            random=random.random,
            renew=renew,
            on_outcome=on_outcome,
            log=listening(DEBUG),
        )
        if fan_out.is_done:
            return fan_out, None  # nobody is connected: no credentials, no boto3
        run = _Run(self._connected_client(), fan_out, method, body, settings.timeout)
        # From now on: the first client takes a second to make, where a machine is busy or small.
        fan_out.deadline = time.monotonic() + (settings.deadline if deadline is None else deadline)
        run.drive(self._threads, on_stale, stop)
        return fan_out, run.last

    def _connected_client(self, *, anew: bool = False) -> Any:
        """Return a client with the credentials of now, the one that is there if they are the same.

        Args:
            anew: look everywhere for credentials again.
        """
        credentials = self._credentials.read(anew=anew)
        with self._lock:
            if self._closed:
                raise ClosedError("this broadcaster was closed; make a new one")
            if self._client is None or self._client_credentials != credentials:
                # The one before is not closed: posts of other threads may be under way with it.
                self._client = self._make_client(credentials)
                self._client_credentials = credentials
            return self._client

    def _make_client(self, credentials: Credentials) -> Any:
        try:
            with importing:
                import encodings.idna  # noqa: F401 - else the first look-up of a name does, in another thread

                import boto3
                from botocore.config import Config
                from botocore.exceptions import BotoCoreError
        except RuntimeError as error:  # its own threads cannot be set up any more
            raise ClosedError(f"nothing can be sent any more: {error}") from error
        except ImportError as error:
            raise ConfigurationError("the boto3 sender needs boto3; install it, or use sender='engine'") from error
        settings = self._settings
        config = Config(
            connect_timeout=settings.timeout,
            read_timeout=settings.timeout,
            retries={"total_max_attempts": 1},  # the decisions say what is tried again
            max_pool_connections=self._threads,
            tcp_keepalive=True,
        )
        try:
            # A session of our own: boto3's default one is not safe to make clients from in several threads.
            return boto3.session.Session().client(
                "apigatewaymanagementapi",
                endpoint_url=self._endpoint.url,
                region_name=self._endpoint.region,
                verify=None if settings.verify is True else settings.verify,
                config=config,
                aws_access_key_id=credentials.access_key,
                aws_secret_access_key=credentials.secret_key,
                aws_session_token=credentials.token,
            )
        except BotoCoreError as error:
            raise ConfigurationError(f"boto3 cannot be set up: {error}") from error
        except OSError as error:
            raise UnavailableError(f"boto3 cannot be set up on this machine: {error}") from error


class _Answer(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str]


class _Run:
    """One broadcast under way: threads that post, and the calling thread that does what the fan-out says."""

    def __init__(self, client: Any, fan_out: FanOut, method: str, body: bytes, timeout: float) -> None:
        self.last: _Answer | None = None
        self._fan_out = fan_out
        self.client = client  # of the posts that begin from now on
        self._operation = _OPERATIONS[method]
        self._arguments: dict[str, Any] = {"Data": body} if method == "POST" else {}
        self._outcomes: queue.SimpleQueue[tuple[str, _Answer | Exception]] = queue.SimpleQueue()
        self._in_flight: dict[str, int] = {}
        self._unconnected = 0
        self._timeout = timeout

    def drive(self, threads: int, on_stale: Callable[[list[str]], None], stop: Callable[[], bool] | None) -> None:
        """Post until the fan-out is done, stopped or past its deadline; abandoned posts end in their threads."""
        fan_out = self._fan_out
        posters = _Posters(0 if forbids_threads() else threads, self._post)
        try:
            while not fan_out.is_done:
                now = time.monotonic()
                if now >= fan_out.deadline:
                    # Answers before the clock: they may lie in the sockets if this process was stopped for a while.
                    while not fan_out.is_done and (left := now + _LONGEST_WAIT - time.monotonic()) > 0:
                        self._take_outcomes(left)
                    if fan_out.is_done:
                        break
                if now >= fan_out.deadline or (stop is not None and stop()):
                    fan_out.give_up(now, self._abandoned())
                    break
                while (connection_id := fan_out.take(now)) is not None:
                    self._in_flight[connection_id] = self._in_flight.get(connection_id, 0) + 1
                    if not posters.post(connection_id):
                        break  # it took its time, so look at the clock
                pause = min(max(0.0, fan_out.wake_at(now) - now), _LONGEST_WAIT)
                self._take_outcomes(pause)
                if len(fan_out.stale) >= _STALE_BATCH:
                    on_stale(fan_out.take_stale())
        finally:
            posters.end()
        if fan_out.stale:
            on_stale(fan_out.take_stale())

    def _abandoned(self) -> list[str]:
        return [connection_id for connection_id, count in self._in_flight.items() for _ in range(count)]

    def _post(self, connection_id: str) -> None:
        """Call boto3 in a thread of the pool and hand the outcome to the driving thread."""
        from botocore.exceptions import ClientError

        outcome: _Answer | Exception
        try:
            answer = getattr(self.client, self._operation)(ConnectionId=connection_id, **self._arguments)
            metadata = answer.pop("ResponseMetadata")
            outcome = _Answer(metadata["HTTPStatusCode"], _to_json(answer), metadata["HTTPHeaders"])
        except ClientError as error:
            metadata, details = error.response["ResponseMetadata"], error.response["Error"]
            # botocore has consumed the body; what it kept of it goes where the body's own text was.
            body = _to_json({"message": details.get("Message", "")})
            headers = {"x-amzn-errortype": details.get("Code", ""), **metadata["HTTPHeaders"]}
            outcome = _Answer(metadata["HTTPStatusCode"], body, headers)
        except Exception as error:
            outcome = error
        self._outcomes.put((connection_id, outcome))

    def _take_outcomes(self, pause: float) -> None:
        """Wait for an outcome at most so long, then take all that are there."""
        try:
            connection_id, outcome = self._outcomes.get(timeout=pause) if pause else self._outcomes.get_nowait()
            while True:
                self._in_flight[connection_id] -= 1
                if not self._in_flight[connection_id]:
                    del self._in_flight[connection_id]
                self._take_outcome(connection_id, outcome, time.monotonic())
                connection_id, outcome = self._outcomes.get_nowait()
        except queue.Empty:
            pass

    def _take_outcome(self, connection_id: str, outcome: _Answer | Exception, now: float) -> None:
        from botocore import exceptions

        if isinstance(outcome, _Answer):
            self.last = outcome
            self._fan_out.answered(connection_id, outcome, now)
        elif isinstance(outcome, exceptions.ReadTimeoutError):
            self._fan_out.lost(connection_id, f"no answer within {self._timeout:g} s", now, timed_out=True)
        elif isinstance(outcome, exceptions.ConnectionError):  # no connection, no TLS or no proxy
            self._fan_out.lost(connection_id, f"no connection: {outcome}", now)
            self._unconnected += 1
            if self._unconnected >= self._fan_out.attempts:
                self._fan_out.cannot_connect(str(outcome))
        elif isinstance(outcome, exceptions.HTTPClientError | OSError):
            self._fan_out.lost(connection_id, f"the connection failed: {outcome}", now)
        elif isinstance(outcome, exceptions.BotoCoreError):
            raise ConfigurationError(f"boto3 cannot send: {outcome}") from outcome
        else:
            raise outcome


class _Posters:
    """The threads of one broadcast, started as they are needed. Where none can be started the calling thread posts.

    Not a `ThreadPoolExecutor`: that one takes no work once the interpreter is about to end, and where the machine has
    no thread left it keeps the work that it has refused.
    """

    def __init__(self, most: int, post: Callable[[str], None]) -> None:
        self._most = most
        self._post = post
        self._started = 0
        self._wanted = 0  # posts so far; a thread each, until there are enough
        self._ids: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def post(self, connection_id: str) -> bool:
        """Have one of the threads post to this connection; return False if there is none, and it was done here."""
        self._wanted += 1
        if self._started < min(self._most, self._wanted):
            with suppress(RuntimeError):  # no more threads on this machine, or none any more in this interpreter
                threading.Thread(target=self._work, name="broadcaster-boto3", daemon=True).start()
                self._started += 1
        if self._started:
            self._ids.put(connection_id)
        else:
            self._post(connection_id)
        return self._started > 0

    def end(self) -> None:
        """End the threads after what each is doing; what was abandoned is not waited for."""
        with suppress(queue.Empty):
            while True:
                self._ids.get_nowait()
        for _ in range(self._started):
            self._ids.put(None)

    def _work(self) -> None:
        while (connection_id := self._ids.get()) is not None:
            self._post(connection_id)


def _to_json(content: dict[str, Any]) -> bytes:
    """Return an answer's body again, from what boto3 parsed of it; empty where there was none."""
    import json

    if not content:
        return b""
    return json.dumps(_as_sent(content), default=lambda moment: moment.isoformat()).encode()


def _as_sent(content: Any) -> Any:
    """Return the members under their names on the wire, which boto3 writes with a capital letter."""
    if isinstance(content, dict):
        return {name[:1].lower() + name[1:]: _as_sent(value) for name, value in content.items()}
    return content
