"""Push events to the browsers that are connected to an API Gateway WebSocket API.

    from broadcaster import init_broadcaster, register_connection, broadcast_admin_event

    init_broadcaster(api_id="abc123xyz", region="us-east-1", stage="production")
    register_connection("L0SM9cOFvHcCIhw=")
    print(broadcast_admin_event({"type": "run_started", "thread_id": "abc123", "run_name": "My Workflow"}))
    # {'sent': 1, 'failed': 0, 'stale': 0}

`Broadcaster` is the same as an object, and `broadcaster.aio` the same for asyncio. Importing this package costs little:
boto3, ssl and the like are imported when the first message is sent.
"""

from .default import (
    authorize_subscription,
    broadcast,
    broadcast_admin_event,
    close_broadcaster,
    disconnect_connection,
    flush,
    get_connection,
    init_broadcaster,
    position,
    publish,
    publisher_stats,
    read_history,
    register_connection,
    send_to_connection,
    unregister_connection,
)
from .errors import (
    BroadcasterError,
    ClosedError,
    ConfigurationError,
    InvalidArgumentError,
    MessageError,
    RefusedError,
    RegistryError,
    UnavailableError,
)
from .history import Position
from .registries import Registry
from .registries.memory import MemoryRegistry
from .replies import ConnectionInfo
from .results import BroadcastResult, Failure, PublisherStats
from .sync import Broadcaster

__all__ = [
    "BroadcastResult",
    "Broadcaster",
    "BroadcasterError",
    "ClosedError",
    "ConfigurationError",
    "ConnectionInfo",
    "Failure",
    "InvalidArgumentError",
    "MemoryRegistry",
    "MessageError",
    "Position",
    "PublisherStats",
    "RefusedError",
    "Registry",
    "RegistryError",
    "UnavailableError",
    "authorize_subscription",
    "broadcast",
    "broadcast_admin_event",
    "close_broadcaster",
    "disconnect_connection",
    "flush",
    "get_connection",
    "init_broadcaster",
    "position",
    "publish",
    "publisher_stats",
    "read_history",
    "register_connection",
    "send_to_connection",
    "unregister_connection",
]
