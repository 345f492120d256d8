"""The same for asyncio: the names of `broadcaster`, to be awaited.

    from broadcaster.aio import init_broadcaster, register_connection, broadcast_admin_event

    init_broadcaster(api_id="abc123xyz", region="us-east-1", stage="production")

    async def start_run(connection_id):
        await register_connection(connection_id)
        return await broadcast_admin_event({"type": "run_started", "thread_id": "abc123"})

`AsyncBroadcaster` is the same as an object, and an asynchronous context manager. `init_broadcaster` does no I/O and is
a plain function, so that it can be called where modules are set up; awaiting what it returns is fine. These functions
have a default of their own, with settings of its own. But a list in memory is one for the whole process: who registered
with `broadcaster.register_connection` is reached from here, and the other way round, if both have the same endpoint.

What holds:

- No call holds up the event loop: registries are read and written in a few threads. The one that has read a list of
  less than 1,000 posts to it as well, if none does so already; all other posts go out in one worker thread. To at most
  16 whom a list in memory holds the loop's own thread posts, if the keys are in the environment and connections are
  open already, so that nothing is waited for: that costs a third less.
- What one caller sends in turn arrives in turn: a broadcast returns when everybody has their outcome. Between callers
  that send at the same time (tasks, `asyncio.gather`) there is no order: await one before the next where it matters.
- Broadcasts that run at once share the worker, connections to API Gateway and the `rate`. Each has a `concurrency`
  and a `deadline` of its own, and none waits for the slow clients of another; nor for its slow registry, unless 64
  calls wait for one already.
- A cancelled broadcast (`task.cancel()`, `asyncio.timeout`) stops within 50 ms: requests in flight are given up, and
  who was not sent to counts as failed. What had been sent is on the error as `result`:

      try:
          async with asyncio.timeout(1.0):
              await broadcast("logs", "log", data)
      except TimeoutError as error:
          result = getattr(error.__cause__, "result", None)  # {'sent': 812, 'failed': 188, 'stale': 0}

  and after `task.cancel()` on the `CancelledError` that awaiting the task raises. The line in the log says so too. A
  request that was given up may have arrived.
- Nothing belongs to an event loop: one broadcaster serves several, in turn or at once. A forked child starts a worker
  of its own. The worker ends when it has had nothing to do for a while, and with the interpreter.

Where a proxy is in force each broadcast runs through boto3 in threads of its own; the rest is the same.
"""

from ..errors import (
    BroadcasterError,
    ClosedError,
    ConfigurationError,
    InvalidArgumentError,
    MessageError,
    RefusedError,
    RegistryError,
    UnavailableError,
)
from ..history import Position
from ..registries import Registry
from ..registries.memory import MemoryRegistry
from ..replies import ConnectionInfo
from ..results import BroadcastResult, Failure, PublisherStats
from .broadcaster import AsyncBroadcaster
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

__all__ = [
    "AsyncBroadcaster",
    "BroadcastResult",
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
