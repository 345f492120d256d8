"""Messages of a request's events: those of one channel share one, in their order, up to a billed size. Pure."""

from collections.abc import Callable, Iterable

from broadcaster.cheap_typing import NamedTuple
from broadcaster.errors import MessageError
from broadcaster.messages import POSITION_BYTES, MessageEncoder, check_size, envelope, id_of

from .events import Event
from .request import RequestError

# API Gateway bills a message for each 32 KB. https://aws.amazon.com/api-gateway/pricing/
SHARED_BYTES = 32 * 1024

_encoder = MessageEncoder()


class Message(NamedTuple):
    """What is posted to everybody who listens to a channel, but for one connection perhaps.

    Attributes:
        events: how many it holds.
        token: names it alone.
    """

    channel: str
    body: bytes
    excluded: str
    events: int
    token: str


def messages_of(
    events: Iterable[Event], *, has_history: Callable[[str], object] = lambda channel: False
) -> list[Message]:
    """Return the messages of events; those of one channel in their order.

    On a channel with history nobody is excluded: whoever did not get a number would read the message.

    Args:
        has_history: says of a channel whether its messages get numbers, and so need room for them.

    Raises:
        RequestError: an event cannot be sent: too large (413), or its data is no JSON after all (400).
    """
    open_ones: dict[str, tuple[str, list[bytes]]] = {}  # by channel: who is excluded, and the events
    messages: list[Message] = []

    def finish(channel: str) -> None:
        excluded, members = open_ones.pop(channel)
        messages.append(Message(channel, envelope(channel, members), excluded, len(members), id_of(members[0])))

    for event in events:
        excluded, room = ("", POSITION_BYTES) if has_history(event.channel) else (event.excluded, 0)
        encoded = _encode(event, room)
        waiting = open_ones.get(event.channel)
        if waiting and (
            waiting[0] != excluded or len(envelope(event.channel, [*waiting[1], encoded])) + room > SHARED_BYTES
        ):
            finish(event.channel)
        open_ones.setdefault(event.channel, (excluded, []))[1].append(encoded)
    for channel in list(open_ones):
        finish(channel)
    return messages


def _encode(event: Event, room: int) -> bytes:
    try:
        encoded = _encoder.event(event.name, event.data)
    except MessageError as error:
        raise RequestError(400, "bad_data", str(error)) from error
    try:
        check_size(event.name, len(envelope(event.channel, [encoded])) + room)
    except MessageError as error:
        raise RequestError(413, "too_large", str(error)) from error
    return encoded
