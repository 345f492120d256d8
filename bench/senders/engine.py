"""This project's engine, as a `Broadcaster` has it, without its rate limit."""

from math import inf

from broadcaster.endpoint import resolve_endpoint
from broadcaster.sending.choose import make_sender

from ..message import REGION


class Sender:
    """See `senders.Sender`."""

    def __init__(self, url: str, authority: str) -> None:
        self._senders = {
            stage: make_sender(
                resolve_endpoint(endpoint_url=f"{url}/{stage}", region=REGION),
                kind="engine",
                rate=inf,
                verify=authority,
                deadline=600,
            )
            for stage in ("now", "later")
        }

    def send(self, stage: str, body: bytes, connection_ids: list[str]) -> None:
        """See `senders.Sender`."""
        result = self._senders[stage].broadcast([connection_ids], body, on_stale=lambda ids: None)
        if result != {"sent": len(connection_ids), "failed": 0, "stale": 0}:
            raise RuntimeError(f"{result}, {result.failures[:3]}")

    def close(self) -> None:
        """See `senders.Sender`."""
        for sender in self._senders.values():
            sender.close()
