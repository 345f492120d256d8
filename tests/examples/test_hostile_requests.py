"""What somebody sends who is not the page: it is answered with a reason in 4xx, and nobody else notices."""

import json
import socket

import pytest

TEXTS = [
    pytest.param('"\\ud800"', id="half an emoji"),
    pytest.param('"a\\u0000b"', id="a zero byte"),
    pytest.param('"a\\nINFO forged"', id="a line break"),
    pytest.param('"\\u001b[2J"', id="an escape sequence"),
    pytest.param('"a\\u2028b"', id="a line separator"),
    pytest.param(json.dumps("x" * 60_000), id="60 KB"),
    pytest.param('""', id="nothing"),
    pytest.param("7", id="a number"),
    pytest.param("NaN", id="NaN"),
    pytest.param("1e999", id="infinity"),
    pytest.param("9" * 5_000, id="a long number"),
    pytest.param('["a"]', id="a list"),
    pytest.param('{"a": "\\ud800"}', id="an object"),
    pytest.param("[" * 20_000, id="deep"),
]
BODIES = [
    pytest.param(b"", id="no body"),
    pytest.param(b"{", id="half an object"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="a list"),
    pytest.param(b'"\\ud800"', id="half an emoji"),
    pytest.param(b'{"\xff": 1}', id="not UTF-8"),
    pytest.param(b"[" * 50_000, id="deep"),
    pytest.param(b'{"' + b"x" * 60_000 + b'": NaN}', id="a long name"),
]
FIELDS = [
    ("/session", '{{"user": {0}, "password": "x"}}'),
    ("/session", '{{"user": "demo", "password": {0}}}'),
    ("/websocket/register", '{{"connection_id": {0}}}'),
    ("/websocket/register", '{{"connection_id": "L0SM9cOFvHcCIhw=", "channels": [{0}]}}'),
    ("/websocket/auth", '{{"connection_id": {0}, "channel": "admin"}}'),
    ("/websocket/auth", '{{"connection_id": "L0SM9cOFvHcCIhw=", "channel": {0}}}'),
    ("/websocket/history", '{{"channel": {0}}}'),
    ("/websocket/history", '{{"channel": "admin", "since": {0}}}'),
    ("/websocket/history", '{{"channels": [{{"channel": {0}}}]}}'),
    ("/runs", '{{"run_name": {0}}}'),
    ("/simulation/runs", '{{"run_name": {0}}}'),
]
JSON = {"Content_Type": "application/json"}


def say_why(answer):
    """Check that a refusal has a short reason, and return it."""
    assert 400 <= answer.status < 500, answer
    reason = answer.json["detail"]
    assert isinstance(reason, str)
    assert 0 < len(reason) <= 500
    return reason


@pytest.mark.parametrize(("path", "body"), FIELDS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_cannot_be_is_refused_with_a_reason(backend, cookie, path, body, text):
    say_why(backend.ask("POST", path, body.format(text), Cookie=cookie, **JSON))
    assert backend.ask("GET", "/runs", Cookie=cookie).status == 200


@pytest.mark.parametrize("path", ["/session", "/websocket/register", "/websocket/auth", "/websocket/history", "/runs"])
@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_not_what_is_asked_for_is_refused_with_a_reason(backend, cookie, path, body):
    say_why(backend.ask("POST", path, body, Cookie=cookie, **JSON))


@pytest.mark.parametrize("speed", ["NaN", "-Infinity", "1e999", '"\\ud800"', "null", "[]", "9" * 5_000])
def test_a_speed_that_is_none_is_refused_with_a_reason(backend, cookie, speed):
    say_why(backend.ask("PUT", "/simulation", f'{{"speed": {speed}}}', Cookie=cookie, **JSON))


def test_what_is_refused_is_not_recorded(backend, cookie):
    before = backend.ask("GET", "/runs", Cookie=cookie).text
    for name in ("x" * 101, "a\nb"):
        backend.ask("POST", "/runs", {"run_name": name}, Cookie=cookie)
    assert backend.ask("GET", "/runs", Cookie=cookie).text == before


def test_names_of_every_language_are_taken(backend, cookie):
    names = ["Überprüfung", "契約\u3000審査", "👩\u200d💻 run", "x" * 100]
    for name in names:
        assert backend.ask("POST", "/simulation/runs", {"run_name": name}, Cookie=cookie).status == 202


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("path", ["/session", "/runs"])
def test_of_a_body_without_end_little_is_read(backend, cookie, path, is_chunked):
    """Of 100 MB the backend takes what lies in the buffers of the two sockets."""
    size = 100_000_000
    framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}"
    part = b"x" * 10_000
    with socket.create_connection(("127.0.0.1", backend.port), timeout=20) as client:
        head = [
            f"POST {path} HTTP/1.1",
            "Host: x",
            f"Cookie: {cookie}",
            "Content-Type: application/json",
            framing,
            "",
            "",
        ]
        client.sendall("\r\n".join(head).encode())
        sent = 0
        try:
            while sent < size:
                client.sendall(b"%x\r\n%s\r\n" % (len(part), part) if is_chunked else part)
                sent += len(part)
        except (ConnectionError, TimeoutError):
            pass
    assert sent < size / 4
    assert backend.ask("GET", "/runs", Cookie=cookie).status == 200


def test_a_body_that_is_too_large_is_refused_with_a_reason(backend, cookie):
    answer = backend.ask("POST", "/runs", {"run_name": "x" * 70_000}, Cookie=cookie)
    assert answer.status == 413
    assert say_why(answer) == "the body has more than 65536 bytes"


@pytest.mark.parametrize(
    "path", ["/%00", "/client/%00", "/%ff", "/" + "x" * 5_000, "/..%2f..%2fREADME.md", "/%0d%0aX: y"]
)
def test_a_path_that_is_none_is_not_found(backend, path):
    assert backend.ask("GET", path.replace(" ", "%20")).status in (400, 404)


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !", "Basic 4pyT", "Basic ZGVtbw==", "Bearer x", "Basic " + "A" * 9_000]
)
def test_a_malformed_login_is_none_and_no_browser_asks_for_another(backend, header):
    answer = backend.ask("GET", "/runs", Authorization=header)
    assert answer.status == 401
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("cookie", ["x", "e30=.x.x", "\u00e4", "=" * 4_000])
def test_a_malformed_session_is_none(backend, cookie):
    answer = backend.ask("GET", "/config.json", Cookie=f"apigw_broadcaster_example={cookie}".encode("latin-1"))
    assert answer.json["user"] is None
