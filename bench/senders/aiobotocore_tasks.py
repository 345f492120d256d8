"""aiobotocore, 64 posts at a time."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from ..message import REGION

_AT_A_TIME = 64


class Sender:
    """See `senders.Sender`."""

    def __init__(self, url: str, authority: str) -> None:
        self._url, self._authority = url, authority
        self._loop = asyncio.new_event_loop()
        self._open = AsyncExitStack()
        self._clients = {stage: self._loop.run_until_complete(self._client(stage)) for stage in ("now", "later")}

    def send(self, stage: str, body: bytes, connection_ids: list[str]) -> None:
        """See `senders.Sender`."""
        self._loop.run_until_complete(self._send(self._clients[stage], body, iter(connection_ids)))

    def close(self) -> None:
        """See `senders.Sender`."""
        self._loop.run_until_complete(self._open.aclose())
        self._loop.close()

    async def _client(self, stage: str) -> Any:
        return await self._open.enter_async_context(
            get_session().create_client(
                "apigatewaymanagementapi",
                region_name=REGION,
                endpoint_url=f"{self._url}/{stage}",
                verify=self._authority,
                config=AioConfig(max_pool_connections=_AT_A_TIME, retries={"total_max_attempts": 1}),
            )
        )

    async def _send(self, client: Any, body: bytes, connection_ids: Any) -> None:
        async def post() -> None:
            for connection_id in connection_ids:
                answer = await client.post_to_connection(ConnectionId=connection_id, Data=body)
                if answer["ResponseMetadata"]["HTTPStatusCode"] != 200:
                    raise RuntimeError(answer)

        await asyncio.gather(*(post() for _ in range(_AT_A_TIME)))
