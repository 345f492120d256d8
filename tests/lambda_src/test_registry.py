"""Subscriptions in the table: what is written, with how many requests, and what happens when DynamoDB is unwell."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import registry
from admission import RefusedError
from broadcaster.aws.json_service import requests_made
from broadcaster.aws.retries import AwsError
from broadcaster.errors import ConfigurationError, InvalidArgumentError
from broadcaster.registries.dynamodb import DynamoDBRegistry
from invocation import Invocation

ID = "L0SM9cOFvHcCIhw="
OTHER = "other_-connection"
SCOPE = "abcdef123/production"


def of(connection_id: str = ID, stage: str = "production") -> Invocation:
    context = {"connectionId": connection_id, "apiId": "abcdef123", "stage": stage}
    return Invocation({"requestContext": context})


def soon() -> float:
    return time.monotonic() + 5


def answer(members: dict[str, Any], status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(members).encode()


def refusal(code: str, status: int = 400) -> tuple[int, dict[str, str], bytes]:
    return answer({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "secret words"}, status)


NOTHING = answer({"Items": []})  # that a connection listens to


def requests_of(work: Callable[[], Any]) -> int:
    before = requests_made()
    work()
    return requests_made() - before


@pytest.fixture
def backend(stand_in: Any) -> DynamoDBRegistry:
    """The registry with which a backend reads the same table."""
    return DynamoDBRegistry(stand_in.table, client=stand_in.dynamodb, scope=SCOPE)


def test_the_backend_finds_who_subscribed(backend: DynamoDBRegistry) -> None:
    assert requests_of(lambda: registry.add(of(), "admin", deadline=soon())) == 2
    registry.add(of(OTHER), "admin", deadline=soon())
    registry.add(of(), "logs", deadline=soon())
    assert sorted(next(backend.pages("admin"))) == [ID, "other_-connection"]
    assert list(backend.pages("logs")) == [[ID]]
    assert list(backend.pages("admi")) == []
    assert backend.count() == 2


def test_a_row_expires_a_little_after_the_connection_must_have(stand_in: Any) -> None:
    before = time.time()
    registry.add(of(), "admin", deadline=soon())
    for item in stand_in.dynamodb.scan(TableName=stand_in.table)["Items"]:
        assert 7_200 < int(item["expires"]["N"]) - before < 7_600


def test_an_unsubscribed_channel_is_gone_and_the_others_stay(backend: DynamoDBRegistry) -> None:
    for channel in ("admin", "logs"):
        registry.add(of(), channel, deadline=soon())
    assert requests_of(lambda: registry.remove(of(), "admin", deadline=soon())) == 2
    assert (list(backend.pages("admin")), list(backend.pages("logs"))) == ([], [[ID]])


def test_ending_what_was_never_subscribed_is_one_read(service: Any) -> None:
    service.answers = [NOTHING]
    registry.remove(of(), "admin", deadline=soon())
    [request] = service.requests
    values = json.loads(request.body)["ExpressionAttributeValues"]
    assert request.headers["X-Amz-Target"].endswith(".Query")
    assert values == {":pk": {"S": f"{SCOPE}#connections#2"}, ":start": {"S": f"{ID}#admin"}}


def test_a_connection_listens_to_a_hundred_channels_and_no_more(backend: DynamoDBRegistry, stand_in: Any) -> None:
    backend.add(ID, [f"channel-{number}" for number in range(99)])
    registry.add(of(), "the-last", deadline=soon())
    with pytest.raises(RefusedError, match=r"listens to 100 channels, the most for one; unsubscribe from some"):
        registry.add(of(), "one-more", deadline=soon())
    registry.add(of(), "the-last", deadline=soon())
    assert len(stand_in.rows()) == 200


def test_another_stage_has_a_list_of_its_own(backend: DynamoDBRegistry) -> None:
    registry.add(of(stage="staging"), "admin", deadline=soon())
    registry.add(of(OTHER), "admin", deadline=soon())
    registry.forget(of(OTHER, stage="staging"), deadline=soon())
    assert list(backend.pages("admin")) == [[OTHER]]


def test_the_environment_may_say_which_deployment_it_is(stand_in: Any, lambda_environment: pytest.MonkeyPatch) -> None:
    lambda_environment.setenv("REGISTRY_SCOPE", "local")
    registry.add(of(), "admin", deadline=soon())
    assert {pk for pk, _ in stand_in.rows()} == {"local#channel#admin", "local#connections#2"}


def test_the_order_and_number_of_the_same_changes_does_not_matter(backend: DynamoDBRegistry, stand_in: Any) -> None:
    registry.remove(of(), "admin", deadline=soon())
    registry.forget(of(), deadline=soon())
    registry.add(of(), "admin", deadline=soon())
    registry.add(of(), "admin", deadline=soon())
    assert list(backend.pages("admin")) == [[ID]]
    registry.forget(of(), deadline=soon())
    registry.remove(of(), "admin", deadline=soon())
    assert stand_in.rows() == set()


@pytest.mark.parametrize(("channels", "requests"), [(0, 1), (1, 2), (12, 2), (13, 3), (30, 5)])
def test_all_of_a_connection_that_ended_is_removed_and_nothing_of_another(
    stand_in: Any, channels: int, requests: int
) -> None:
    for number in range(channels):
        registry.add(of(), f"channel-{number}", deadline=soon())
    registry.add(of(OTHER), "channel-0", deadline=soon())
    assert requests_of(lambda: registry.forget(of(), deadline=soon())) == requests
    assert {sk.partition("#")[0] for _, sk in stand_in.rows()} == {OTHER}


def test_what_the_backend_registered_is_removed_too(backend: DynamoDBRegistry, stand_in: Any) -> None:
    backend.add(ID)
    backend.add(ID, ["logs"])
    registry.forget(of(), deadline=soon())
    assert stand_in.rows() == set()


def test_a_connection_with_very_many_channels_is_removed_page_by_page(service: Any) -> None:
    def page(numbers: range) -> list[dict[str, Any]]:
        return [{"sk": {"S": f"{ID}#channel-{number}"}} for number in numbers]

    last = {"pk": {"S": "connections#1"}, "sk": {"S": f"{ID}#channel-11"}}
    service.answers = [
        answer({"Items": page(range(12)), "LastEvaluatedKey": last}),
        answer({"Items": page(range(12, 13))}),
        answer({"UnprocessedItems": {}}),
        answer({}),
    ]
    registry.forget(of(), deadline=soon())
    bodies = [json.loads(request.body) for request in service.requests]
    assert bodies[1]["ExclusiveStartKey"] == last
    assert [len(bodies[number]["RequestItems"]["connections"]) for number in (2, 3)] == [13, 13]


def test_a_request_has_the_form_that_dynamodb_documents(service: Any) -> None:
    service.answers = [NOTHING, answer({})]
    registry.add(of(), "admin", deadline=soon())
    [_, request] = service.requests
    assert (request.method, request.path) == ("POST", "/")
    assert request.headers["X-Amz-Target"] == "DynamoDB_20120810.BatchWriteItem"
    assert request.headers["Content-Type"] == "application/x-amz-json-1.0"
    assert request.headers["X-Amz-Security-Token"] == "example//token=="
    assert "/eu-west-1/dynamodb/aws4_request" in request.headers["Authorization"]
    keys = [
        (write["PutRequest"]["Item"]["pk"]["S"], write["PutRequest"]["Item"]["sk"]["S"])
        for write in json.loads(request.body)["RequestItems"]["connections"]
    ]
    assert keys == [(f"{SCOPE}#connections#2", f"{ID}#admin"), (f"{SCOPE}#channel#admin", ID)]


def test_a_request_is_signed_as_botocore_signs_it(service: Any) -> None:
    service.answers = [NOTHING, answer({})]
    registry.add(of(), "admin", deadline=soon())
    [_, request] = service.requests
    headers = {name: value for name, value in request.headers.items() if name != "Content-Length"}
    given = headers.pop("Authorization")
    again = AWSRequest("POST", f"http://127.0.0.1:{service.port}/", headers=headers, data=request.body)
    again.context["timestamp"] = headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials("ASIAEXAMPLEKEY", "example/secret+key", "example//token=="), "dynamodb", "eu-west-1")
    signature = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
    assert given.endswith(f"SignedHeaders={auth.signed_headers(auth.headers_to_sign(again))}, Signature={signature}")


def test_what_was_left_unprocessed_is_sent_again_and_nothing_else(service: Any) -> None:
    left = [{"PutRequest": {"Item": {"pk": {"S": "channel#admin"}}}}]
    service.answers = [NOTHING, answer({"UnprocessedItems": {"connections": left}}), answer({})]
    registry.add(of(), "admin", deadline=soon())
    first, second = (json.loads(request.body)["RequestItems"]["connections"] for request in service.requests[1:])
    assert (len(first), second) == (2, left)


@pytest.mark.parametrize(
    "trouble",
    [
        refusal("ProvisionedThroughputExceededException"),
        refusal("ThrottlingException"),
        refusal("InternalServerError", 500),
        answer({}, 503),
        (502, {}, b"<html>"),
        (200, {}, b"<html>"),
        (200, {}, b"[]"),
        "garble",
    ],
)
def test_what_is_retryable_is_tried_again(service: Any, trouble: Any) -> None:
    service.answers = [trouble, NOTHING, trouble, trouble, answer({})]
    registry.add(of(), "admin", deadline=soon())
    assert len(service.requests) == 5


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "AccessDeniedException",
            "dynamodb refused BatchWriteItem: 400 AccessDeniedException; the credentials need dynamodb:BatchWriteItem",
        ),
        ("ResourceNotFoundException", "dynamodb refused BatchWriteItem: 400 ResourceNotFoundException"),
        ("ValidationException", "dynamodb refused BatchWriteItem: 400 ValidationException"),
    ],
)
def test_what_is_not_retryable_is_not_tried_again_and_its_message_not_repeated(
    service: Any, code: str, text: str
) -> None:
    service.answers = [NOTHING, refusal(code)]
    with pytest.raises(AwsError) as caught:
        registry.add(of(), "admin", deadline=soon())
    assert (str(caught.value), caught.value.code, len(service.requests)) == (text, code, 2)


def test_a_dynamodb_that_stays_unwell_is_given_up_at_the_deadline(service: Any) -> None:
    service.answers = [refusal("ThrottlingException")] * 1_000
    with pytest.raises(AwsError, match=r"400 ThrottlingException$"):
        registry.add(of(), "admin", deadline=time.monotonic() + 0.3)
    assert len(service.requests) > 1


def test_rows_that_stay_unprocessed_are_a_failure(service: Any) -> None:
    left = {"UnprocessedItems": {"connections": [{"PutRequest": {"Item": {}}}]}}
    service.answers = [NOTHING, *[answer(left)] * 1_000]
    with pytest.raises(AwsError, match=r"^dynamodb throttles, and left a part of BatchWriteItem undone$"):
        registry.add(of(), "admin", deadline=time.monotonic() + 0.3)


def test_a_dynamodb_that_hangs_is_given_up_at_the_deadline(service: Any) -> None:
    service.answers = ["hang", "hang"]
    with pytest.raises(AwsError, match="did not answer within"):
        registry.add(of(), "admin", deadline=time.monotonic() + 0.2)


def test_without_time_nothing_is_asked(service: Any) -> None:
    with pytest.raises(AwsError, match=r"^no time was left to ask"):
        registry.add(of(), "admin", deadline=time.monotonic())
    assert service.requests == []


@pytest.mark.parametrize("connection_id", ["", "a#admin", "*", "../x", "a b", "id\n", "\u0430", "x" * 129])
def test_an_id_that_could_not_come_from_api_gateway_is_written_nowhere(service: Any, connection_id: str) -> None:
    for work in (
        lambda: registry.add(of(connection_id), "admin", deadline=soon()),
        lambda: registry.remove(of(connection_id), "admin", deadline=soon()),
        lambda: registry.forget(of(connection_id), deadline=soon()),
    ):
        with pytest.raises(InvalidArgumentError):
            work()
    assert service.requests == []


@pytest.mark.parametrize("name", ["REGISTRY_TABLE", "AWS_REGION", "AWS_SECRET_ACCESS_KEY"])
def test_a_missing_variable_is_named(service: Any, lambda_environment: pytest.MonkeyPatch, name: str) -> None:
    lambda_environment.setenv(name, "")
    setter = "the stack" if name == "REGISTRY_TABLE" else "Lambda"
    with pytest.raises(ConfigurationError, match=f"^{name} is not set; {setter} sets it for every function$"):
        registry.add(of(), "admin", deadline=soon())
