"""The function as it runs: DynamoDB and Secrets Manager as moto has them, and an `@connections` API on loopback."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import publisher
from broadcaster.registries.dynamodb_rows import puts, start_of
from publishing import delivery, keys, table
from publishing.events import Event
from publishing.messages import messages_of
from publishing.signature import Key
from tests.lambda_src.publishing.conftest import event_of, query_of, sign

KEY = Key("1024", "key-of-the-app", "s3cret-of-the-app" * 3)
OTHER = Key("1024", "key-after-rotation", "another-secret-of-the-app" * 2)
TOKEN = "token-of-the-plain-form" * 2
IDS = [f"L0SM9cOFvHcCIh{number:x}=" for number in range(5)]


def text_of(key: Key) -> str:
    return json.dumps({"app_id": key.app_id, "key": key.name, "secret": key.secret})


class Publisher:
    """The function with a table, a key and a token of its own, and what it posts to."""

    def __init__(self, stand_in: Any, api: Any, capsys: Any) -> None:
        self.stand_in, self.api, self._capsys = stand_in, api, capsys
        self._requests = 0

    def listen(self, channel: str, *ids: str) -> None:
        start = start_of("abcdef123/production")
        for connection_id in ids:
            rows = puts(connection_id, [channel], now=time.time(), lifetime=60, start=start)
            for row in rows:
                self.stand_in.dynamodb.put_item(TableName=self.stand_in.table, Item=row["PutRequest"]["Item"])

    def send(self, event: dict[str, Any]) -> tuple[int, Any, dict[str, Any]]:
        """Return status and members of the answer, and the line that was logged."""
        self._requests += 1
        event["requestContext"]["requestId"] = f"request-{self._requests}"
        response = publisher.handler(event, SimpleNamespace(get_remaining_time_in_millis=lambda: 10_000))
        assert response["headers"] == {"Content-Type": "application/json"}
        [line] = self._capsys.readouterr().out.splitlines()
        return response["statusCode"], json.loads(response["body"]), json.loads(line)

    def request(self, method: str, path: str, members: object = None, **signing: Any) -> dict[str, Any]:
        body = b"" if members is None else json.dumps(members).encode()
        signed = sign(method, path, body, **{"key": KEY, "at": int(time.time()), **signing})
        return event_of(method, path, query_of(signed), body)

    def call(self, method: str, path: str, members: object = None, **signing: Any) -> tuple[int, Any, dict[str, Any]]:
        return self.send(self.request(method, path, members, **signing))

    def posted(self) -> list[tuple[str, Any]]:
        """Whom something was posted to, and what, without the ids of events."""
        posts = []
        for request in self.api.requests:
            message = json.loads(request.body)
            for event in message.get("events", [message]):
                assert event.pop("id")
            posts.append((request.path.rpartition("/")[2].replace("%3D", "="), message))
        return posts


@pytest.fixture
def function(
    stand_in: Any, management_api: Any, lambda_environment: pytest.MonkeyPatch, capsys: Any
) -> Iterator[Publisher]:
    made = Publisher(stand_in, management_api, capsys)
    create = stand_in.manager.create_secret
    name = hashlib.sha256(stand_in.table.encode()).hexdigest()[:20]
    key_arn = create(Name=f"key-{name}", SecretString=text_of(KEY))["ARN"]
    lambda_environment.setenv("PUBLISH_KEY", key_arn)
    lambda_environment.setenv("WEBSOCKET_API_ID", "abcdef123")
    lambda_environment.setenv("WEBSOCKET_STAGE", "production")
    yield made
    for part in (delivery, keys, table):
        part.close()


@pytest.fixture
def bearer(function: Publisher, lambda_environment: pytest.MonkeyPatch) -> Publisher:
    arn = function.stand_in.manager.create_secret(Name=f"token-{function.stand_in.table}", SecretString=TOKEN)["ARN"]
    lambda_environment.setenv("PUBLISH_BEARER", arn)
    return function


EVENT = {"name": "tick", "channel": "admin", "data": '{"n":1}'}


def test_an_event_reaches_whoever_listens_to_its_channel_and_nobody_else(function: Publisher) -> None:
    function.listen("admin", *IDS[:2])
    function.listen("other", IDS[2])
    function.listen("*", IDS[3])
    status, answer, line = function.call("POST", "/apps/1024/events", EVENT)
    assert (status, answer) == (200, {})
    assert sorted(to for to, _ in function.posted()) == [IDS[0], IDS[1], IDS[3]]
    assert function.posted()[0][1] == {"channel": "admin", "event": "tick", "data": {"n": 1}}
    assert (line["events"], line["sent"], line["failed"], line["stale"]) == (1, 3, 0, 0)


def test_nothing_of_a_request_is_logged_but_counts(function: Publisher) -> None:
    function.listen("admin", IDS[0])
    for request in (function.request("POST", "/apps/1024/events", EVENT), function.request("GET", "/apps/1024/x")):
        _, _, line = function.send(request)
        assert set(line) <= {
            "request_id",
            "operation",
            "events",
            "sent",
            "failed",
            "stale",
            "status",
            "duration_ms",
            "reason",
        }
        assert not {"tick", "admin", IDS[0], KEY.name} & set(map(str, line.values()))


def test_several_channels_get_a_message_each_and_a_listener_of_two_both(function: Publisher) -> None:
    function.listen("a", IDS[0])
    function.listen("b", IDS[0])
    status, _, line = function.call("POST", "/apps/1024/events", {"name": "e", "channels": ["a", "b"], "data": "1"})
    assert status == 200
    assert [message["channel"] for _, message in function.posted()] == ["a", "b"]
    assert line["sent"] == 2


def test_events_of_a_batch_for_one_channel_share_a_message_in_their_order(function: Publisher) -> None:
    function.listen("a", IDS[0])
    batch = [{"name": f"e{number}", "channel": "ab"[number % 2], "data": str(number)} for number in range(6)]
    assert function.call("POST", "/apps/1024/batch_events", {"batch": batch})[:2] == (200, {})
    [(to, message)] = function.posted()
    assert to == IDS[0]
    assert [(event["event"], event["data"]) for event in message["events"]] == [("e0", 0), ("e2", 2), ("e4", 4)]


def test_large_events_of_a_batch_do_not_share_a_message(function: Publisher) -> None:
    function.listen("a", IDS[0])
    batch = [{"name": f"e{number}", "channel": "a", "data": "x" * 20_000} for number in range(3)]
    assert function.call("POST", "/apps/1024/batch_events", {"batch": batch})[0] == 200
    assert [message["event"] for _, message in function.posted()] == ["e0", "e1", "e2"]


def test_who_caused_an_event_does_not_receive_it(function: Publisher) -> None:
    function.listen("admin", *IDS[:2])
    assert function.call("POST", "/apps/1024/events", EVENT | {"socket_id": IDS[0]})[0] == 200
    assert [to for to, _ in function.posted()] == [IDS[1]]


def test_a_repeated_request_is_answered_and_not_sent_again(function: Publisher) -> None:
    function.listen("admin", IDS[0])
    request = function.request("POST", "/apps/1024/events", EVENT)
    reordered = {**request, "rawQueryString": "&".join(reversed(request["rawQueryString"].split("&")))}
    assert function.send(request)[:2] == (200, {})
    for again in (request, reordered):
        status, answer, line = function.send(again)
        assert (status, answer, line["outcome"]) == (200, {}, "repeated")
    assert len(function.posted()) == 1


def test_a_request_that_reached_nobody_is_sent_when_it_is_repeated(function: Publisher) -> None:
    function.listen("admin", IDS[0])
    request = function.request("POST", "/apps/1024/events", EVENT)
    function.api.answers = [(403, {"x-amzn-errortype": "AccessDeniedException"}, b"{}")]
    status, answer, line = function.send(request)
    assert status == 503
    assert "try again" in answer["error"]
    assert "403" in line["reason"]
    assert function.send(request)[:2] == (200, {})
    assert [to for to, _ in function.posted()] == [IDS[0]] * 2


def test_another_invocation_cannot_release_a_claim(function: Publisher) -> None:
    def claim(whose: str) -> None:
        table.read_listeners(
            [], claim=table.claim_of("signature", whose, until=time.time()), deadline=time.monotonic() + 5
        )

    claim("mine")
    table.release("signature", "another's", deadline=time.monotonic() + 5)
    with pytest.raises(table.RepeatedError):
        claim("another's")
    table.release("signature", "mine", deadline=time.monotonic() + 5)
    claim("another's")


def test_a_claim_whose_answer_was_lost_can_be_made_again(function: Publisher) -> None:
    for _ in range(2):
        table._dynamodb().run([table.claim_of("signature", "mine", until=time.time())])


def test_a_connection_that_is_gone_leaves_the_table(function: Publisher) -> None:
    function.listen("admin", IDS[0])
    function.listen("other", IDS[0])
    function.api.answers = [410]
    _, _, line = function.call("POST", "/apps/1024/events", EVENT)
    assert line["stale"] == 1
    assert not any(IDS[0] in key for pair in function.stand_in.rows() for key in pair)


def test_a_row_that_is_no_connection_does_not_keep_the_event_from_others(function: Publisher) -> None:
    function.listen("admin", "..", IDS[0])
    assert function.call("POST", "/apps/1024/events", EVENT)[0] == 200
    assert [to for to, _ in function.posted()] == [IDS[0]]


def test_what_there_is_no_time_left_for_has_failed_and_is_not_tried(function: Publisher) -> None:
    for channel in ("first", "second", "third"):
        function.listen(channel, IDS[0])
    function.api.answers = ["hang", "hang"]
    messages = messages_of(Event(channel, "tick", 1) for channel in ("first", "second", "third"))
    counts = delivery.send(messages, deadline=time.monotonic() + 3)
    assert counts.as_members() == {"sent": 0, "failed": 3, "stale": 0}
    assert {message["channel"] for _, message in function.posted()} == {"first"}


def test_both_keys_are_good_after_a_rotation(function: Publisher, lambda_environment: pytest.MonkeyPatch) -> None:
    function.stand_in.manager.put_secret_value(SecretId=os.environ["PUBLISH_KEY"], SecretString=text_of(OTHER))
    for key in (KEY, OTHER):
        assert function.call("GET", "/apps/1024/channels", key=key)[0] == 200


def test_another_key_and_another_app_are_refused(function: Publisher) -> None:
    status, answer, line = function.call("POST", "/apps/1024/events", EVENT, key=OTHER)
    assert (status, line["reason"]) == (401, "bad_signature")
    assert "check key" in answer["error"]
    status, _, line = function.call("POST", "/apps/1025/events", EVENT)
    assert (status, line["reason"]) == (403, "wrong_app")


def test_what_is_not_signed_asks_nothing_of_aws(function: Publisher, lambda_environment: pytest.MonkeyPatch) -> None:
    for service in ("DYNAMODB", "SECRETS_MANAGER"):
        lambda_environment.setenv(f"AWS_ENDPOINT_URL_{service}", "http://127.0.0.1:9")  # where nothing listens
    for event in (event_of("GET", "/"), event_of("POST", "/publish", body=b"{}", authorization=f"Bearer {TOKEN}")):
        status, _, line = function.send(event)
        assert (status, line["reason"]) == (401, "not_signed")


@pytest.mark.parametrize(
    "path",
    ["/apps/1024/", "/apps/1024/%65vents", "/apps/1024/events/", "/apps/1024/users/7", "/apps/1024/channels%2Fa"],
)
def test_paths_that_there_are_not(function: Publisher, path: str) -> None:
    for method in ("GET", "POST"):
        status, answer, line = function.call(method, path)
        assert (status, line["reason"]) == (404, "unknown_path")
        assert "POST events" in answer["error"]


def test_a_message_that_api_gateway_does_not_carry_is_too_large(function: Publisher) -> None:
    status, answer, _ = function.call("POST", "/apps/1024/events", EVENT | {"data": "x" * 131_072})
    assert status == 413
    assert "131,072" in answer["error"]


def test_data_that_no_browser_could_read_is_refused(function: Publisher) -> None:
    status, answer, _ = function.call("POST", "/apps/1024/events", EVENT | {"data": '{"n":1e999}'})
    assert status == 400
    assert "data.n" in answer["error"]


def test_channels_are_told_with_and_without_their_numbers(function: Publisher) -> None:
    function.listen("run-1", *IDS[:3])
    function.listen("run-2", IDS[0])
    function.listen("admin", IDS[0])
    function.listen("*", IDS[4])
    assert function.call("GET", "/apps/1024/channels")[1] == {"channels": {"admin": {}, "run-1": {}, "run-2": {}}}
    counted = function.call("GET", "/apps/1024/channels", filter_by_prefix="run-", info="subscription_count")
    assert counted[1] == {"channels": {"run-1": {"subscription_count": 3}, "run-2": {"subscription_count": 1}}}


def test_a_channel_is_told(function: Publisher) -> None:
    function.listen("run-1", *IDS[:3])
    asked = function.call("GET", "/apps/1024/channels/run-1", info="subscription_count")
    assert asked[:2] == (200, {"occupied": True, "subscription_count": 3})
    assert function.call("GET", "/apps/1024/channels/empty")[1] == {"occupied": False}
    assert function.call("GET", "/apps/1024/channels/a%2Fb")[0] == 400
    assert function.call("GET", "/apps/1024/channels/run-1", info="user_count")[0] == 400


def plain(token: str = TOKEN, method: str = "POST", scheme: str = "Bearer", **members: Any) -> dict[str, Any]:
    body = json.dumps({"channel": "admin", "event": "tick", "data": {"n": 1}, **members}).encode()
    return event_of(method, "/publish", body=body, authorization=f"{scheme} {token}")


def test_the_plain_form_says_what_became_of_an_event(bearer: Publisher) -> None:
    bearer.listen("admin", *IDS)
    bearer.api.answers = [410]
    assert bearer.send(plain())[:2] == (200, {"sent": 4, "failed": 0, "stale": 1})
    assert bearer.posted()[-1][1] == {"channel": "admin", "event": "tick", "data": {"n": 1}}


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], f"{TOKEN}x", "é", KEY.secret])
def test_the_plain_form_takes_its_token_alone(bearer: Publisher, token: str) -> None:
    status, _, line = bearer.send(plain(token))
    assert status == 401
    assert line["reason"] in ("no_token", "bad_token")
    assert bearer.send(plain(scheme="Basic"))[0] == 401
    assert not bearer.api.requests


def test_the_plain_form_is_posted_and_well_formed(bearer: Publisher) -> None:
    assert bearer.send(plain(method="GET"))[0] == 404
    assert bearer.send(plain(event="pusher:x"))[0] == 400


def test_the_token_is_no_key_to_anything_else(bearer: Publisher) -> None:
    event = event_of("GET", "/apps/1024/channels", authorization=f"Bearer {TOKEN}")
    assert bearer.send(event)[0] == 401


def test_a_secret_that_holds_no_key_is_said_in_the_log(function: Publisher) -> None:
    function.stand_in.manager.put_secret_value(SecretId=os.environ["PUBLISH_KEY"], SecretString='{"key":"x"}')
    status, answer, line = function.call("GET", "/apps/1024/channels")
    assert status == 503
    assert "app_id" in line["reason"]
    assert "app_id" not in answer["error"]


@pytest.mark.parametrize("event", [None, [], {}, {"requestContext": 7, "headers": []}])
def test_an_event_without_anything_is_answered(event: Any, capsys: Any, function: Publisher) -> None:
    send: Callable[[Any, Any], dict[str, Any]] = publisher.handler
    assert send(event, None)["statusCode"] == 401
