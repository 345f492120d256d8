"""Fuzz the reader of answers, guided by coverage: `python3 dev.py bench fuzz_http1 [seconds]`, an hour by default.

Whatever a server sends, and however the network cuts it: the reader returns answers or raises `ProtocolError`, the same
ones for any cut, and never holds more than its limits. A short run of the same laws is in the tests of `http1`; this
one is for after a change of the reader. It ends with libFuzzer's count of inputs, or with the input that broke a law.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports():
    from broadcaster import http1

DICTIONARY = (
    *(
        "HTTP/1.1 200 OK\\x0d\\x0a",
        "HTTP/1.0 ",
        "HTTP/1.1 100 Continue\\x0d\\x0a\\x0d\\x0a",
        "204",
        "304",
        "410",
        "101",
    ),
    *(
        "Content-Length: ",
        "Transfer-Encoding: chunked\\x0d\\x0a",
        "gzip, chunked",
        "Connection: ",
        "close",
        "keep-alive",
    ),
    *("\\x0d\\x0a", "\\x0d\\x0a\\x0d\\x0a", "0\\x0d\\x0a\\x0d\\x0a", ";a=b", ", ", "\\x09", "X: y\\x0d\\x0a"),
)
SEEDS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nT: x\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 410 Gone\r\nx-amzn-ErrorType: GoneException\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.0 500 Oops\r\nConnection: Keep-Alive, close\r\n\r\nuntil the end",
    b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
)
# Small limits, so that inputs of a few hundred bytes run into them too.
LIMITS = {"MAX_HEAD_BYTES": 256, "MAX_BODY_BYTES": 128, "_MAX_CHUNK_LINE_BYTES": 24}
REAL_LIMITS = {name: getattr(http1, name) for name in LIMITS}

Outcome = list[tuple[int, dict[str, str], bytes, bool] | str]


def read(pieces: list[bytes], method: str) -> Outcome:
    """Return the answers in these pieces of one connection's bytes, and how it ended."""
    reader, outcome = http1.AnswerReader(method), Outcome()
    try:
        for piece in pieces:
            answer = reader.feed(piece)
            while answer is not None:
                outcome.append((answer.status, answer.headers, answer.body, answer.keep_alive))
                answer = reader.feed(b"") if not reader.is_idle else None
            held = len(reader._buffer) + reader._size
            if held > http1.MAX_HEAD_BYTES + http1.MAX_BODY_BYTES + http1._MAX_CHUNK_LINE_BYTES:
                raise AssertionError(f"the reader holds {held} bytes")
        answer = reader.eof()
        outcome.append((answer.status, answer.headers, answer.body, answer.keep_alive))
    except http1.ProtocolError as error:
        outcome.append(str(error) if str(error).startswith("the connection was closed") else "refused")
    return outcome


def check(data: bytes) -> None:
    """Hold the reader to its laws for one input: some bytes that say how to cut, then those of the connection."""
    choices = atheris.FuzzedDataProvider(data)
    limits = LIMITS if choices.ConsumeBool() else REAL_LIMITS
    for name, limit in limits.items():
        setattr(http1, name, limit)
    method = "HEAD" if choices.ConsumeIntInRange(0, 7) == 7 else "POST"
    places = sorted(choices.ConsumeIntListInRange(choices.ConsumeIntInRange(0, 6), 0, 400))
    wire = choices.ConsumeBytes(choices.remaining_bytes())
    whole = read([wire], method)
    cut = [wire[left:right] for left, right in zip([0, *places], [*places, len(wire)], strict=True)]
    if read(cut, method) != whole:
        raise AssertionError(f"cut at {places}: {read(cut, method)}, whole: {whole}")
    ends = [at + 4 for at in range(len(wire)) if wire.startswith(b"\r\n\r\n", at)]
    answers = [wire[left:right] for left, right in zip([0, *ends], [*ends, len(wire)], strict=True)]
    if read(answers, method) != whole:  # one at a time, which is the way that remembers what they look like
        raise AssertionError(f"cut at {ends}: {read(answers, method)}, whole: {whole}")
    if read([wire[at : at + 1] for at in range(len(wire))], method) != whole:
        raise AssertionError(f"byte by byte: {read([wire[at : at + 1] for at in range(len(wire))], method)}, {whole}")


def main() -> int:
    """Fuzz for so many seconds; the process ends in libFuzzer, which tells how many inputs it has run."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 3600
    with tempfile.TemporaryDirectory() as folder:
        words, corpus = Path(folder, "words.txt"), Path(folder, "corpus")
        words.write_text("".join(f'"{word}"\n' for word in DICTIONARY))
        corpus.mkdir()
        for number, seed in enumerate(SEEDS):
            (corpus / str(number)).write_bytes(seed + b"\0\0\0")  # atheris takes its numbers from the end
        artifacts = Path(".dev")
        artifacts.mkdir(exist_ok=True)
        # An input that libFuzzer breaks a law with is written here too, so that nothing is left in the repository.
        options = [
            f"-artifact_prefix={artifacts.resolve()}/",
            f"-max_total_time={seconds}",
            f"-dict={words}",
            "-max_len=600",
            "-timeout=600",
            "-rss_limit_mb=512",
        ]
        atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", "-verbosity=1", str(corpus)], check)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
