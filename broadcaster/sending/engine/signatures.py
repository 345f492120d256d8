"""The signatures of an engine: what stays the same for a minute is kept from broadcast to broadcast."""

from collections.abc import Callable, Mapping

from ...aws.credentials import CredentialSource
from ...endpoint import Endpoint
from ...errors import ConfigurationError
from ...signing import ConnectionSigner, Credentials
from .clock_skew import server_offset

# A signature is good for five minutes around its time; one that is a minute old survives clocks that differ by four.
_SIGN_AGAIN_AFTER = 60.0  # seconds


class Signatures:
    """Signs requests to one endpoint, with the credentials of now. Thread-safe.

    Args:
        wall_clock: the time of day, which signatures carry; nothing else depends on it, because it may jump.

    Attributes:
        offset: how far the server's clock is ahead of ours, in seconds, since a refusal has told.
    """

    def __init__(self, endpoint: Endpoint, credentials: CredentialSource, wall_clock: Callable[[], float]) -> None:
        self.credentials = credentials
        self.wall_clock = wall_clock
        self.offset = 0.0
        self._host = endpoint.authority
        self._region = endpoint.region
        self._base_path = endpoint.base_path
        # By method: signer without a body, the credentials, when it was made and with what offset.
        self._kept: dict[str, tuple[ConnectionSigner, Credentials, float, float]] = {}

    def make(self, method: str, body: bytes, credentials: Credentials) -> tuple[ConnectionSigner, float]:
        """Return a signer for these requests, and when what it shares with others was made."""
        now = self.wall_clock()
        kept = self._kept.get(method)
        if (
            kept is None
            or abs(now - kept[2]) > _SIGN_AGAIN_AFTER
            or kept[3] != self.offset
            or (kept[1] is not credentials and kept[1] != credentials)
        ):
            signer = ConnectionSigner(
                credentials,
                host=self._host,
                region=self._region,
                base_path=self._base_path,
                method=method,
                body=b"",
                now=now + self.offset,
            )
            kept = self._kept[method] = signer, credentials, now, self.offset
        return kept[0].with_body(body), kept[2]


class TaskSigner:
    """Signs the requests of one task. Not thread-safe.

    Attributes:
        head: `ConnectionSigner.head` for this task; `refresh` makes it.
    """

    __slots__ = ("_body", "_credentials", "_method", "_offset", "_signatures", "_signed_at", "head")

    head: Callable[[str], bytes]

    def __init__(self, signatures: Signatures, method: str, body: bytes) -> None:
        self._signatures = signatures
        self._method = method
        self._body = body
        self._credentials: Credentials | None = None
        self._signed_at = 0.0
        self._offset = 0.0

    def refresh(self) -> None:
        """Sign with the time and the credentials of now, if the last ones are too old. Call it before posting.

        Raises:
            ConfigurationError: there are no credentials.
        """
        if self._credentials is None or abs(self._signatures.wall_clock() - self._signed_at) > _SIGN_AGAIN_AFTER:
            self._sign(self._signatures.credentials.read())

    def renew(self, headers: Mapping[str, str]) -> bool:
        """Look whether old credentials or a wrong clock were the reason; return whether signing again may help.

        Args:
            headers: of the refusal.
        """
        signatures, before = self._signatures, (self._credentials, self._offset)
        try:
            credentials = signatures.credentials.read(anew=True)
        except ConfigurationError:
            return False
        signatures.offset = server_offset(headers, signatures.wall_clock())
        self._sign(credentials)
        return before != (self._credentials, self._offset)

    def _sign(self, credentials: Credentials) -> None:
        self._credentials, self._offset = credentials, self._signatures.offset
        signer, self._signed_at = self._signatures.make(self._method, self._body, credentials)
        self.head = signer.head
