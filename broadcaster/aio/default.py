"""The guide's functions for asyncio: thin names over one default `AsyncBroadcaster`."""

from collections.abc import Collection, Mapping

from ..errors import ConfigurationError
from ..face import takes_the_arguments_of
from ..forks import make_lock, remake_in_child
from ..history import Position
from ..registries.default_list import default_list, warn_if_dropped
from ..replies import ConnectionInfo
from ..results import BroadcastResult, PublisherStats
from .broadcaster import AsyncBroadcaster

_default: AsyncBroadcaster | None = None
_lock = make_lock()


@takes_the_arguments_of(AsyncBroadcaster)
def init_broadcaster(*arguments: object, **settings: object) -> AsyncBroadcaster:
    """Make the `AsyncBroadcaster` behind the functions of this module, closing the one before.

    Takes the same arguments. Does not wait for the one before, whose broadcasts go on to their end. A list in memory is
    this process's one for the endpoint, also that of the synchronous `broadcaster.init_broadcaster`.
    """
    global _default
    settings["registry"] = default_list(*arguments, **settings)
    broadcaster = AsyncBroadcaster(*arguments, **settings)  # type: ignore[arg-type]
    with _lock:
        before, _default = _default, broadcaster
    if before is not None:
        warn_if_dropped(before._registry, broadcaster._registry)
        before._begin_closing()
    return broadcaster


async def close_broadcaster() -> None:
    """Close the default broadcaster, if there is one; `init_broadcaster` makes the next."""
    global _default
    with _lock:
        before, _default = _default, None
    if before is not None:
        await before.close()


async def register_connection(connection_id: str, *, channels: Collection[str] | None = None) -> None:
    """Let a connection receive `channels`, or everything; see `AsyncBroadcaster.register_connection`."""
    await _current().register_connection(connection_id, channels=channels)


async def unregister_connection(connection_id: str) -> None:
    """Forget a connection; see `AsyncBroadcaster.unregister_connection`."""
    await _current().unregister_connection(connection_id)


async def authorize_subscription(connection_id: str, channel: str) -> str:
    """Return the signature with which this connection may listen to this channel.

    See `AsyncBroadcaster.authorize_subscription`.
    """
    return await _current().authorize_subscription(connection_id, channel)


async def broadcast(channel: str, event: str, data: object) -> BroadcastResult:
    """Send one event to everybody who listens to `channel`; see `AsyncBroadcaster.broadcast`."""
    return await _current().broadcast(channel, event, data)


async def broadcast_admin_event(data: object) -> BroadcastResult:
    """Send `data` as event `admin_event` on channel `admin`; see `AsyncBroadcaster.broadcast`."""
    return await _current().broadcast_admin_event(data)


def publish(channel: str, event: str, data: object, *, latest: str | None = None) -> None:
    """Let an event be sent soon to everybody who listens to `channel`; return at once.

    See `AsyncBroadcaster.publish`.
    """
    _current().publish(channel, event, data, latest=latest)


async def flush(timeout: float = 5.0) -> bool:  # noqa: ASYNC109
    """Send what was published and waits; return whether all of it is out. See `AsyncBroadcaster.flush`."""
    return await _current().flush(timeout)


def publisher_stats() -> PublisherStats:
    """Return what became of the events that were published; see `AsyncBroadcaster.publisher_stats`."""
    return _current().publisher_stats()


async def read_history(
    channel: str,
    *,
    since: Mapping[str, object] | Position | None = None,
    rewind: int | str | None = None,
    limit: int = 1_000,
) -> dict[str, object]:
    """Return what was sent on a channel with history: `{"epoch", "seq", "recovered", "messages", "more"}`.

    Checks no rights. See `AsyncBroadcaster.read_history`.
    """
    return await _current().read_history(channel, since=since, rewind=rewind, limit=limit)


async def position(channel: str) -> Position:
    """Return (epoch, seq) of the newest message of a channel with history, to put beside a snapshot of the state.

    See `AsyncBroadcaster.position`.
    """
    return await _current().position(channel)


async def send_to_connection(connection_id: str, channel: str, event: str, data: object) -> BroadcastResult:
    """Send one event to one connection, registered or not; see `AsyncBroadcaster.send_to_connection`."""
    return await _current().send_to_connection(connection_id, channel, event, data)


async def disconnect_connection(connection_id: str) -> bool:
    """Close a connection, and forget it; return whether it was there.

    See `AsyncBroadcaster.disconnect_connection`.
    """
    return await _current().disconnect_connection(connection_id)


async def get_connection(connection_id: str) -> ConnectionInfo | None:
    """Return what API Gateway knows of a connection; None if it is gone. See `AsyncBroadcaster.get_connection`."""
    return await _current().get_connection(connection_id)


def _current() -> AsyncBroadcaster:
    if _default is None:
        raise ConfigurationError(
            "broadcaster.aio has no default in this process: its init_broadcaster was not called, or close_broadcaster "
            "was since; call its init_broadcaster(api_id=…, region=…) at the process's start"
        )
    return _default


def _begin_in_child() -> None:
    global _lock
    _lock = make_lock()


remake_in_child(_begin_in_child)
