"""What goes out: the envelope around one event, encoded once for all its receivers."""

import os
import time
from _thread import allocate_lock  # threading itself costs 4 ms to import

from .channels import check_channel
from .errors import InvalidArgumentError, MessageError

# A WebSocket API carries at most 128 KB in one message, @connections posts included.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
MAX_MESSAGE_BYTES = 131_072


def encode(channel: str, event: str, data: object) -> bytes:
    """Return `{"channel":…,"event":…,"data":…,"id":…}` as compact UTF-8 JSON of at most 131,072 bytes.

    Raises:
        InvalidArgumentError: the channel or the event is no name.
        MessageError: `data` cannot be written as JSON, or the message is too large.
    """
    import json

    check_channel(channel)
    if not isinstance(event, str) or not event:
        raise InvalidArgumentError(f"an event name is non-empty text, not {event!r:.80}")
    envelope = {"channel": channel, "event": event, "data": data, "id": _next_id()}
    try:
        text = json.dumps(envelope, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise MessageError(f"the data of event {event!r} cannot be written as JSON: {error}") from error
    try:
        body = text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: UTF-8 has no place for it, JSON's escapes do
        body = json.dumps(envelope, separators=(",", ":")).encode()
    if len(body) > MAX_MESSAGE_BYTES:
        raise MessageError(
            f"the message of event {event!r} is {len(body):,} bytes and API Gateway carries at most "
            f"{MAX_MESSAGE_BYTES:,}; send less, or a link to the rest"
        )
    return body


class _Ids:
    """Ids that sort by time: 44 bits of milliseconds, then 40 of chance; 21 hexadecimal digits."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = allocate_lock()

    def __call__(self) -> str:
        number = time.time_ns() // 1_000_000 << 40 | int.from_bytes(os.urandom(5))
        with self._lock:
            if number <= self._last:  # the same millisecond, or the clock was set back: order is kept all the same
                number = self._last + 1 + int.from_bytes(os.urandom(2))
            self._last = number
        return f"{number:021x}"


_next_id = _Ids()
