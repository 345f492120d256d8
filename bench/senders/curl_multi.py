"""libcurl's multi interface (pycurl) with this project's signing, 64 posts at a time."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pycurl

from ..message import HeaderSigner, path

_AT_A_TIME = 64


class Sender:
    """See `senders.Sender`."""

    def __init__(self, url: str, authority: str) -> None:
        self._url, self._host = url, urlsplit(url).netloc
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, _AT_A_TIME)
        self._handles = [self._handle(authority) for _ in range(_AT_A_TIME)]

    def send(self, stage: str, body: bytes, connection_ids: list[str]) -> None:
        """See `senders.Sender`."""
        signer, waiting, active = HeaderSigner(self._host, stage, body), iter(connection_ids), 0
        for handle in self._handles:
            handle.setopt(pycurl.POSTFIELDS, body)
            active += self._post(handle, signer, stage, waiting)
        while active:
            self._multi.perform()
            while True:
                queued, done, failed = self._multi.info_read()
                if failed:
                    raise RuntimeError(failed[0])
                for handle in done:
                    if handle.getinfo(pycurl.RESPONSE_CODE) != 200:
                        raise RuntimeError(handle.getinfo(pycurl.RESPONSE_CODE))
                    self._multi.remove_handle(handle)
                    active += self._post(handle, signer, stage, waiting) - 1
                if not queued:
                    break
            if active:
                self._multi.select(1.0)

    def close(self) -> None:
        """See `senders.Sender`."""
        for handle in self._handles:
            handle.close()
        self._multi.close()

    def _handle(self, authority: str) -> pycurl.Curl:
        handle = pycurl.Curl()
        handle.setopt(pycurl.CAINFO, authority)
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.WRITEFUNCTION, lambda data: None)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        return handle

    def _post(self, handle: pycurl.Curl, signer: HeaderSigner, stage: str, waiting: Iterator[str]) -> bool:
        """Begin with the next one, if there is one left."""
        connection_id = next(waiting, None)
        if connection_id is None:
            return False
        handle.setopt(pycurl.URL, self._url + path(stage, connection_id))
        headers = signer.headers(connection_id)
        handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in headers.items()] + ["Content-Type:"])
        self._multi.add_handle(handle)
        return True
