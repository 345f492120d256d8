"""boto3, one post after another: what most people write first."""

import boto3

from ..message import REGION


class Sender:
    """See `senders.Sender`."""

    threads = 1

    def __init__(self, url: str, authority: str) -> None:
        from botocore.config import Config

        config = Config(max_pool_connections=self.threads, retries={"total_max_attempts": 1})
        self._clients = {
            stage: boto3.client(
                "apigatewaymanagementapi",
                region_name=REGION,
                endpoint_url=f"{url}/{stage}",
                verify=authority,
                config=config,
            )
            for stage in ("now", "later")
        }

    def send(self, stage: str, body: bytes, connection_ids: list[str]) -> None:
        """See `senders.Sender`."""
        for connection_id in connection_ids:
            self._post(stage, body, connection_id)

    def close(self) -> None:
        """See `senders.Sender`."""
        for client in self._clients.values():
            client.close()

    def _post(self, stage: str, body: bytes, connection_id: str) -> None:
        answer = self._clients[stage].post_to_connection(ConnectionId=connection_id, Data=body)
        if answer["ResponseMetadata"]["HTTPStatusCode"] != 200:
            raise RuntimeError(answer)
