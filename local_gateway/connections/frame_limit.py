"""API Gateway's limits on frames and messages, kept while a frame comes in: what is too large is dropped unread."""

from typing import NamedTuple

from ..limits import MAX_FRAME, MAX_MESSAGE

_CLOSE = 0x8
_CONTINUATION = 0x0


class _Header(NamedTuple):
    """The header of one frame (RFC 6455, 5.2)."""

    size: int  # bytes of the header itself
    opcode: int
    length: int  # bytes of the payload


class Passed(NamedTuple):
    """What is left of bytes that came in."""

    before: bytes  # up to the frame that is too large
    after: bytes  # behind it: close frames alone


class FrameLimit:
    """Follows the frames in a client's bytes. Once one is too large, everything but close frames is dropped.

    The client may go on sending until it reads our close frame; so it sees code 1009 and not a broken connection.
    """

    __slots__ = ("_head", "_is_dropped", "_left", "_message", "is_over")

    def __init__(self) -> None:
        self.is_over = False  # something was too large
        self._head = b""  # the beginning of a header that has not come whole
        self._left = 0  # bytes of the current frame that are still to come
        self._is_dropped = False  # those bytes are
        self._message = 0  # bytes of the current message so far

    def take(self, data: bytes) -> Passed:
        """Return of `data` what is to be read, without the beginning of a header that has not come whole."""
        if self._head:
            data, self._head = self._head + data, b""
        before: list[bytes] = []
        after: list[bytes] = []
        at = 0
        while at < len(data):
            if not self._left:
                header = _read_header(data, at)
                if header is None:
                    self._head = data[at:]
                    break
                self._begin(header)
            end = min(at + self._left, len(data))
            if not self._is_dropped:
                (after if self.is_over else before).append(data[at:end])
            self._left -= end - at
            at = end
        return Passed(_joined(before), _joined(after))

    def _begin(self, header: _Header) -> None:
        """Decide about a frame by its header."""
        self._left = header.size + header.length
        if header.opcode < _CLOSE:
            self._message = header.length + (self._message if header.opcode == _CONTINUATION else 0)
            self.is_over = self.is_over or header.length > MAX_FRAME or self._message > MAX_MESSAGE
        self._is_dropped = self.is_over and header.opcode != _CLOSE


def _joined(parts: list[bytes]) -> bytes:
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _read_header(data: bytes, at: int) -> _Header | None:
    """Read the header at a place of `data`, `None` if it is not there whole."""
    if len(data) < at + 2:
        return None
    second = data[at + 1]
    size, length = 2, second & 0x7F
    if length > 125:
        size = 4 if length == 126 else 10
        length = int.from_bytes(data[at + 2 : at + size], "big")
    if second & 0x80:
        size += 4
    if len(data) < at + size:
        return None
    return _Header(size, data[at] & 0x0F, length)
