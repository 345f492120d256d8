"""aiohttp with this project's signing, 64 posts at a time."""

import asyncio
import ssl
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from ..message import HeaderSigner, path

_AT_A_TIME = 64


class Sender:
    """See `senders.Sender`."""

    def __init__(self, url: str, authority: str) -> None:
        self._url, self._host = url, urlsplit(url).netloc
        self._loop = asyncio.new_event_loop()
        self._session = self._loop.run_until_complete(self._make(ssl.create_default_context(cafile=authority)))

    def send(self, stage: str, body: bytes, connection_ids: list[str]) -> None:
        """See `senders.Sender`."""
        self._loop.run_until_complete(self._send(stage, body, iter(connection_ids)))

    def close(self) -> None:
        """See `senders.Sender`."""
        self._loop.run_until_complete(self._session.close())
        self._loop.close()

    async def _make(self, context: ssl.SSLContext) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_AT_A_TIME, ssl=context))

    async def _send(self, stage: str, body: bytes, connection_ids: Any) -> None:
        signer = HeaderSigner(self._host, stage, body)

        async def post() -> None:
            for connection_id in connection_ids:
                url = URL(self._url + path(stage, connection_id), encoded=True)
                async with self._session.post(url, data=body, headers=signer.headers(connection_id)) as answer:
                    await answer.read()
                    if answer.status != 200:
                        raise RuntimeError(answer)

        await asyncio.gather(*(post() for _ in range(_AT_A_TIME)))
