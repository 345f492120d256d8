"""The bytes of one HTTP/1.1 exchange, without I/O: a request to write, an answer to read however it arrives.

`request` makes the bytes of a request. An `AnswerReader` is fed what comes back, in pieces of any size, and returns the
answer when it is complete; one reader serves one connection, answer after answer. It reads every framing that a server
may choose: Content-Length, chunked with extensions and trailers, no body (204, 304, HEAD), the end of the connection,
and interim answers (1xx) before the real one. What it cannot read is a `ProtocolError`, and so is an answer beyond the
limits.

This module is part of the Lambda's bundle too: it must stay cheap to import.

Framing: https://www.rfc-editor.org/rfc/rfc9112#section-6
"""

from collections.abc import Mapping

from .cheap_typing import Final, NoReturn

# Ours, not AWS's: API Gateway's heads have less than 1 KB, its bodies less than 4 KB. A page of DynamoDB's is 1 MB of
# rows, of which JSON makes up to three times as many bytes.
MAX_HEAD_BYTES: "Final" = 65_536
MAX_BODY_BYTES: "Final" = 4_194_304
_MAX_CHUNK_LINE_BYTES: "Final" = 4_096

_END_OF_HEAD: "Final" = b"\r\n\r\n"
# What the reader waits for.
_HEAD, _SIZED_BODY, _CHUNK_SIZE, _CHUNK, _CHUNK_END, _TRAILERS, _BODY_TO_END = range(7)
_TOKEN: "Final" = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class ProtocolError(Exception):
    """What arrived is not an HTTP/1.1 answer, is larger than the limits, or ended too early. The connection is lost."""


def request(method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return the bytes of a request: head and body. Content-Length is added; the rest is sent as given.

    Args:
        target: path and query, percent-encoded already.

    Raises:
        ValueError: a part has a character that would end it early (a line break, a space in the target).
    """
    if not method.isalpha() or not target.isascii() or not target.isprintable() or " " in target or not target:
        raise ValueError(f"{method!r} {target!r} is no request line; percent-encode the target")
    lines = [f"{method} {target} HTTP/1.1"]
    for name, value in headers.items():
        if not name or not _TOKEN.issuperset(name):
            raise ValueError(f"{name!r} is no header name")
        if "\r" in value or "\n" in value or "\0" in value:
            raise ValueError(f"the header {name} has a line break or a zero byte in its value")
        lines.append(f"{name}: {value}")
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    lines.append("\r\n")
    return "\r\n".join(lines).encode() + body


class Answer:
    """A complete answer.

    Attributes:
        status: the three-digit code.
        body: without framing, at most `MAX_BODY_BYTES`.
        keep_alive: whether the server will take another request on this connection.
    """

    __slots__ = ("_head", "body", "keep_alive", "status")

    def __init__(self, status: int, head: bytes, body: bytes, keep_alive: bool) -> None:
        self.status = status
        self.body = body
        self.keep_alive = keep_alive
        self._head = head

    @property
    def headers(self) -> dict[str, str]:
        """The headers by lower-cased name; values of a repeated one joined by a comma. Parsed at each use.

        Most answers of a broadcast are a bare 200 whose headers nobody reads, so they are not parsed up front.
        """
        return _parse_headers(self._head)

    def __eq__(self, other: object) -> bool:
        """Compare all that the server said."""
        if not isinstance(other, Answer):
            return NotImplemented
        return (self.status, self.headers, self.body, self.keep_alive) == (
            other.status,
            other.headers,
            other.body,
            other.keep_alive,
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Tell status, size and fate of the connection, not the content."""
        return f"Answer(status={self.status}, {len(self.body)} bytes, keep_alive={self.keep_alive})"


class AnswerReader:
    """Reads the answers of one connection, one after another, from pieces of any size.

    After a `ProtocolError` the reader, like its connection, is of no more use.

    Args:
        method: of the request that is answered; an answer to HEAD has no body whatever its headers say.
    """

    __slots__ = (
        "_answer_head",
        "_buffer",
        "_keep_alive",
        "_left",
        "_pieces",
        "_seen",
        "_size",
        "_state",
        "_status",
        "_usual",
        "method",
    )

    def __init__(self, method: str = "POST") -> None:
        self.method = method
        self._buffer = bytearray()  # what has arrived and is not yet consumed
        self._usual: _Usual | None = None  # what this server's answers look like
        self._reset()

    def _reset(self) -> None:
        self._state = _HEAD
        self._seen = 0  # bytes of the heads, trailers and chunk sizes of this answer so far, without the buffer
        self._pieces: list[bytes] = []  # of the body, which is not copied before it is complete
        self._size = 0  # bytes of them
        self._left = 0

    @property
    def is_idle(self) -> bool:
        """Whether no byte of a next answer has arrived. Between requests anything else means: do not use it again."""
        return not self._buffer and not self._seen

    def feed(self, data: bytes) -> Answer | None:
        """Read what arrived; return the answer if it is complete now. What belongs to a next one is kept.

        Raises:
            ProtocolError: it is no HTTP/1.1 answer, or one beyond the limits.
        """
        if not self._buffer and not self._seen:
            # Nearly always an answer arrives in one piece and is like the one before but for its date and request id.
            if self._usual is not None and len(data) <= MAX_HEAD_BYTES and self._usual.is_like(data):
                return Answer(self._usual.status, data, b"", self._usual.keep_alive)
            # And nearly always it says how long it is: nothing to keep, nothing to copy.
            end = data.find(_END_OF_HEAD)
            if 0 <= end <= MAX_HEAD_BYTES:
                head = data[: end + 2]
                status, length, keep_alive = _parse_framing(head)
                if (
                    status >= 200
                    and length is not None
                    and len(data) == end + 4 + length
                    and self._may_have_body(status)
                ):
                    if not length and status < 300 and self._usual is None:
                        self._usual = _Usual(data, status, keep_alive)
                    return Answer(status, head, data[end + 4 :], keep_alive)
        if self._state == _SIZED_BODY and len(data) <= self._left and not self._buffer:
            self._take(data)
            return None if self._left else self._finish()
        self._buffer += data
        return self._advance()

    def eof(self) -> Answer:
        """Record the end of the connection; return the answer if it is the end that completes it.

        Raises:
            ProtocolError: the answer was not complete.
        """
        if self._state == _BODY_TO_END:
            return self._finish()
        if self.is_idle:
            raise ProtocolError("the connection was closed without an answer")
        raise ProtocolError("the connection was closed in the middle of an answer")

    def _advance(self) -> Answer | None:
        """Consume as much of the buffer as makes sense; return the answer if it is complete."""
        buffer = self._buffer
        while True:
            if self._state == _HEAD:
                head = self._take_through(_END_OF_HEAD, MAX_HEAD_BYTES - self._seen, "head")
                if head is None:
                    return None
                if self._begin_body(head + b"\r\n"):
                    return self._finish()
            elif self._state == _SIZED_BODY or self._state == _CHUNK:
                taken = bytes(buffer[: self._left])
                del buffer[: len(taken)]
                self._take(taken)
                if self._left:
                    return None
                if self._state == _SIZED_BODY:
                    return self._finish()
                self._state = _CHUNK_END
            elif self._state == _CHUNK_END:
                if b"\r\n".startswith(buffer) and len(buffer) < 2:
                    return None
                if buffer[:2] != b"\r\n":
                    _fail("a chunk is longer than its size", buffer)
                del buffer[:2]
                self._state = _CHUNK_SIZE
            elif self._state == _CHUNK_SIZE:
                # Bounded for one line and for all: bytes that come one to a chunk would take seconds to put together.
                limit = min(_MAX_CHUNK_LINE_BYTES, MAX_HEAD_BYTES - self._seen)
                line = self._take_through(b"\r\n", limit, "chunk size")
                if line is None:
                    return None
                self._left = _parse_number(line.partition(b";")[0].rstrip(b" \t"), 16, self._size)
                self._state = _CHUNK if self._left else _TRAILERS
            elif self._state == _TRAILERS:
                line = self._take_through(b"\r\n", MAX_HEAD_BYTES - self._seen, "trailer")
                if line is None:
                    return None
                if not line:
                    return self._finish()
            else:
                self._take(bytes(buffer))
                buffer.clear()
                if self._size > MAX_BODY_BYTES:
                    raise ProtocolError(f"the answer's body has more than {MAX_BODY_BYTES:,} bytes")
                return None

    def _take(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        self._left -= len(piece)

    def _take_through(self, mark: bytes, limit: int, what: str) -> bytes | None:
        """Remove from the buffer what stands before the mark, and the mark; return it, None if it is not there yet.

        `_left` remembers where to go on searching, so that bytes that arrive one at a time are not searched anew.
        """
        buffer = self._buffer
        end = buffer.find(mark, self._left)
        if end > limit or (end < 0 and len(buffer) > limit + len(mark)):
            raise ProtocolError(f"the answer's {what} has more than {limit:,} bytes")
        if end < 0:
            if self._state == _HEAD:
                _check_start(buffer)
            self._left = max(0, len(buffer) - len(mark) + 1)
            return None
        taken = bytes(buffer[:end])
        del buffer[: end + len(mark)]
        self._left = 0
        self._seen += end + len(mark)
        return taken

    def _begin_body(self, head: bytes) -> bool:
        """Read the head and decide how the body is framed; return whether there is none and the answer is complete."""
        status, length, keep_alive = _parse_framing(head)
        if status == 101:
            raise ProtocolError("the server wants to switch protocols, which nobody asked for")
        if status < 200:
            return False  # an interim answer: the real one follows
        self._status, self._answer_head, self._keep_alive = status, head, keep_alive
        if length == 0 or not self._may_have_body(status):
            return True
        if length == _CHUNKED:
            self._state = _CHUNK_SIZE
        elif length is None:
            self._state = _BODY_TO_END
            self._keep_alive = False
        else:
            self._state, self._left = _SIZED_BODY, length
        return False

    def _may_have_body(self, status: int) -> bool:
        return status != 204 and status != 304 and self.method != "HEAD"

    def _finish(self) -> Answer:
        answer = Answer(self._status, self._answer_head, b"".join(self._pieces), self._keep_alive)
        self._reset()
        return answer


class _Usual:
    """An answer without a body that has been read, to tell at a glance that another one says the same.

    What follows the names of the headers below may differ: it says nothing about the framing. Everything else must be
    the same, so that the new answer is read as the old one was.
    """

    __slots__ = ("_at", "_length", "_lines", "_same", "keep_alive", "status")

    # From API Gateway; a header that is not here and differs from answer to answer only makes reading take longer.
    _CHANGING = (b"date:", b"x-amzn-requestid:", b"x-amz-apigw-id:", b"x-amzn-trace-id:")

    def __init__(self, wire: bytes, status: int, keep_alive: bool) -> None:
        self.status = status
        self.keep_alive = keep_alive
        self._length = len(wire)
        self._lines = wire.split(b"\r\n")
        self._at: list[tuple[int, bytes]] = []
        self._same: list[tuple[int, bytes]] = []  # where the rest of an answer of this length is, and what it is
        begin = end = 0
        for at, line in enumerate(self._lines):
            name = line[: line.find(b":") + 1]
            if name.lower() in self._CHANGING:
                self._lines[at] = name
                self._at.append((at, name))
                self._same.append((begin, wire[begin : end + len(name)]))
                begin = end + len(line)
            end += len(line) + 2
        self._same.append((begin, wire[begin:]))

    def is_like(self, wire: bytes) -> bool:
        """Return whether these are the bytes of one whole answer that says the same."""
        if len(wire) == self._length and wire.count(b"\r\n") == len(self._lines) - 1:
            for begin, same in self._same:
                if not wire.startswith(same, begin):
                    break
            else:
                return True
        lines = wire.split(b"\r\n")
        if len(lines) != len(self._lines):
            return False
        for at, name in self._at:
            if not lines[at].startswith(name):
                return False
            lines[at] = name
        return lines == self._lines


# Stands for a length that the chunks will tell.
_CHUNKED: "Final" = -1
_USUAL_STARTS: "Final" = {b"HTTP/1.1 %d " % status: status for status in (200, 204, 410, 429)}
# Lower case, and a tab is a space.
_TO_LOWER: "Final" = bytes(range(256)).lower().replace(b"\t", b" ")


def _parse_framing(head: bytes) -> tuple[int, int | None, bool]:
    """Return what the head (to its last line's end) says: status, length of the body, whether the connection stays.

    The length is `_CHUNKED`, or None where the end of the connection will tell. This runs for every message: it looks
    for the three headers that matter instead of taking all of them apart (by `find`: for bytes it is three times as
    fast as `in`).
    """
    status = _USUAL_STARTS.get(head[:13]) or _parse_status(head)
    lowered = head.translate(_TO_LOWER)
    keep_alive = head[7:8] != b"0"
    at = lowered.find(b"\r\nconnection:")
    if at >= 0:
        if lowered[at + 13 : at + 26] == b" keep-alive\r\n" and lowered.find(b"\r\nconnection:", at + 24) < 0:
            keep_alive = True
        else:
            options = {option.strip() for option in _parse_headers(head)["connection"].lower().split(",")}
            keep_alive = "close" not in options and (keep_alive or "keep-alive" in options)
    if lowered.find(b"\r\ntransfer-encoding:") >= 0:
        coding = _parse_headers(head)["transfer-encoding"].lower()
        if lowered.find(b"\r\ncontent-length:") >= 0:
            keep_alive = False  # two framings at once: a sign of something odd between us and the server
        if coding.split(",")[-1].strip() == "chunked":
            return status, _CHUNKED, keep_alive
        return status, None, False
    at = lowered.find(b"\r\ncontent-length:")
    if at < 0:
        return status, None, keep_alive
    if lowered.find(b"\r\ncontent-length:", at + 17) >= 0:
        return status, _agreed_length(head), keep_alive
    if lowered[at + 17 : at + 21] == b" 0\r\n":
        return status, 0, keep_alive
    value = lowered[at + 17 : lowered.find(b"\r\n", at + 17)]
    return status, _parse_number(value.strip(b" "), 10, 0), keep_alive


def _parse_status(head: bytes) -> int:
    code = head[9:12]
    is_status_line = head[:7] == b"HTTP/1." and head[7:8].isdigit() and head[8:9] == b" " and code.isdigit()
    if not is_status_line or code < b"100" or head[12:13] not in (b" ", b"\r", b""):
        _fail("the answer does not begin with a status line", head)
    return int(code)


def _agreed_length(head: bytes) -> int:
    """Return the one value that all Content-Length headers have."""
    values = {value.strip(" \t") for value in _parse_headers(head)["content-length"].split(",")}
    if len(values) != 1:
        raise ProtocolError("the answer has several lengths")
    return _parse_number(values.pop().encode("latin-1"), 10, 0)


def _parse_number(digits: bytes, base: int, before: int) -> int:
    """Return a length in bytes; `before` have been read already and count towards the limit."""
    if not digits or digits.strip(b"0123456789" if base == 10 else b"0123456789abcdefABCDEF"):
        _fail("a length in the answer is no number", digits)
    number = int(digits, base) if len(digits) <= 16 else MAX_BODY_BYTES + 1
    if before + number > MAX_BODY_BYTES:
        raise ProtocolError(f"the answer's body has more than {MAX_BODY_BYTES:,} bytes")
    return number


def _parse_headers(head: bytes) -> dict[str, str]:
    """Return the headers by lower-cased name. A line without a colon is skipped: nothing that we use depends on it."""
    headers: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            name, value = name.lower(), value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _check_start(buffer: bytearray) -> None:
    """Refuse at once what can never become an answer, instead of waiting for an end that may not come."""
    start = bytes(buffer[:7])
    if start != b"HTTP/1."[: len(start)]:
        _fail("the answer does not begin with a status line", start)


def _fail(what: str, data: bytes | bytearray) -> "NoReturn":
    raise ProtocolError(f"{what}: {bytes(data[:40])!r}")
