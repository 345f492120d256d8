"""boto3 in 32 threads that share one client."""

from concurrent.futures import ThreadPoolExecutor

from . import boto3_loop


class Sender(boto3_loop.Sender):
    """See `senders.Sender`."""

    threads = 32

    def send(self, stage: str, body: bytes, connection_ids: list[str]) -> None:
        """See `senders.Sender`."""
        with ThreadPoolExecutor(self.threads) as pool:
            for _ in pool.map(lambda connection_id: self._post(stage, body, connection_id), connection_ids):
                pass
