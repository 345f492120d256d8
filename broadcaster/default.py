"""The guide's functions: thin names over one default `Broadcaster`, which is the only global state of this package."""

from collections.abc import Collection, Mapping

from .errors import ConfigurationError
from .face import takes_the_arguments_of
from .forks import make_lock, remake_in_child
from .history import Position
from .registries.default_list import default_list, warn_if_dropped
from .replies import ConnectionInfo
from .results import BroadcastResult, PublisherStats
from .sync import Broadcaster

_default: Broadcaster | None = None
_lock = make_lock()


@takes_the_arguments_of(Broadcaster)
def init_broadcaster(*arguments: object, **settings: object) -> Broadcaster:
    """Make the `Broadcaster` behind the functions of this module, closing the one before; takes the same arguments.

    A list in memory is this process's one for the endpoint, also that of `broadcaster.aio`: what is registered in it
    stays when this is called again for the same endpoint.
    """
    global _default
    settings["registry"] = default_list(*arguments, **settings)
    broadcaster = Broadcaster(*arguments, **settings)  # type: ignore[arg-type]
    with _lock:
        before, _default = _default, broadcaster
    if before is not None:
        warn_if_dropped(before._registry, broadcaster._registry)
        before.close()
    return broadcaster


def close_broadcaster() -> None:
    """Close the default broadcaster, if there is one; `init_broadcaster` makes the next."""
    global _default
    with _lock:
        before, _default = _default, None
    if before is not None:
        before.close()


def register_connection(connection_id: str, *, channels: Collection[str] | None = None) -> None:
    """Let a connection receive `channels`, or everything; see `Broadcaster.register_connection`."""
    _current().register_connection(connection_id, channels=channels)


def unregister_connection(connection_id: str) -> None:
    """Forget a connection; see `Broadcaster.unregister_connection`."""
    _current().unregister_connection(connection_id)


def authorize_subscription(connection_id: str, channel: str) -> str:
    """Return the signature with which this connection may listen to this channel.

    See `Broadcaster.authorize_subscription`.
    """
    return _current().authorize_subscription(connection_id, channel)


def broadcast(channel: str, event: str, data: object) -> BroadcastResult:
    """Send one event to everybody who listens to `channel`; see `Broadcaster.broadcast`."""
    return _current().broadcast(channel, event, data)


def broadcast_admin_event(data: object) -> BroadcastResult:
    """Send `data` as event `admin_event` on channel `admin`; see `Broadcaster.broadcast`."""
    return _current().broadcast_admin_event(data)


def publish(channel: str, event: str, data: object, *, latest: str | None = None) -> None:
    """Let an event be sent soon to everybody who listens to `channel`; return at once.

    See `Broadcaster.publish`.
    """
    _current().publish(channel, event, data, latest=latest)


def flush(timeout: float = 5.0) -> bool:
    """Send what was published and waits; return whether all of it is out. See `Broadcaster.flush`."""
    return _current().flush(timeout)


def publisher_stats() -> PublisherStats:
    """Return what became of the events that were published; see `Broadcaster.publisher_stats`."""
    return _current().publisher_stats()


def read_history(
    channel: str,
    *,
    since: Mapping[str, object] | Position | None = None,
    rewind: int | str | None = None,
    limit: int = 1_000,
) -> dict[str, object]:
    """Return what was sent on a channel with history: `{"epoch", "seq", "recovered", "messages", "more"}`.

    Checks no rights. See `Broadcaster.read_history`.
    """
    return _current().read_history(channel, since=since, rewind=rewind, limit=limit)


def position(channel: str) -> Position:
    """Return (epoch, seq) of the newest message of a channel with history, to put beside a snapshot of the state.

    See `Broadcaster.position`.
    """
    return _current().position(channel)


def send_to_connection(connection_id: str, channel: str, event: str, data: object) -> BroadcastResult:
    """Send one event to one connection, registered or not; see `Broadcaster.send_to_connection`."""
    return _current().send_to_connection(connection_id, channel, event, data)


def disconnect_connection(connection_id: str) -> bool:
    """Close a connection, and forget it; return whether it was there.

    See `Broadcaster.disconnect_connection`.
    """
    return _current().disconnect_connection(connection_id)


def get_connection(connection_id: str) -> ConnectionInfo | None:
    """Return what API Gateway knows of a connection; None if it is gone. See `Broadcaster.get_connection`."""
    return _current().get_connection(connection_id)


def _current() -> Broadcaster:
    if _default is None:
        raise ConfigurationError(
            "there is no broadcaster in this process: init_broadcaster was not called, or close_broadcaster was since; "
            "call init_broadcaster(api_id=…, region=…) at the process's start"
        )
    return _default


def _begin_in_child() -> None:
    global _lock
    _lock = make_lock()


remake_in_child(_begin_in_child)
