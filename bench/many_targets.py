"""One broadcast to very many connections, in a process that does nothing else; run by `fresh`.

Prints how many ids at most had been read from the registry and not been answered when it was asked for more.
"""

import sys
from collections.abc import Iterator
from math import inf
from typing import Any

from broadcaster import Broadcaster, MemoryRegistry
from broadcaster.sending import fan_out

from .message import REGION, connection_ids


class WatchedRegistry(MemoryRegistry):
    """Looks, whenever a page is asked for, at how far the broadcast has come."""

    def __init__(self) -> None:
        super().__init__()
        self.most_ahead = 0
        self.fan_out: Any = None

    def pages(self, channel: str) -> Iterator[list[str]]:
        """See `Registry.pages`."""
        read = 0
        for page in super().pages(channel):
            read += len(page)
            self.most_ahead = max(self.most_ahead, read - (self.fan_out.sent if self.fan_out else 0))
            yield page


def main() -> None:
    """Send. Arguments: how many connections, the endpoint's URL."""
    count, url = int(sys.argv[1]), sys.argv[2]
    registry = WatchedRegistry()
    for connection_id in connection_ids(count):
        registry.add(connection_id)
    make = fan_out.FanOut.__init__

    def make_and_show(fan_out: Any, *arguments: Any, **options: Any) -> None:
        make(fan_out, *arguments, **options)
        registry.fan_out = fan_out

    fan_out.FanOut.__init__ = make_and_show  # type: ignore[method-assign,assignment]
    broadcaster = Broadcaster(endpoint_url=url, region=REGION, registry=registry, rate=inf, deadline=600)
    result = broadcaster.broadcast_admin_event({"type": "run_started"})
    if result != {"sent": count, "failed": 0, "stale": 0}:
        raise SystemExit(str(result))
    print(registry.most_ahead)


if __name__ == "__main__":
    main()
