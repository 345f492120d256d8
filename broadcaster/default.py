"""The guide's functions: thin names over one default `Broadcaster`, which is the only global state of this package."""

from _thread import allocate_lock  # threading itself costs 4 ms to import
from collections.abc import Collection

from .errors import ConfigurationError
from .registries import Registry
from .replies import ConnectionInfo
from .results import BroadcastResult
from .sync import Broadcaster

_default: Broadcaster | None = None
_lock = allocate_lock()


def init_broadcaster(
    api_id: str | None = None,
    *,
    region: str | None = None,
    stage: str = "production",
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
) -> Broadcaster:
    """Make the `Broadcaster` behind the functions of this module, closing the one before; takes the same arguments."""
    global _default
    broadcaster = Broadcaster(
        api_id,
        region=region,
        stage=stage,
        endpoint_url=endpoint_url,
        registry=registry,
        secret=secret,
        sender=sender,
        concurrency=concurrency,
        timeout=timeout,
        attempts=attempts,
        deadline=deadline,
        rate=rate,
        verify=verify,
        max_channels=max_channels,
    )
    with _lock:
        before, _default = _default, broadcaster
    if before is not None:
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
            "init_broadcaster was not called in this process; call init_broadcaster(api_id=…, region=…) at its start"
        )
    return _default
