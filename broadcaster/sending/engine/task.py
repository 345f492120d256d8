"""One broadcast, or one single request, on its way through the engine's loop."""

import time
from collections.abc import Callable, Mapping

from ...aws.credentials import CredentialSource
from ...endpoint import Endpoint
from ...errors import ConfigurationError
from ...http1 import Answer
from ...signing import ConnectionSigner, Credentials
from ..fan_out import FanOut
from ..refusals import is_about_the_signature
from .clock_skew import server_offset

# A signature is good for five minutes around its time; one that is a minute old survives clocks that differ by four.
_SIGN_AGAIN_AFTER = 60.0  # seconds
_STALE_BATCH = 1_000


class Task:
    """What the loop needs to know of a broadcast: what to send, to whom next, and when to stop.

    Args:
        make_fan_out: makes the decisions; gets what to ask when a refusal may be about the signature.
        on_stale: gets the connections that are gone, in batches.
        stop: asked several times a second whether to give up.
        wall_clock: the time of day, which signatures carry; nothing else depends on it, because it may jump.
    """

    def __init__(
        self,
        make_fan_out: Callable[[Callable[[str, Mapping[str, str]], bool]], FanOut],
        method: str,
        body: bytes,
        *,
        endpoint: Endpoint,
        credentials: CredentialSource,
        on_stale: Callable[[list[str]], None],
        stop: Callable[[], bool] | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.fan_out = make_fan_out(self._renew)
        self.method = method
        self.body = body
        self.last: Answer | None = None  # of a single request
        self.is_over = False
        self.has_had_links = False  # whether a link has been opened meanwhile
        self.error: Exception | None = None  # what ended it before its time
        self._endpoint = endpoint
        self._source = credentials
        self._credentials: Credentials | None = None
        self._on_stale = on_stale
        self._stop = stop
        self._wall_clock = wall_clock
        self._offset = 0.0  # what the server's clock shows more than ours
        self._signed_at = 0.0
        self.signer: ConnectionSigner

    def refresh(self) -> None:
        """Sign with the time and the credentials of now, if the last ones are too old. Call it before posting.

        Raises:
            ConfigurationError: there are no credentials.
        """
        now = self._wall_clock()
        if self._credentials is None or abs(now - self._signed_at) > _SIGN_AGAIN_AFTER:
            self._credentials = self._source.read()
            self._sign(now)

    def wants_to_stop(self) -> bool:
        """Ask the caller whether to give up."""
        return self._stop is not None and self._stop()

    def report_stale(self, *, all_of_them: bool = False) -> None:
        """Hand over the connections that are gone, if they are many or if it is the end."""
        count = len(self.fan_out.stale)
        if count >= _STALE_BATCH or (count and all_of_them):
            stale = self.fan_out.take_stale()
            for start in range(0, count, _STALE_BATCH):
                self._on_stale(stale[start : start + _STALE_BATCH])

    def _sign(self, now: float) -> None:
        endpoint = self._endpoint
        if self._credentials is None:
            return
        self._signed_at = now
        self.signer = ConnectionSigner(
            self._credentials,
            host=endpoint.authority,
            region=endpoint.region,
            base_path=endpoint.base_path,
            method=self.method,
            body=self.body,
            now=now + self._offset,
        )

    def _renew(self, error: str, headers: Mapping[str, str]) -> bool:
        """Look whether old credentials or a wrong clock were the reason; return whether signing again may help."""
        if not is_about_the_signature(error):
            return False
        before = self._credentials, self._offset
        now = self._wall_clock()
        try:
            self._credentials = self._source.read(anew=True)
        except ConfigurationError:
            return False
        self._offset = server_offset(headers, now)
        self._sign(now)
        return before != (self._credentials, self._offset)
