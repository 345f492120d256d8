"""Each event of the API: what the client hears, what `@connections` is told, what the log says."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from handler import handler

EventOf = Callable[..., dict[str, Any]]


def logged(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the one line that was printed, without its duration."""
    printed = capsys.readouterr()
    assert printed.err == ""
    (text,) = printed.out.splitlines()
    line: dict[str, Any] = json.loads(text)
    assert line.pop("duration_ms") >= 0
    return line


def test_a_connection_is_accepted(event_of: EventOf, capsys: pytest.CaptureFixture[str]) -> None:
    assert handler(event_of("$connect"), None) == {"statusCode": 200}
    assert logged(capsys) == {
        "route": "$connect",
        "connection_id": "L0SM9cOFvHcCIhw=",
        "request_id": "BFaVtH2HoAMFZEQ=",
        "outcome": "connected",
    }


def test_the_end_of_a_connection_is_noted_with_its_close_code(
    event_of: EventOf, capsys: pytest.CaptureFixture[str]
) -> None:
    event = event_of("$disconnect", disconnectStatusCode=1001, disconnectReason="Going away")
    assert handler(event, None) == {"statusCode": 200}
    line = logged(capsys)
    assert (line["outcome"], line["close_code"]) == ("disconnected", 1001)


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ('{"action":"ping"}', '{"type":"pong"}'),
        ('{"action":"connection_id"}', '{"type":"connection_id","connection_id":"L0SM9cOFvHcCIhw="}'),
        ('{"action":"unsubscribe","channel":"admin"}', '{"type":"unsubscribe_succeeded","channel":"admin"}'),
    ],
)
def test_a_request_is_answered_by_returning(
    said: str, heard: str, event_of: EventOf, management_api: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert handler(event_of("$default", said), None) == {"statusCode": 200, "body": heard}
    assert management_api.requests == []
    assert logged(capsys) == {
        "route": "$default",
        "connection_id": "L0SM9cOFvHcCIhw=",
        "request_id": "BFaVtH2HoAMFZEQ=",
        "action": json.loads(said)["action"],
        "outcome": "ok",
    }


def test_a_subscriber_is_pushed_its_connection_id_before_the_answer(
    event_of: EventOf, management_api: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    response = handler(event_of("$default", '{"action":"subscribe","channel":"admin"}'), None)
    assert response == {"statusCode": 200, "body": '{"type":"subscription_succeeded","channel":"admin"}'}
    (request,) = management_api.requests
    assert request.path == "/production/@connections/L0SM9cOFvHcCIhw%3D"
    assert request.body == b'{"type":"connection_id","connection_id":"L0SM9cOFvHcCIhw="}'
    line = logged(capsys)
    assert (line["action"], line["outcome"], line["push"]) == ("subscribe", "ok", "sent")


@pytest.mark.parametrize(
    ("answer", "push_error"),
    [
        ((410, {"x-amzn-ErrorType": "GoneException"}), "410 GoneException"),
        ((429, {"x-amzn-ErrorType": "LimitExceededException"}), "429 LimitExceededException"),
        (500, "500"),
    ],
)
def test_a_subscription_succeeds_although_the_push_failed(
    answer: Any, push_error: str, event_of: EventOf, management_api: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    management_api.answers = [answer]
    response = handler(event_of("$default", '{"action":"subscribe","channel":"admin"}'), None)
    assert response == {"statusCode": 200, "body": '{"type":"subscription_succeeded","channel":"admin"}'}
    line = logged(capsys)
    assert (line["outcome"], line["push"], line["push_error"]) == ("ok", "failed", push_error)


def test_a_subscription_succeeds_although_nothing_is_as_lambda_makes_it(
    event_of: EventOf,
    management_api: Any,
    lambda_environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    event = event_of("$default", '{"action":"subscribe","channel":"admin"}', connectionId=None)
    assert handler(event, None)["statusCode"] == 200
    line = logged(capsys)
    assert (line["push"], line["push_error"]) == ("failed", "ValueError")

    lambda_environment.setenv("AWS_SESSION_TOKEN", "line\nbreak")
    assert handler(event_of("$default", '{"action":"subscribe","channel":"admin"}'), None)["statusCode"] == 200
    assert "break" not in str(logged(capsys))


def test_a_connection_is_pushed_its_id_once_whether_or_not_that_succeeds(
    event_of: EventOf, management_api: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    management_api.answers = [500]
    for _ in range(3):
        for connection_id in ("L0SM9cOFvHcCIhw=", "BFaT_fALIAMCKug="):
            handler(event_of("$default", '{"action":"subscribe","channel":"admin"}', connectionId=connection_id), None)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("push") for line in lines] == ["failed", "sent", None, None, None, None]
    assert len(management_api.requests) == 2


def test_a_bad_channel_is_refused_before_anything_is_pushed(
    event_of: EventOf, management_api: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for action in ("subscribe", "unsubscribe"):
        response = handler(event_of("$default", json.dumps({"action": action, "channel": "run logs"})), None)
        assert json.loads(str(response["body"]))["type"] == "error"
        line = logged(capsys)
        assert (line["action"], line["outcome"], line["reason"]) == (action, "error", "bad_channel")
    assert management_api.requests == []


@pytest.mark.parametrize("body", ["secret words", '{"action":"secret words"}', '{"password":"secret words"}'])
def test_the_log_has_nothing_of_what_a_client_said(
    body: str, event_of: EventOf, capsys: pytest.CaptureFixture[str]
) -> None:
    handler(event_of("$default", body), None)
    line = logged(capsys)
    assert line["outcome"] == "error"
    assert "action" not in line
    assert "secret" not in str(line)


def test_the_log_has_no_secret_of_the_function(
    event_of: EventOf, management_api: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for answer in (200, 403, "garble"):
        management_api.answers = [answer]
        handler(event_of("$default", '{"action":"subscribe","channel":"admin"}'), None)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 3
    assert not any(secret in printed for secret in ("example/secret+key", "example//token==", "Signature"))


def test_a_binary_frame_is_told_to_be_text(event_of: EventOf) -> None:
    event = {**event_of("$default", "eyJhY3Rpb24iOiJwaW5nIn0="), "isBase64Encoded": True}
    body = json.loads(str(handler(event, None)["body"]))
    assert body == {"type": "error", "message": 'the frame is binary; send text, e.g. {"action":"ping"}'}


@pytest.mark.parametrize(
    "event", [None, {}, [], {"requestContext": None}, {"requestContext": {"routeKey": "$default"}}]
)
def test_an_event_without_a_frame_gets_the_error_frame(event: object) -> None:
    body = json.loads(str(handler(event, None)["body"]))
    assert body["type"] == "error"
    assert body["message"].startswith("the frame is empty")
