"""The sender that posts through boto3: for HTTP proxies, and as the reference that the engine is compared with.

It costs about 1.3 ms of CPU per message, sixty times the engine's; what it does about answers is the same, because the
same decisions drive it.
"""

import os
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from ..endpoint import Endpoint
from ..errors import ClosedError, ConfigurationError
from ..results import BroadcastResult
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

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._threads = min(settings.concurrency, MAX_THREADS)
        self._pace = Pace(settings.rate)
        self._lock = threading.Lock()
        self._client: Any = None
        self._process = os.getpid()
        self._closed = False

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
        fan_out = self._fan_out(pages, deadline, on_outcome)
        run = _Run(self._connected_client(), fan_out, "POST", body, self._settings.timeout)
        run.drive(self._threads, on_stale, stop)
        return fan_out.result()

    def request(self, method: str, connection_id: str, body: bytes = b"") -> Reply:
        """See `Sender.request`."""
        fan_out = self._fan_out([[connection_id]])
        run = _Run(self._connected_client(), fan_out, method, body, self._settings.timeout)
        run.drive(1, lambda ids: None, None)
        return to_reply(fan_out, run.last)

    def close(self) -> None:
        """See `Sender.close`."""
        with self._lock:
            self._closed = True
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _fan_out(
        self, pages: Iterable[Sequence[str]], deadline: float | None = None, on_outcome: OnOutcome | None = None
    ) -> FanOut:
        settings = self._settings
        return FanOut(
            pages,
            url=self._endpoint.url,
            pace=self._pace,
            deadline=time.monotonic() + (settings.deadline if deadline is None else deadline),
            attempts=settings.attempts,
            concurrency=self._threads,
            random=random.random,
            on_outcome=on_outcome,
        )

    def _connected_client(self) -> Any:
        """Return the client, a new one after a fork: boto3's must not be shared between processes."""
        with self._lock:
            if self._closed:
                raise ClosedError("this broadcaster was closed; make a new one")
            if self._client is None or self._process != os.getpid():
                self._client = self._make_client()
                self._process = os.getpid()
            return self._client

    def _make_client(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
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
            )
        except BotoCoreError as error:
            raise ConfigurationError(f"boto3 cannot be set up: {error}") from error


class _Answer(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str]


class _Run:
    """One broadcast under way: threads that post, and the calling thread that does what the fan-out says."""

    def __init__(self, client: Any, fan_out: FanOut, method: str, body: bytes, timeout: float) -> None:
        self.last: _Answer | None = None
        self._fan_out = fan_out
        self._operation = getattr(client, _OPERATIONS[method])
        self._arguments: dict[str, Any] = {"Data": body} if method == "POST" else {}
        self._outcomes: queue.SimpleQueue[tuple[str, _Answer | Exception]] = queue.SimpleQueue()
        self._in_flight: dict[str, int] = {}
        self._unconnected = 0
        self._timeout = timeout

    def drive(self, threads: int, on_stale: Callable[[list[str]], None], stop: Callable[[], bool] | None) -> None:
        """Post until the fan-out is done, stopped or past its deadline; abandoned posts end in their threads."""
        fan_out = self._fan_out
        pool = ThreadPoolExecutor(threads, thread_name_prefix="broadcaster")
        try:
            while not fan_out.is_done:
                now = time.monotonic()
                if now >= fan_out.deadline or (stop is not None and stop()):
                    fan_out.give_up(now, self._abandoned())
                    break
                while (connection_id := fan_out.take(now)) is not None:
                    self._in_flight[connection_id] = self._in_flight.get(connection_id, 0) + 1
                    pool.submit(self._post, connection_id)
                pause = min(max(0.0, fan_out.wake_at(now) - now), _LONGEST_WAIT)
                self._take_outcomes(pause)
                if len(fan_out.stale) >= _STALE_BATCH:
                    on_stale(fan_out.take_stale())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        if fan_out.stale:
            on_stale(fan_out.take_stale())

    def _abandoned(self) -> list[str]:
        return [connection_id for connection_id, count in self._in_flight.items() for _ in range(count)]

    def _post(self, connection_id: str) -> None:
        """Call boto3 in a thread of the pool and hand the outcome to the driving thread."""
        from botocore.exceptions import ClientError

        outcome: _Answer | Exception
        try:
            answer = self._operation(ConnectionId=connection_id, **self._arguments)
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
