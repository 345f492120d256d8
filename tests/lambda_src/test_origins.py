"""From where a browser may connect."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from handler import handler
from invocation import Invocation

OURS = "https://app.example.com"


@pytest.fixture
def handshake(event_of: Callable[..., dict[str, Any]]) -> Callable[..., Any]:
    """What the function says to a handshake with these headers."""

    def connect(headers: Any, multi: Any = None) -> Any:
        event = {**event_of("$connect"), "headers": headers}
        if multi is not None:
            event["multiValueHeaders"] = multi
        return handler(event, None)["statusCode"]

    return connect


@pytest.fixture
def two_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", f"{OURS},http://localhost:3000")


@pytest.mark.parametrize("headers", [{}, None, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_where_no_origins_are_listed_anyone_may_connect(handshake: Callable[..., Any], headers: Any) -> None:
    assert handshake(headers) == 200


@pytest.mark.usefixtures("two_origins")
@pytest.mark.parametrize("name", ["Origin", "origin", "ORIGIN"])
@pytest.mark.parametrize("origin", [OURS, "http://localhost:3000"])
def test_a_listed_origin_may_connect_in_whatever_case_its_header_is_written(
    handshake: Callable[..., Any], name: str, origin: str
) -> None:
    assert handshake({"Host": "abc", name: origin}, {"Host": ["abc"], name: [origin]}) == 200


@pytest.mark.usefixtures("two_origins")
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com/",
        "https://app.example.com.evil.example",
        "https://evil.example/https://app.example.com",
        "https://App.example.com",
        "https://\u0430pp.example.com",  # a Cyrillic letter
        f"{OURS},http://localhost:3000",
        f"{OURS}\n",
        "null",
        "",
        "*",
    ],
)
def test_every_other_origin_is_refused(handshake: Callable[..., Any], origin: str) -> None:
    assert handshake({"Origin": origin}) == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://pr-17.preview.example.com", 200),
        (OURS, 200),
        ("https://a.b.preview.example.com", 403),
        ("https://.preview.example.com", 403),
        ("https://preview.example.com", 403),
        ("http://pr-17.preview.example.com", 403),
        ("https://pr-17.preview.example.com:8443", 403),
        ("https://PR-17.preview.example.com", 403),
        ("https://evil@pr.preview.example.com", 403),
        ("https://evil.example/.preview.example.com", 403),
        ("https://evilpreview.example.com", 403),
        ("https://*.preview.example.com", 403),
        ("https://p.preview.example.com.evil.example", 403),
    ],
)
def test_a_star_stands_for_one_label_of_the_host(
    handshake: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, origin: str, status: int
) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", f"https://*.preview.example.com,{OURS}")
    assert handshake({"Origin": origin}) == status


@pytest.mark.usefixtures("two_origins")
@pytest.mark.parametrize(
    ("headers", "multi"),
    [
        (None, None),
        ({}, {}),
        ({"Host": "abc"}, None),
        ({"X-Origin": OURS}, None),
        ({"Origin": None}, None),
        ({"Origin": [OURS, "https://evil.example"]}, None),
        ({"Origin": OURS}, {"Origin": [OURS, "https://evil.example"]}),
        ({"Origin": OURS, "origin": "https://evil.example"}, None),
        ("Origin", ["Origin"]),
    ],
)
def test_a_handshake_with_no_origin_or_several_is_refused(
    handshake: Callable[..., Any], headers: Any, multi: Any
) -> None:
    assert handshake(headers, multi) == 403


@pytest.mark.usefixtures("two_origins")
@pytest.mark.parametrize(
    ("headers", "reason"), [({"Origin": "https://evil.example/secret"}, "origin"), ({}, "no_origin")]
)
def test_the_log_says_that_and_why_a_handshake_was_refused_and_quotes_nothing(
    handshake: Callable[..., Any], headers: Any, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    handshake(headers)
    line = json.loads(capsys.readouterr().out)
    assert (line["route"], line["outcome"], line["reason"]) == ("$connect", "refused", reason)
    assert "evil" not in str(line)


def test_only_a_handshake_has_origins(event_of: Callable[..., dict[str, Any]]) -> None:
    assert Invocation(event_of("$default", "{}")).origins == frozenset()
