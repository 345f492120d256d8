"""What goes out: the envelope around one event or several, encoded once for all its receivers."""

import os
import time
from itertools import count

from .channels import check_channel
from .cheap_typing import TYPE_CHECKING, Any
from .errors import InvalidArgumentError, MessageError
from .forks import importing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# A WebSocket API carries at most 128 KB in one message, @connections posts included.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
MAX_MESSAGE_BYTES = 131_072

MAX_EVENT_LENGTH = 200

# What `epoch` and `seq` add to a message at most.
POSITION_BYTES = 64

_ID_LENGTH = 21
_MOST_KEPT = 1_000  # names that were found right

# Events that the client library makes itself, by the convention of Pusher; nobody can broadcast them.
# https://pusher.com/docs/channels/library_auth_reference/pusher-websockets-protocol/
_OWN_EVENTS = ("pusher:", "pusher_internal:")


class MessageEncoder:
    """Encodes events and puts them into envelopes. Thread-safe, also in a signal handler and after `fork`.

    Making one imports `json`: at the first event a signal handler that publishes may come in the middle of that.

    Args:
        encoder: for objects that JSON does not know; see `json_data.DataEncoder`.
    """

    def __init__(self, encoder: "Callable[[Any], Any] | None" = None) -> None:
        with importing:
            from .json_data import DataEncoder

        self._write = DataEncoder(encoder)
        self._starts: dict[str, str] = {}  # by event: what comes before its data

    def event(self, event: str, data: object) -> bytes:
        """Return the members of one event: `"event":…,"data":…,"id":…`, as compact UTF-8.

        Raises:
            InvalidArgumentError: the event is no name.
            MessageError: `data` cannot be written as JSON.
        """
        write = self._write
        start = self._starts.get(event) if event.__class__ is str else None
        if start is None:
            start = f'"event":{write(check_event(event))},"data":'
            if len(self._starts) < _MOST_KEPT:
                self._starts[event] = start
        try:
            text = f'{start}{write(data)},"id":"{_next_id()}"'
        except ValueError as error:
            raise MessageError(f"the data of event {event!r} cannot be written as JSON: {error}") from error
        # Half a surrogate pair: UTF-8 has no place for it, JSON's escapes do, and Python's look the same.
        return text.encode("utf-8", "backslashreplace")

    def message(self, channel: str, event: str, data: object, *, room: int = 0) -> bytes:
        """Return the message of one event: `{"channel":…,"event":…,"data":…,"id":…}`, at most 131,072 bytes.

        Args:
            room: bytes to leave for what is added to it.

        Raises:
            InvalidArgumentError: the channel or the event is no name.
            MessageError: `data` cannot be written as JSON, or the message is too large.
        """
        check_channel(channel)
        body = envelope(channel, [self.event(event, data)])
        check_size(event, len(body) + room)
        return body


def id_of(event: bytes) -> str:
    """Return the id of an event that `MessageEncoder.event` wrote, or of a message of that one alone."""
    return event.rstrip(b"}")[-_ID_LENGTH - 1 : -1].decode()


def envelope(channel: str, events: "Sequence[bytes]") -> bytes:
    """Return the message of these events of one channel, each as `MessageEncoder.event` wrote it.

    Of one `{"channel":…,"event":…,"data":…,"id":…}`, of several `{"channel":…,"events":[{"event":…},…]}`.
    """
    start = b'{"channel":"%b",' % channel.encode()  # none of its characters needs an escape
    if len(events) == 1:
        return b"%b%b}" % (start, events[0])
    return b'%b"events":[{%b}]}' % (start, b"},{".join(events))


def check_size(event: str, size: int) -> None:
    """Check that API Gateway carries a message of so many bytes.

    Raises:
        MessageError: it does not.
    """
    if size > MAX_MESSAGE_BYTES:
        raise MessageError(
            f"the message of event {event!r} is {size:,} bytes and API Gateway carries at most "
            f"{MAX_MESSAGE_BYTES:,}; send less, or a link to the rest"
        )


def check_event(event: object) -> str:
    """Return `event` if it names an event: 1 to 200 printable characters that do not begin with `pusher:`.

    Raises:
        InvalidArgumentError: it does not. Nothing unprintable of it is in the text.
    """
    if not isinstance(event, str):
        raise InvalidArgumentError(f"an event name is text, not {type(event).__name__}")
    if not 1 <= len(event) <= MAX_EVENT_LENGTH:
        raise InvalidArgumentError(f"an event name has 1 to {MAX_EVENT_LENGTH} characters, this one has {len(event)}")
    if not event.isprintable():
        raise InvalidArgumentError(f"event {event!r:.80} has a character that cannot be printed")
    if event.startswith(_OWN_EVENTS):
        raise InvalidArgumentError(
            f"event {event!r:.80} has a name of the protocol's own; choose one that does not begin with "
            "'pusher:' or 'pusher_internal:'"
        )
    return event


class _Ids:
    """Ids that sort by time: 44 bits of milliseconds, then 40 that count up from a random number; 21 hex digits.

    Without a lock, which a fork could leave locked and a signal handler would wait for: `next` of a counter is atomic.
    """

    def __init__(self) -> None:
        self._last = 0  # milliseconds
        self._process = -1

    def __call__(self) -> str:
        # The process is looked at, because not every fork runs Python's hooks, and two with one counter make one id.
        if self._process != os.getpid():
            self._next = count(int.from_bytes(os.urandom(5)) >> 1).__next__
            self._process = os.getpid()
        # If the clock was set back, order is kept all the same.
        self._last = now = max(self._last, time.time_ns() // 1_000_000)
        return f"{now << 40 | self._next():021x}"


_next_id = _Ids()
