"""What a request asks for: events to publish, or channels to tell about. Pure."""

import json

from broadcaster.channels import check_channel
from broadcaster.cheap_typing import NamedTuple
from broadcaster.errors import InvalidArgumentError
from broadcaster.messages import check_event

from .request import RequestError

# As at Pusher: https://pusher.com/docs/channels/library_auth_reference/rest-api/
MOST_CHANNELS = 100
MOST_EVENTS = 10

COUNT = "subscription_count"


class Event(NamedTuple):
    """One event for one channel.

    Attributes:
        excluded: the connection that is not to receive it, as a rule the one that caused it; may be empty.
    """

    channel: str
    name: str
    data: object
    excluded: str = ""


def read_events(body: bytes) -> list[Event]:
    """Return what `POST /apps/…/events` publishes: one event, for up to 100 channels.

    Raises:
        RequestError: the body is malformed.
    """
    members = _read_object(body)
    channels = members.get("channels", members.get("channel"))
    if isinstance(channels, str):
        channels = [channels]
    if not isinstance(channels, list) or not 1 <= len(channels) <= MOST_CHANNELS:
        raise _malformed(f'"channel" is no text, or "channels" no list of 1 to {MOST_CHANNELS} names')
    first = _read_event(members, channels[0])
    names = dict.fromkeys(map(_check_channel, channels))
    return [first._replace(channel=name) for name in names]


def read_batch(body: bytes) -> list[Event]:
    """Return what `POST /apps/…/batch_events` publishes: up to 10 events, each for one channel, in their order.

    Raises:
        RequestError: the body is malformed; nothing of it is published then.
    """
    batch = _read_object(body).get("batch")
    if not isinstance(batch, list) or not 1 <= len(batch) <= MOST_EVENTS:
        raise _malformed(f'"batch" is no list of 1 to {MOST_EVENTS} events')
    events = []
    for members in batch:
        if not isinstance(members, dict):
            raise _malformed('"batch" has something in it that is no object')
        events.append(_read_event(members, members.get("channel")))
    return events


def read_plain(body: bytes) -> Event:
    """Return what `POST /publish` publishes: `{"channel","event","data"}`, with whatever JSON as its data.

    With `socket_id` as well, as in the other forms, that connection is left out.

    Raises:
        RequestError: the body is malformed.
    """
    members = _read_object(body)
    for name in ("channel", "event", "data"):
        if name not in members:
            raise _malformed(f'there is no "{name}"; send {{"channel":…,"event":…,"data":…}}')
    channel, event = _check_channel(members["channel"]), _check_name(members["event"])
    return Event(channel, event, members["data"], _read_excluded(members))


def read_info(parameters: dict[str, str]) -> bool:
    """Return whether `info` asks for the number of subscriptions.

    Raises:
        RequestError: it asks for something that there is not.
    """
    asked = [each for each in parameters.get("info", "").split(",") if each]
    if unknown := [each for each in asked if each != COUNT]:
        raise _malformed(f"info asks for {unknown[0]!r:.60}; there is {COUNT} alone")
    return bool(asked)


def _read_event(members: dict[str, object], channel: object) -> Event:
    data = members.get("data")
    if not isinstance(data, str):
        raise _malformed('"data" is no text; send the JSON of the data as a string')
    if members.get("info"):
        raise _malformed('"info" is not answered to events; ask GET /apps/…/channels')
    return Event(_check_channel(channel), _check_name(members.get("name")), _parse(data), _read_excluded(members))


def _read_excluded(members: dict[str, object]) -> str:
    excluded = members.get("socket_id") or ""
    if not isinstance(excluded, str):
        raise _malformed('"socket_id" is no text')
    return excluded


def _parse(data: str) -> object:
    """Return what the text says if it is JSON, as subscribers get it of every other event; else the text."""
    try:
        return _decoder.decode(data)
    except (ValueError, RecursionError):
        return data


def _read_object(body: bytes) -> dict[str, object]:
    try:
        members = _decoder.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise _malformed("the body is no JSON in UTF-8") from error
    if not isinstance(members, dict):
        raise _malformed("the body is no JSON object")
    return members


def _check_channel(channel: object) -> str:
    try:
        return check_channel(channel)
    except InvalidArgumentError as error:
        raise _malformed(str(error)) from error


def _check_name(name: object) -> str:
    try:
        return check_event(name)
    except InvalidArgumentError as error:
        raise _malformed(str(error)) from error


def _malformed(message: str) -> RequestError:
    return RequestError(400, "malformed", message)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)  # Python would read NaN and Infinity
