"""What subscribers hear, from one connection after the other: API Gateway ends each after two hours."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..endpoint import Endpoint
from ..errors import BroadcasterError, ConfigurationError
from ..history.choose import DEFAULT_LIFETIME, History
from ..registries import Registry
from .socket import Socket, SocketClosedError

# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
RENEW_AFTER = 7_200.0 - 300  # seconds

_DRAIN = 1.0  # seconds in which what is under way to the old connection still arrives
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between attempts to connect
_WAIT = 5.0  # seconds for a message at a time, so that Ctrl-C is heard on Windows too
_REMEMBERED = 10_000  # ids of events
_PAGE = 1_000  # messages of a history


class Event(NamedTuple):
    """One event as it was heard. `seq` and `epoch` are there on channels with history."""

    channel: str
    event: str
    data: Any
    id: str
    epoch: str | None
    seq: int | None


class Subscriber:
    """Listens to channels by registering a connection of its own. To be used by one thread.

    Before two hours are over it opens the next connection, so that nothing is missed; after a cut it connects again,
    and on channels with history reads what came in between.

    Args:
        channels: those to listen to; none for everything.
        rewind: how much of the history of these channels to begin with: a number of events, or a time such as "5m".
        note: gets a sentence when something happened that is no event.
        clock: seconds that never go back; for tests.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        registry: Registry,
        channels: list[str],
        *,
        rewind: int | str | None = None,
        origin: str | None = None,
        note: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._registry = registry
        self._channels = channels
        self._rewind = rewind
        self._origin = origin
        self._note = note
        self._clock = clock
        self._socket: Socket | None = None
        self._renew_at = 0.0
        self._positions: dict[str, dict[str, Any]] = {}  # of channels with history, the newest that was heard
        self._heard: dict[str, None] = {}  # ids, the oldest first

    def events(self) -> Iterator[Event]:
        """Yield what is heard, each event once, for ever.

        Raises:
            RefusedError: the first connection could not be made.
            RegistryError: it could not be registered.
            ConfigurationError: websockets is not installed, or there is no history beside the registry.
            InvalidArgumentError: `rewind` is malformed.
        """
        self._socket = self._open()
        if self._rewind is not None:
            for channel in self._channels:
                yield from self._read(channel, rewind=self._rewind)
        self._note(f"listening to {', '.join(self._channels) or 'everything'}")
        while True:
            try:
                message = self._socket.receive(_WAIT)
            except SocketClosedError as closed:
                self._note(f"the connection ended: {closed}")
                self._socket = self._open_again()
                yield from self._catch_up()
                continue
            if message is not None:
                yield from self._take(message)
            if self._clock() >= self._renew_at:
                yield from self._renew()

    def close(self) -> None:
        """Close the connection and take it off the list."""
        if self._socket is not None:
            self._leave(self._socket)

    def _open(self) -> Socket:
        socket = Socket(self._endpoint, origin=self._origin)
        self._renew_at = self._clock() + RENEW_AFTER
        try:
            self._registry.add(socket.connection_id, self._channels or None)
        except BaseException:
            socket.close()
            raise
        return socket

    def _open_again(self) -> Socket:
        began, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            try:
                socket = self._open()
            except BroadcasterError as error:
                self._note(f"not connected: {error}")
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._note(
                    f"connected again after {time.monotonic() - began:.1f} s; what was sent meanwhile is shown of "
                    "channels with history alone"
                )
                return socket

    def _renew(self) -> Iterator[Event]:
        """Go over to a new connection; for a moment both are registered, and what comes on both is yielded once."""
        old = self._socket
        try:
            self._socket = self._open()
        except BroadcasterError as error:
            self._note(f"no new connection yet: {error}")
            self._renew_at = self._clock() + _LONGEST_PAUSE
            return
        if old is None:
            return
        try:
            self._registry.remove([old.connection_id])
            ends = time.monotonic() + _DRAIN
            while (left := ends - time.monotonic()) > 0:
                message = old.receive(left)
                if message is not None:
                    yield from self._take(message)
        except (SocketClosedError, BroadcasterError):
            pass  # the new one is there
        finally:
            old.close()

    def _leave(self, socket: Socket) -> None:
        socket.close()
        try:
            self._registry.remove([socket.connection_id])
        except BroadcasterError as error:
            self._note(f"the connection stays on the list until it is found gone: {error}")

    def _catch_up(self) -> Iterator[Event]:
        for channel, position in list(self._positions.items()):
            try:
                yield from self._read(channel, since=position)
            except ConfigurationError:
                return  # the backend keeps it where this command cannot look
            except BroadcasterError as error:
                self._note(f"what came meanwhile on {channel} is not known: {error}")

    def _read(self, channel: str, **asked: Any) -> Iterator[Event]:
        """Yield what the history has."""
        history = History({"*": 1}, DEFAULT_LIFETIME, self._registry)  # to read, any number does
        while True:
            answer = history.read(channel, limit=_PAGE, **asked)
            if "since" in asked and not answer["recovered"]:
                self._note(f"something may be missing on {channel}: its history does not go back so far")
            for message in answer["messages"]:
                yield from self._take(message)
            asked = {"since": {"epoch": answer["epoch"], "seq": answer["seq"]}}
            self._positions[channel] = asked["since"]
            if not answer["more"]:
                return

    def _take(self, message: dict[str, Any]) -> Iterator[Event]:
        """Yield the events of a message that were not heard before."""
        channel = message.get("channel")
        if not isinstance(channel, str):
            if "message" in message:  # an error of API Gateway's, or the Lambda's
                self._note(f"the gateway says: {message['message']}")
            return
        epoch, seq = message.get("epoch"), message.get("seq")
        if isinstance(epoch, str) and isinstance(seq, int):
            before = self._positions.get(channel, {})
            if before.get("epoch") != epoch or before["seq"] < seq:
                self._positions[channel] = {"epoch": epoch, "seq": seq}
        for each in message.get("events", [message]):
            event_id = str(each.get("id", ""))
            if event_id and event_id in self._heard:
                continue
            self._heard[event_id] = None
            if len(self._heard) > _REMEMBERED:
                del self._heard[next(iter(self._heard))]
            yield Event(channel, str(each.get("event")), each.get("data"), event_id, epoch, seq)
