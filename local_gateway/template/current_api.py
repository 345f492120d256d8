"""The API as its template now describes it: another synthesis takes effect without a restart."""

import os
from collections.abc import Callable

from ..errors import GatewayError
from .api import WebSocketApi


class CurrentApi:
    """Reads the API again once its template has changed.

    Args:
        api: as it was read first.
        read: reads it again; without it, the first stays.
        changed: told of each new one before it is used.
        warn: told why a changed template was passed over. A synthesis writes its files one after the other, so
            reading is tried again with each event until it succeeds.
    """

    def __init__(
        self,
        api: WebSocketApi,
        read: Callable[[], WebSocketApi] | None,
        changed: Callable[[WebSocketApi], None],
        warn: Callable[[str], None],
    ) -> None:
        self.api = api
        self._read = read
        self._changed = changed
        self._warn = warn
        self._warned = ""
        self._seen = self._stamp()

    def __call__(self) -> WebSocketApi:
        """The API as it is now; costs one look at the template's time of change."""
        if self._read is not None and (stamp := self._stamp()) != self._seen:
            try:
                api = self._read()
                if api.stage != self.api.stage:
                    raise GatewayError(f"its stage is now {api.stage}, and the addresses given out are for another")
                self._changed(api)
            except GatewayError as error:
                if str(error) != self._warned:
                    self._warned = str(error)
                    self._warn(f"the template has changed but is passed over: {error}")
            else:
                self.api, self._seen, self._warned = api, stamp, ""
        return self.api

    def _stamp(self) -> tuple[int, int] | None:
        if self.api.template is None:
            return None
        try:
            status = os.stat(self.api.template)  # noqa: PTH116 - before each event, and Path is slower
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size
