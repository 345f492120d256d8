"""What a client hears where the gateway registers connections."""

import json
from collections.abc import Callable
from typing import Any

import pytest

import registry
from broadcaster.authorization import subscription_signature
from handler import handler

ID = "L0SM9cOFvHcCIhw="


class Client:
    """Says frames to the handler as API Gateway would, and returns what it answers and what it logs."""

    def __init__(self, event_of: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
        self._event_of = event_of
        self._capsys = capsys
        self.line: dict[str, Any] = {}

    def say(self, frame: dict[str, Any], context: Any = None) -> dict[str, Any]:
        return dict(json.loads(self._run("$default", json.dumps(frame), context)["body"]))

    def subscribe(self, channel: str, auth: Any = None, context: Any = None) -> dict[str, Any]:
        frame = {"action": "subscribe", "channel": channel}
        return self.say(frame if auth is None else {**frame, "auth": auth}, context)

    def leave(self) -> None:
        assert self._run("$disconnect", None, None) == {"statusCode": 200}

    def _run(self, route: str, body: str | None, context: Any) -> dict[str, Any]:
        self._capsys.readouterr()
        response: dict[str, Any] = handler(self._event_of(route, body), context)
        self.line = json.loads(self._capsys.readouterr().out)
        return response


@pytest.fixture
def client(event_of: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> Client:
    return Client(event_of, capsys)


def error(channel: str, status: int, message: str) -> dict[str, Any]:
    return {"channel": channel, "event": "pusher:subscription_error", "data": {"status": status, "message": message}}


UNSIGNED = 'the subscription has no signature; ask the backend for one and send it as "auth"'
WRONG = "the signature is not one that the backend gave to this connection for this channel"
UNRECORDED = "the subscription could not be recorded; try again in a moment"


@pytest.mark.parametrize("key", ["", "abc123xyz:", "wss://host/production:"])
def test_a_signed_subscription_is_recorded_and_then_answered_and_nothing_is_pushed(
    client: Client, stand_in: Any, management_api: Any, key: str
) -> None:
    auth = key + subscription_signature(stand_in.SECRET, ID, "private-a")
    assert client.subscribe("private-a", auth) == {"type": "subscription_succeeded", "channel": "private-a"}
    assert (("abcdef123/production#channel#private-a", ID) in stand_in.rows(), management_api.requests) == (True, [])
    assert (client.line["action"], client.line["outcome"]) == ("subscribe", "ok")
    # The secret was made less than fifteen minutes ago, so it was asked for one before it, too.
    assert client.line["aws_requests"] == 4
    client.subscribe("private-a", auth)
    assert client.line["aws_requests"] == 2


@pytest.mark.parametrize(
    ("auth", "message", "reason"),
    [
        (None, UNSIGNED, "no_signature"),
        ("", UNSIGNED, "no_signature"),
        (5, UNSIGNED, "no_signature"),
        (["0" * 64], UNSIGNED, "no_signature"),
        ("0" * 64, WRONG, "bad_signature"),
        ("secret words", WRONG, "bad_signature"),
    ],
)
def test_a_subscription_without_a_signature_or_with_a_wrong_one_is_refused(
    client: Client, stand_in: Any, auth: Any, message: str, reason: str
) -> None:
    assert client.subscribe("private-a", auth) == error("private-a", 403, message)
    assert stand_in.rows() == set()
    assert (client.line["outcome"], client.line["reason"]) == ("refused", reason)
    assert "secret words" not in str(client.line)


def test_a_missing_or_misshapen_signature_costs_no_request(client: Client, service: Any) -> None:
    for auth in (None, "short", "G" * 64, "F" * 64, "0" * 65):
        assert client.subscribe("private-a", auth)["data"]["status"] == 403
        assert client.line["aws_requests"] == 0
    assert service.requests == []


@pytest.mark.parametrize("channel", ["news", "public-", "public-run/7"])
def test_public_channels_need_no_signature(
    client: Client, stand_in: Any, lambda_environment: pytest.MonkeyPatch, channel: str
) -> None:
    lambda_environment.setenv("PUBLIC_CHANNELS", "news public-*")
    assert client.subscribe(channel)["type"] == "subscription_succeeded"
    assert client.line["aws_requests"] == 2


@pytest.mark.parametrize("channel", ["new", "news2", "News", "news,", "public", "Public-a", "a-public-a", "private-a"])
def test_every_other_channel_does(
    client: Client, stand_in: Any, lambda_environment: pytest.MonkeyPatch, channel: str
) -> None:
    lambda_environment.setenv("PUBLIC_CHANNELS", "news public-*")
    assert client.subscribe(channel)["data"]["status"] == 403
    assert stand_in.rows() == set()


def test_without_authorization_every_channel_is_open(
    client: Client, stand_in: Any, lambda_environment: pytest.MonkeyPatch
) -> None:
    lambda_environment.delenv("SUBSCRIPTION_SECRET")
    lambda_environment.setenv("SUBSCRIPTION_AUTH", "none")
    assert client.subscribe("private-a")["type"] == "subscription_succeeded"


@pytest.mark.parametrize("value", [None, "", "None", "signature"])
def test_a_function_that_lost_its_settings_admits_nobody(
    client: Client, stand_in: Any, lambda_environment: pytest.MonkeyPatch, value: str | None
) -> None:
    lambda_environment.delenv("SUBSCRIPTION_SECRET")
    if value is not None:
        lambda_environment.setenv("SUBSCRIPTION_AUTH", value)
    assert client.subscribe("private-a")["data"]["status"] == 403
    assert client.subscribe("private-a", "0" * 64) == error("private-a", 503, UNRECORDED)
    assert client.line["reason"] == "SUBSCRIPTION_SECRET is not set; the stack sets it for every function"
    assert stand_in.rows() == set()


def test_a_connection_with_as_many_channels_as_it_may_have_is_refused_another(
    client: Client, stand_in: Any, lambda_environment: pytest.MonkeyPatch
) -> None:
    lambda_environment.setenv("PUBLIC_CHANNELS", "news-*")
    for number in range(100):
        assert client.subscribe(f"news-{number}")["type"] == "subscription_succeeded"
    refused = client.subscribe("news-100")
    assert (refused["event"], refused["data"]["status"]) == ("pusher:subscription_error", 403)
    assert "listens to 100 channels, the most for one" in refused["data"]["message"]
    assert (client.line["outcome"], client.line["reason"]) == ("refused", "too_many_channels")


def test_a_subscription_that_could_not_be_recorded_is_not_confirmed(
    client: Client, service: Any, lambda_environment: pytest.MonkeyPatch
) -> None:
    lambda_environment.setenv("PUBLIC_CHANNELS", "news")
    denied = (400, {}, b'{"__type":"x#AccessDeniedException","message":"secret words"}')
    service.answers = [denied, denied, denied]
    assert client.subscribe("news") == error("news", 503, UNRECORDED)
    assert (client.line["outcome"], client.line["reason"]) == (
        "failed",
        "dynamodb refused Query: 400 AccessDeniedException; the credentials need dynamodb:Query",
    )
    assert client.say({"action": "unsubscribe", "channel": "news"}) == error(
        "news", 503, "the subscription could not be ended; try again in a moment"
    )
    assert client.line["outcome"] == "failed"


def test_if_the_secret_cannot_be_read_the_client_is_told_to_try_again(client: Client, service: Any) -> None:
    service.answers = [(400, {}, b'{"__type":"AccessDeniedException"}')]
    assert client.subscribe("private-a", "0" * 64) == error("private-a", 503, UNRECORDED)
    assert "GetSecretValue" in client.line["reason"]


def test_what_nobody_thought_of_is_a_503_too(
    client: Client, service: Any, lambda_environment: pytest.MonkeyPatch
) -> None:
    lambda_environment.setenv("PUBLIC_CHANNELS", "news")
    lambda_environment.setenv("AWS_SESSION_TOKEN", "line\nbreak")
    assert client.subscribe("news") == error("news", 503, UNRECORDED)
    assert client.line["reason"] == "ValueError"
    client.leave()
    assert "break" not in str(client.line)


def test_unsubscribing_needs_no_signature_and_ends_the_subscription(client: Client, stand_in: Any) -> None:
    auth = subscription_signature(stand_in.SECRET, ID, "private-a")
    client.subscribe("private-a", auth)
    assert client.say({"action": "unsubscribe", "channel": "private-a"}) == {
        "type": "unsubscribe_succeeded",
        "channel": "private-a",
    }
    assert (client.line["aws_requests"], stand_in.rows()) == (2, set())


@pytest.mark.parametrize(("channels", "requests"), [(0, 1), (3, 2)])
def test_a_connection_that_ended_is_forgotten(client: Client, stand_in: Any, channels: int, requests: int) -> None:
    for number in range(channels):
        channel = f"private-{number}"
        client.subscribe(channel, subscription_signature(stand_in.SECRET, ID, channel))
    client.leave()
    assert stand_in.rows() == set()
    assert (client.line["outcome"], client.line["aws_requests"]) == ("disconnected", requests)


def test_that_a_connection_could_not_be_forgotten_only_reaches_the_log(client: Client, service: Any) -> None:
    service.answers = [(400, {}, b'{"__type":"x#AccessDeniedException"}')]
    client.leave()
    assert (client.line["outcome"], client.line["reason"][:30]) == ("failed", "dynamodb refused Query: 400 Ac")


def test_the_other_actions_ask_nobody(client: Client, service: Any) -> None:
    assert client.say({"action": "ping"}) == {"type": "pong"}
    assert client.say({"action": "connection_id"}) == {"type": "connection_id", "connection_id": ID}
    assert client.say({"action": "subscribe", "channel": "a b"})["type"] == "error"
    assert service.requests == []


class Context:
    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


def test_a_function_whose_time_runs_out_still_answers(
    client: Client, service: Any, lambda_environment: pytest.MonkeyPatch
) -> None:
    lambda_environment.setenv("PUBLIC_CHANNELS", "news")
    assert client.subscribe("news", context=Context(400)) == error("news", 503, UNRECORDED)
    service.answers = ["hang"]
    assert client.subscribe("news", context=Context(800)) == error("news", 503, UNRECORDED)
    assert "did not answer within" in client.line["reason"]


def test_the_connection_to_dynamodb_is_kept_from_event_to_event(
    client: Client, service: Any, lambda_environment: pytest.MonkeyPatch
) -> None:
    lambda_environment.setenv("PUBLIC_CHANNELS", "news")
    service.answers = [(200, {}, b'{"Items":[]}'), (200, {}, b"{}")] * 3
    for _ in range(3):
        assert client.subscribe("news")["type"] == "subscription_succeeded"
    assert len({request.connection for request in service.requests}) == 1
    registry.close()
