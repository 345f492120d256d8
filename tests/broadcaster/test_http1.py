"""The bytes of one exchange: every framing, split anywhere, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster import http1
from broadcaster.http1 import AnswerReader, ProtocolError

STATUSES = st.sampled_from([200, 201, 204, 304, 400, 403, 410, 413, 429, 500, 503])
TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)
HEADERS = st.lists(
    st.tuples(st.sampled_from([b"Date", b"x-amzn-ErrorType", b"X-A", b"Content-Type"]), TEXT.map(str.encode)),
    max_size=5,
)
BODIES = st.binary(max_size=300)
INTERIM_ANSWER = b"HTTP/1.1 100 Continue\r\n\r\n"
INTERIM = st.lists(st.sampled_from([INTERIM_ANSWER, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]), max_size=2)


def start(status, headers):
    return b"HTTP/1.1 %d Reason\r\n" % status + b"".join(b"%b: %b\r\n" % header for header in headers)


@st.composite
def chunked(draw, body):
    """Frame the body in chunks of any size, with extensions and trailers."""
    framed = b""
    while body:
        size = draw(st.integers(1, len(body)))
        extension = draw(st.sampled_from([b"", b";a=b", b' ; q="x"']))
        digits = draw(st.sampled_from([b"%x", b"%X", b"000%x"])) % size
        framed += digits + extension + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    return framed + b"0\r\n" + draw(st.sampled_from([b"", b"Trailer: x\r\n", b"A: 1\r\nB: 2\r\n"])) + b"\r\n"


@st.composite
def answers(draw):
    """Return the bytes of an answer, its status, its body and whether the end of the connection completes it."""
    status, body, headers = draw(STATUSES), draw(BODIES), draw(HEADERS)
    framing = draw(st.sampled_from(["length", "chunked", "end"]))
    if status in (204, 304):
        body, framing = b"", draw(st.sampled_from(["none", "length"]))
    head = b"".join(draw(INTERIM)) + start(status, headers)
    if framing == "length":
        head += draw(st.sampled_from([b"Content-Length: %d", b"content-length:%d", b"CONTENT-LENGTH:\t%d "])) % len(
            body
        )
        return head + b"\r\n\r\n" + body, status, body, False
    if framing == "chunked":
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + draw(chunked(body)), status, body, False
    return head + b"\r\n" + body, status, body, framing == "end"


def cut(draw_data, data):
    """Split the data at any places."""
    places = sorted(draw_data.draw(st.sets(st.integers(0, len(data)), max_size=8)))
    return [data[left:right] for left, right in zip([0, *places], [*places, len(data)], strict=True)]


def read(pieces, *, ends=False, method="POST"):
    """Feed the pieces; return the answer, or the error's class."""
    reader = AnswerReader(method)
    try:
        for piece in pieces:
            answer = reader.feed(piece)
            if answer is not None:
                return answer
        return reader.eof() if ends else None
    except ProtocolError:
        return ProtocolError


@given(answers(), st.data())
def test_an_answer_is_the_same_however_it_is_split(generated, data):
    wire, status, body, ends = generated
    whole = read([wire], ends=ends)
    assert (whole.status, whole.body) == (status, body)
    assert read(cut(data, wire), ends=ends) == whole
    assert read([wire[i : i + 1] for i in range(len(wire))], ends=ends) == whole


STATUS_LINES = [b"HTTP/1.1 ", b"HTTP/1.0 ", b"200", b"204 ", b"100 x", b" OK", b"\r\n", b"\r\n\r\n", b"\n"]
FIELDS = [b"Content-Length: ", b"Transfer-Encoding: ", b"chunked", b"Connection: ", b"close", b"keep-alive", b", "]
VALUES = [b"0", b"5", b"-1", b"a;b", b" ", b"\0", b"\xff"]
FRAGMENTS = st.sampled_from(STATUS_LINES + FIELDS + VALUES)


@given(st.lists(FRAGMENTS | st.binary(max_size=4), max_size=20).map(b"".join), st.booleans(), st.data())
def test_noise_is_read_the_same_however_it_is_split(noise, is_answer, data):
    wire = (b"HTTP/1.1 200 OK\r\n" if is_answer else b"") + noise
    assert read(cut(data, wire), ends=True) == read([wire], ends=True)


@given(st.lists(answers().filter(lambda answer: not answer[3]), min_size=1, max_size=4), st.data())
def test_one_reader_reads_answer_after_answer(generated, data):
    reader, read_so_far = AnswerReader(), []
    for piece in cut(data, b"".join(wire for wire, *_ in generated)):
        answer = reader.feed(piece)
        while answer is not None:
            read_so_far.append((answer.status, answer.body))
            answer = reader.feed(b"")
    assert read_so_far == [(status, body) for _, status, body, _ in generated]
    assert reader.is_idle


@pytest.mark.parametrize("length", [1, 200])
@pytest.mark.parametrize("padding", range(16))
def test_an_answer_is_complete_with_its_last_byte_and_not_before(padding, length):
    body = bytes(range(length))
    wire = start(200, [(b"X", b"x" * padding)]) + b"Content-Length: %d\r\n\r\n" % length + body
    for missing in range(1, length + 1):
        reader = AnswerReader()
        assert reader.feed(wire[:-missing]) is None
        assert reader.feed(wire[-missing:]).body == body


def test_answers_with_the_same_body_all_have_it():
    reader = AnswerReader()
    assert [reader.feed(start(200, []) + b"Content-Length: 2\r\n\r\nok").body for _ in range(3)] == [b"ok"] * 3


def test_an_interim_answer_with_a_length_is_not_the_answer():
    reader = AnswerReader()
    assert reader.feed(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\n") is None
    assert reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").status == 200


@pytest.mark.parametrize("more", [b"H", b"HTTP"])
def test_what_follows_an_answer_unasked_shows(more):
    reader = AnswerReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + more).body == b"ok"
    assert not reader.is_idle


ALIKE = st.lists(
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 204 No Content\r\n",
            b"Date: Sun, 22 Nov 2026 22:58:43 GMT\r\n",
            b"Date: Sun, 22 Nov 2026 22:58:44 GMT\r\n",
            b"Date: x\r\nConnection: close\r\n",
            b"x-amzn-RequestId: 7ad47416\r\n",
            b"X-Amzn-RequestID: c2\r\n",
            b"Connection: keep-alive\r\n",
            b"Connection: close\r\n",
            b"Content-Length: 0\r\n",
            b"Content-Length: 2\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"\r\n",
            b"0\r\n\r\n",
            b"ok",
        ]
    ),
    max_size=8,
)


@given(st.lists(ALIKE.map(b"".join), min_size=1, max_size=6))
def test_an_answer_is_read_alike_after_any_others(pieces):
    usual = b"HTTP/1.1 200 OK\r\nDate: y\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"
    reader = AnswerReader()
    assert reader.feed(usual).status == 200
    for piece in [usual, *pieces, usual.replace(b"y", b"z"), *(b"HTTP/1.1 200 OK\r\n" + piece for piece in pieces)]:
        fresh = AnswerReader()
        try:
            expected = fresh.feed(piece)
        except ProtocolError:
            with pytest.raises(ProtocolError):
                reader.feed(piece)
            return
        assert reader.feed(piece) == expected
        assert reader.is_idle == fresh.is_idle
        if not fresh.is_idle:
            return


USUAL = (
    b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 22:58:43 GMT\r\n"
    b"x-amzn-RequestId: 7ad47416-1d2c-4e0b\r\nContent-Length: 0\r\n\r\n"
)
OVERWRITTEN = [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\r\nConnection: close\r\n", b"\r\nContent-Length: 2\r\n"]


@given(
    st.lists(st.tuples(st.sampled_from(OVERWRITTEN), st.integers(0, len(USUAL))), max_size=3),
    st.sampled_from([b"", b"ok", b"\r\n"]),
)
def test_an_answer_as_long_as_the_usual_one_is_read_as_if_there_were_none(changes, more):
    wire = bytearray(USUAL)
    for piece, at in changes:
        wire[at : at + len(piece)] = piece[: len(USUAL) - at]
    readers = [AnswerReader(), AnswerReader()]
    readers[0].feed(USUAL)
    read = []
    for reader in readers:
        try:
            read.append((reader.feed(bytes(wire) + more), reader.is_idle))
        except ProtocolError as error:
            read.append((str(error), None))
    assert read[0] == read[1]


def test_only_what_changes_from_answer_to_answer_may_differ_from_the_usual_one():
    usual = b"HTTP/1.1 200 OK\r\nDate: y\r\nX-Amzn-RequestId: 1\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"
    reader = AnswerReader()
    answers = [
        reader.feed(wire)
        for wire in (
            usual,
            usual.replace(b": y", b": tomorrow").replace(b": 1", b": 2"),
            usual.replace(b"200 OK", b"410 Gone"),
            usual.replace(b"keep-alive", b"close"),
            usual.replace(b"Date: y", b"Connection: close").replace(b"X-Amzn-RequestId: 1", b"A: b"),
            usual.replace(b"Date: y", b"Connection: close"),
        )
    ]
    assert [(answer.status, answer.keep_alive) for answer in answers] == [
        (200, True), (200, True), (410, True), (200, False), (200, False), (200, False),
    ]  # fmt: skip
    assert answers[1].headers["date"] == "tomorrow"
    with pytest.raises(ProtocolError):
        reader.feed(usual.replace(b": y", b": " + b"y" * 70_000))


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nconnection:Keep-Alive, CLOSE\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", True),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive, x\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: x\r\n", True),
    ],
)
def test_the_server_says_whether_the_connection_stays(head, keep_alive):
    assert AnswerReader().feed(head + b"Content-Length: 0\r\n\r\n").keep_alive is keep_alive


def test_a_connection_with_two_framings_in_one_answer_is_not_used_again():
    head = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n"
    chunks = b"\r\n5\r\nhello\r\n0\r\n\r\n"
    assert AnswerReader().feed(head + chunks).keep_alive
    assert not AnswerReader().feed(head + b"Content-Length: 5\r\n" + chunks).keep_alive


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip, chunked", b"hello"),
        *((coding, b"5\r\nhello\r\n0\r\n\r\n") for coding in (b"chunked, gzip", b"chunked, br")),
    ],
)
def test_only_where_chunked_is_the_last_coding_chunks_frame_the_body(coding, body):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %b\r\n" % coding
    assert read([head + b"\r\n5\r\nhello\r\n0\r\n\r\n"], ends=True).body == body


def test_an_answer_to_head_has_no_body():
    answer = read([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"], method="HEAD")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method", ["DELETE", "GET", "POST"])
def test_an_answer_to_any_other_method_has_its_body(method):
    assert read([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"], method=method).body == b"hello"


def test_headers_are_found_by_lower_cased_name_and_repeats_are_joined():
    answer = read(
        [b"HTTP/1.1 410 Gone: x\r\nx-amzn-ErrorType:  GoneException \r\nA: 1\r\na: 2\r\nContent-Length: 0\r\n\r\n"]
    )
    assert answer.headers == {"x-amzn-errortype": "GoneException", "a": "1, 2", "content-length": "0"}


def test_answers_that_say_something_else_are_not_equal():
    lengths = [b"0\r\n\r\n", b"1\r\n\r\na", b"1\r\n\r\nb"]
    answers = [read([start(status, []) + b"Content-Length: " + rest]) for status in (200, 201) for rest in lengths]
    assert [[one == another for one in answers] for another in answers] == [
        [i == j for i in range(6)] for j in range(6)
    ]


def test_an_answer_until_the_end_of_the_connection_ends_it():
    answer = read([b"HTTP/1.1 500 Oops\r\n\r\nsorry"], ends=True)
    assert (answer.status, answer.body, answer.keep_alive) == (500, b"sorry", False)


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"GET / HTTP/1.1\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1x200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1\t200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\n\r\n",
        b"HTTP/1.1 2000 Odd\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1f\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4194305\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4194305\r\nContent-Length: 4194305\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n" % (b"9" * 5000),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nlonger\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nlonge0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nlon\0\x000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;%b\r\n" % (b"x" * 5000),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 12_000,
        b"HTTP/1.1 200 OK\r\nX: %b\r\n\r\n" % (b"x" * 70_000),
        b"HTTP/1.1 200 OK\r\nX: %b" % (b"x" * 70_000),
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 4_194_305,
    ],
)
def test_what_is_no_answer_or_too_large_is_refused(wire):
    with pytest.raises(ProtocolError):
        AnswerReader().feed(wire)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("before", "counted", "limit", "after"),
    [
        (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ", 65_536, b"\r\n\r\n"),
        (b"", INTERIM_ANSWER + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ", 65_536, b"\r\n\r\n"),
        (CHUNKED, b"1;", 4_096, b"\r\nx\r\n0\r\n\r\n"),
        (b"", CHUNKED + b"0\r\nX: ", 65_534, b"\r\n\r\n"),  # and two for the empty line
        (b"HTTP/1.1 200 OK\r\n\r\n", b"", 4_194_304, b""),
    ],
    ids=["head", "heads", "chunk size", "trailers", "body"],
)
def test_what_is_as_large_as_the_limit_is_read_and_one_byte_more_is_not(before, counted, limit, after):
    def wire(size):
        return before + counted + b"x" * (size - len(counted)) + after

    for last in range(8):
        at = len(wire(limit)) - last
        assert read([wire(limit)[:at], wire(limit)[at:]], ends=True).status == 200
        assert read([wire(limit + 1)[: at + 1], wire(limit + 1)[at + 1 :]], ends=True) is ProtocolError


def test_chunks_that_make_the_largest_body_are_read_and_one_byte_more_is_not():
    chunk = b"3FFFFF\r\n%b\r\n" % (b"x" * 4_194_303)
    assert len(read([CHUNKED + chunk + b"1\r\nx\r\n0\r\n\r\n"]).body) == 4_194_304
    assert read([CHUNKED + chunk + b"2\r\n"]) is ProtocolError


def test_a_length_may_have_sixteen_digits():
    assert read([b"HTTP/1.1 200 OK\r\nContent-Length: 0000000000000002\r\n\r\nok"]).body == b"ok"


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"])
def test_an_answer_that_ends_early_is_no_answer(sent):
    reader = AnswerReader()
    assert reader.feed(sent) is None
    assert reader.is_idle is (sent == b"")
    with pytest.raises(ProtocolError, match="closed"):
        reader.eof()


def test_a_request_has_its_length():
    wire = http1.request("POST", "/production/@connections/a%3D", {"Host": "h"}, b"{}")
    assert wire == b"POST /production/@connections/a%3D HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
    assert http1.request("GET", "/a", {"Host": "h"}) == b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
    assert http1.request("POST", "/a", {"Host": "h"}).endswith(b"Content-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/a b", {}),
        ("GET", "/a\r\nX: y", {}),
        ("GET", "/ü", {}),
        ("GET", "", {}),
        ("G T", "/a", {}),
        ("GET", "/a", {"X": "y\r\nZ: 1"}),
        ("GET", "/a", {"X": "y\rZ: 1"}),
        ("GET", "/a", {"X": "y\nZ: 1"}),
        ("GET", "/a", {"X": "y\0"}),
        ("GET", "/a", {"X:": "y"}),
        ("GET", "/a", {"": "y"}),
    ],
)
def test_a_request_cannot_carry_another_one(method, target, headers):
    with pytest.raises(ValueError, match=r"request line|header"):
        http1.request(method, target, headers)


def test_the_bytes_of_an_exchange_need_no_heavy_module():
    """The Lambda imports these two; a fresh interpreter shows what they pull in."""
    import subprocess
    import sys

    code = "import sys, broadcaster.http1, broadcaster.signing; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"ssl", "email", "urllib.parse", "typing", "json", "logging", "asyncio", "boto3", "socket"} & set(loaded)


@pytest.mark.parametrize("chunk", [b"1\r\nx\r\n", b"1;" + b"e" * 4000 + b"\r\nx\r\n"])
def test_chunks_that_never_end_are_refused_before_they_are_many(chunk):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert AnswerReader().feed(head + chunk * 10) is None
    with pytest.raises(ProtocolError, match="chunk size has more than"):
        AnswerReader().feed(head + chunk * 30_000)


def test_the_largest_length_and_one_that_is_told_twice_alike_hold():
    for body in (b"hello, world", b"x" * 4_194_304):
        length = b"Content-Length: %d\r\n" % len(body)
        for told in (length, length * 2):
            assert AnswerReader().feed(b"HTTP/1.1 200 OK\r\n" + told + b"\r\n" + body).body == body


def test_two_lengths_are_an_error_that_says_so():
    with pytest.raises(ProtocolError, match=r"^the answer has several lengths$"):
        AnswerReader().feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")
