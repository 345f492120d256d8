"""What the two faces share: the endpoint, the registry, the sender, and what is checked before they are used."""

import time
from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping

from .channels import MAX_CHANNELS, check_channel
from .cheap_typing import TYPE_CHECKING, Any
from .connections import check_connection_id
from .errors import BroadcasterError, ClosedError, ConfigurationError, InvalidArgumentError
from .forks import importing, notice_fork, remake_in_child
from .history import Position
from .history.positions import numbered
from .listeners import Listeners, connections_in
from .log import DEBUG, INFO, WARNING, listening, logger
from .messages import POSITION_BYTES, MessageEncoder, check_size, id_of
from .registries import Registry
from .results import BroadcastResult, PublisherStats

if TYPE_CHECKING:
    from typing import ParamSpec, TypeVar

    from .history.choose import History
    from .publishing.publisher import Publisher

    P = ParamSpec("P")
    R = TypeVar("R")

# Whoever waits for a broadcast also waits for this.
_REMOVAL_SECONDS = 1.0
_REMOVED_AT_ONCE = 100  # connection ids

# In which `close` still sends what was published.
CLOSE_SECONDS = 2.0

_ENVELOPE = len('{"channel":"",}')
_SURELY_SMALL = 100_000  # bytes

ADMIN_CHANNEL = "admin"
ADMIN_EVENT = "admin_event"


def takes_the_arguments_of(made: "Callable[P, object]") -> "Callable[[Callable[..., R]], Callable[P, R]]":
    """Let a function that hands on its arguments show whose they are, to type checkers, editors and `inspect`."""

    def mark(function: "Callable[..., R]") -> "Callable[P, R]":
        function.__wrapped__ = made  # type: ignore[attr-defined]
        return function

    return mark


class Face:
    """The settings and what they make; each of the methods may block, and is safe to call from any thread."""

    _publishing_early_in: int  # the thread that does so

    def __init__(
        self,
        api_id: str | None = None,
        *,
        region: str | None = None,
        stage: str | None = None,
        endpoint_url: str | None = None,
        registry: Registry | str | None = None,
        secret: str | None = None,
        sender: str | None = None,
        concurrency: int | None = None,
        timeout: float | None = None,
        attempts: int | None = None,
        deadline: float | None = None,
        rate: float | None = None,
        verify: bool | str = True,
        max_channels: int | None = None,
        window: float | Mapping[str, float] | None = None,
        queue: int | None = None,
        max_age: float | None = None,
        strict: bool = False,
        encoder: "Callable[[Any], Any] | None" = None,
        history: Mapping[str, int] | None = None,
        history_ttl: float = 3_600,
    ) -> None:
        # Here and not above: `import broadcaster` is to cost little also where nothing is ever sent.
        from .endpoint import resolve_endpoint, scope_of
        from .publishing.settings import check_publishing
        from .registries.choose import make_registry
        from .sending.choose import make_sender
        from .subscription_secret import SubscriptionSecret

        endpoint = resolve_endpoint(api_id, region=region, stage=stage, endpoint_url=endpoint_url)
        self._sender = make_sender(
            endpoint,
            kind=sender,
            concurrency=concurrency,
            timeout=timeout,
            attempts=attempts,
            deadline=deadline,
            rate=rate,
            verify=verify,
        )
        self._registry, self._owns_registry = make_registry(
            registry,
            scope=scope_of(endpoint),
            max_channels=MAX_CHANNELS if max_channels is None else max_channels,
        )
        self._secret = SubscriptionSecret(secret)
        if encoder is not None and not callable(encoder):
            raise ConfigurationError(f"encoder {encoder!r:.80} is no function; give one as the `default` of json.dumps")
        self._messages = MessageEncoder(encoder)
        self._history = _make_history(history, history_ttl, self._registry)
        self._publishing = check_publishing(window=window, queue=queue, max_age=max_age, strict=strict, timeout=timeout)
        self._publisher: Publisher | None = None
        self._begin_publishing()
        remake_in_child(self._begin_publishing)
        self._is_closed = False
        self._set_up()

    def _set_up(self) -> None:
        """Make what only one of the faces needs."""

    def _register(self, connection_id: str, channels: Collection[str] | None) -> None:
        check_connection_id(connection_id)
        if channels is not None:
            channels = _check_channels(channels)
        self._registry.add(connection_id, channels)

    def _unregister(self, connection_id: str) -> None:
        self._registry.remove([check_connection_id(connection_id)])

    def _sign(self, connection_id: str, channel: str) -> str:
        from .authorization import subscription_signature

        check_connection_id(connection_id)
        check_channel(channel)
        return subscription_signature(self._secret.read(), connection_id, channel)

    def _pages(self, channel: str) -> Iterator[list[str]]:
        return connections_in(self._registry.pages(channel))

    def _read_listeners(self, channel: str) -> Listeners:
        return Listeners(self._registry.pages(channel))

    def _encode(self, channel: str, event: str, data: object) -> bytes:
        has_history = self._history is not None and self._history.has(channel)
        return self._messages.message(channel, event, data, room=POSITION_BYTES if has_history else 0)

    def _encode_event(self, channel: str, event: str, data: object, latest: str | None) -> bytes:
        """Return the members of an event that is published, if it is one."""
        check_channel(channel)
        if latest is not None and not isinstance(latest, str):
            raise InvalidArgumentError(f"latest is a key, which is text, not {type(latest).__name__}")
        body = self._messages.event(event, data)
        if len(body) > _SURELY_SMALL:
            has_history = self._history is not None and self._history.has(channel)
            room = POSITION_BYTES if has_history else 0
            check_size(event, len(body) + len(channel) + _ENVELOPE + room)
        return body

    def _append(self, channel: str, body: bytes) -> bytes:
        """Store a message if its channel has a history; return it as it is sent, then with its number."""
        if self._history is None:
            return body
        position = self._history.append(channel, body, token=id_of(body))
        return body if position is None else numbered(body, position)

    def _read_history(self, channel: str, since: object, rewind: int | str | None, limit: int) -> dict[str, object]:
        return self._with_history().read(channel, since=since, rewind=rewind, limit=limit)

    def _position(self, channel: str) -> Position:
        return self._with_history().position(channel)

    def _with_history(self) -> "History":
        self._check_open()
        if self._history is None:
            raise InvalidArgumentError("no channel has a history; name those that are to have one in history={…}")
        return self._history

    def _remove_stale(self, connection_ids: list[str]) -> None:
        """Remove connections that are gone, for about a second; the next broadcast finds again who is left.

        Raises nothing: the message went out all the same, and the entries will expire.
        """
        ends = time.monotonic() + _REMOVAL_SECONDS
        for start in range(0, len(connection_ids), _REMOVED_AT_ONCE):
            left = len(connection_ids) - start
            if start and time.monotonic() > ends:
                logger().info("%d connections are gone and still registered; the next broadcast removes more", left)
                return
            try:
                self._registry.remove(connection_ids[start : start + _REMOVED_AT_ONCE])
            except Exception as error:
                is_unknown = not isinstance(error, BroadcasterError)
                what = "%d connections are gone but could not be removed: %s"
                logger().warning(what, left, error, exc_info=is_unknown)
                return

    def _conclude(self, channel: str, event: str, listeners: Listeners, result: BroadcastResult) -> BroadcastResult:
        """Log what became of a broadcast and return it, unless a part of the list could not be read."""
        log_result(channel, event, result)
        if listeners.error:
            listeners.error.result = result
            raise listeners.error
        return result

    def publish(self, channel: str, event: str, data: object, *, latest: str | None = None) -> None:
        """Let an event be sent soon to everybody who listens to `channel`; return at once.

        `data` is encoded before this returns, and may be changed afterwards; it is what `broadcast` takes. A thread of
        this process sends: the first event on a quiet channel at once, what follows within the channel's `window`
        together, in one message of up to 32 KB, the unit that API Gateway bills. Events of a channel arrive in the
        order in which they were published in this process. A slow connection delays nobody else. While the registry,
        API Gateway or the credentials cannot be used, events wait, and what has waited for `max_age` is dropped.

        What is lost, and what is wrong with an event, is counted in `publisher_stats` and logged once, not raised; with
        `strict=True` what is wrong with it is raised. On AWS Lambda, which freezes the process between invocations,
        this sends before it returns, for `timeout` seconds at most.

        Safe in any thread, in a signal handler, in `__del__` and after `fork`. Costs a few microseconds, and a message
        for each window and connection, however many events there are.

        Args:
            latest: a key: of the events of the channel that still wait with the same one, only the newest is sent, in
                its own place. That holds for what waits for one slow connection, too, except on a channel with history.

        Raises:
            InvalidArgumentError: with `strict=True`: the channel, the event or `latest` is malformed.
            MessageError: with `strict=True`: `data` is not JSON, or too large.
            ClosedError: with `strict=True`: this broadcaster was closed.
        """
        publisher = self._publisher
        if publisher is None or self._early:
            publisher = self._publisher_after_early()
            if publisher is None:
                self._leave_early(channel, event, data, latest)
                return
        publisher.publish(channel, event, data, latest=latest)

    def publisher_stats(self) -> PublisherStats:
        """Return what became of the events that this process published: counts, which never go down but for `queued`.

        Each event is counted once: as queued, sent (`events`), `unwatched`, `superseded` or, by reason, `dropped`.
        """
        while (publisher := self._publisher or self._make_publisher()) is None:
            time.sleep(0.001)
        self._publish_early()  # what came while this made the publisher
        return publisher.stats()

    def _make_publisher(self) -> "Publisher | None":
        """Make the publisher; return None while somebody else, or this thread further up its stack, is doing so.

        That takes as long as an import, which a caller of `publish` is not to wait for.
        """
        if self._making_publisher.locked():
            return self._publisher
        with self._making_publisher:
            if self._publisher is None:
                with importing:
                    from .publishing.publisher import Publisher

                publisher = Publisher(
                    encode=self._encode_event,
                    sender=self._sender,
                    pages=self._pages,
                    remove_stale=self._remove_stale,
                    history=self._history,
                    settings=self._publishing,
                )
                self._publisher = publisher
                if self._is_closed:  # also if it was just now
                    publisher.is_closed = True
        return self._publisher

    def _publisher_after_early(self) -> "Publisher | None":
        """Return the publisher, once it has every event from before it was made; None where that is not waited for."""
        notice_fork()
        publisher = self._publisher or self._make_publisher()
        if publisher is None or self._publishing_early_in == get_ident():  # a signal handler, further up the stack
            return None
        self._publish_early()
        return publisher

    def _leave_early(self, channel: str, event: str, data: object, latest: str | None) -> None:
        """Leave an event for the publisher that is being made."""
        try:
            self._early.append((channel, self._encode_event(channel, event, data, latest), latest))
        except Exception as error:
            if self._publishing.strict:
                raise
            self._early.append((channel, error, latest))
        if len(self._early) > self._publishing.queue:
            time.sleep(0.001)  # or so many would leave theirs that the import does not get on
        self._publish_early()

    def _has_nothing_early(self) -> bool:
        """Give the publisher what was published before it was made, if possible; return whether nothing is left."""
        if self._early and (self._publisher or self._make_publisher()) is not None:
            self._publish_early()
        return not self._early

    def _end_of(self, timeout: float) -> float:
        """Return when a wait of so many seconds ends, on the monotonic clock."""
        if not isinstance(timeout, int | float) or timeout != timeout:
            raise InvalidArgumentError(f"timeout is {timeout!r:.40}; give a number of seconds")
        return time.monotonic() + timeout

    def _wait_for_early(self, end: float) -> None:
        while not self._has_nothing_early() and time.monotonic() < end:  # another thread is making the publisher
            time.sleep(0.001)

    def _publish_early(self) -> None:
        """Publish what came before the publisher was there, if it is there now.

        Other threads wait meanwhile, so that their events come after these; it takes no I/O.
        """
        publisher = self._publisher
        if publisher is None or not self._early or self._publishing_early_in == get_ident():
            return
        with self._publishing_early:
            try:
                self._publishing_early_in = get_ident()
                while self._early:
                    channel, body, latest = self._early[0]
                    try:
                        if isinstance(body, bytes):
                            publisher.put(channel, body, latest)
                        else:
                            publisher.refuse(body)
                    finally:
                        self._early.popleft()  # not before: who flushes looks whether it is there
            finally:
                self._publishing_early_in = 0

    def _begin_publishing(self) -> None:
        """Begin without what waits for the publisher: at first, and in a forked child."""
        self._making_publisher = allocate_lock()
        self._publishing_early = allocate_lock()
        self._publishing_early_in = 0
        self._early: deque[tuple[str, bytes | Exception, str | None]] = deque()

    def _check_open(self) -> None:
        if self._is_closed:
            name = type(self).__name__
            raise ClosedError(f"this broadcaster was closed; make a new one with init_broadcaster or {name}")

    def _close_all(self) -> None:
        self._sender.close()
        if self._owns_registry:
            self._registry.close()


# What Python's own error names when somebody mistypes a setting of one of them.
Face.__init__.__qualname__ = "Broadcaster"


def _make_history(keep: "Mapping[str, int] | None", lifetime: float, registry: Registry) -> "History | None":
    if keep is None:
        return None
    from .history.choose import History

    return History(keep, lifetime, registry)


def log_result(channel: str, event: str, result: BroadcastResult, *, stopped: bool = False) -> None:
    """Write the one line of a broadcast: a warning, with the first reason, where some failed."""
    level = WARNING if result.failures and not stopped else INFO
    log = logger() if level == WARNING else listening(level)
    if log is None:
        return
    how = "stopped: " if stopped else ""
    why = f"; the first: {result.failures[0].reason}" if level == WARNING else ""
    counts = result.sent, result.failed, result.stale
    log.log(level, "%s on %s: %s%d sent, %d failed, %d stale%s", event, channel, how, *counts, why)


def log_single(channel: str, event: str, connection_id: str, result: BroadcastResult) -> None:
    """Write what became of a message to one connection."""
    if result.failures:
        logger().warning("%s on %s to %s: failed: %s", event, channel, connection_id, result.failures[0].reason)
    elif (log := listening(DEBUG)) is not None:
        log.debug("%s on %s to %s: %r", event, channel, connection_id, result)


def _check_channels(channels: object) -> list[str]:
    """Return the channel names that were given: several, or one alone as text."""
    if isinstance(channels, str):
        return [check_channel(channels)]
    try:
        return [check_channel(channel) for channel in channels]  # type: ignore[attr-defined]
    except TypeError:
        raise InvalidArgumentError(
            f"channels is {channels!r:.80}; give a list of channel names, or None for everything"
        ) from None
