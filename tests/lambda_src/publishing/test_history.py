"""Channels with a history: what the function stores before it posts, in a table that others write to as well."""

import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from broadcaster.history import Position, Rewind
from broadcaster.history.dynamodb import DynamoDBHistory
from broadcaster.history.dynamodb_rows import block_of
from broadcaster.history.positions import numbered
from broadcaster.registries.dynamodb import DynamoDBRegistry
from publishing import table
from tests.lambda_src.publishing.test_publisher import (  # noqa: F401 - fixtures
    IDS,
    Publisher,
    bearer,
    function,
    plain,
)
from tests.registries.conftest import Gate

SCOPE = "abcdef123/production"


@pytest.fixture
def gate(aws_url: str, function: Publisher, lambda_environment: pytest.MonkeyPatch) -> Iterator[Any]:  # noqa: F811
    """What stands before the table; the channels `kept-…` have a history."""
    lambda_environment.setenv("HISTORY", '{"kept-*": 100}')
    lambda_environment.setenv("HISTORY_TTL", "3600")
    made: Any = Gate(aws_url)  # type: ignore[no-untyped-call]
    lambda_environment.setenv("AWS_ENDPOINT_URL_DYNAMODB", made.url)
    yield made
    table.close()
    made.close()


@pytest.fixture
def store(aws_url: str, stand_in: Any) -> Iterator[DynamoDBHistory]:
    """The history as a backend in Python has it."""
    registry = DynamoDBRegistry(stand_in.table, region="eu-west-1", endpoint_url=aws_url, scope=SCOPE)
    yield DynamoDBHistory(registry, lifetime=3_600)
    registry.close()


@pytest.fixture
def channel() -> str:
    return f"kept-{uuid4().hex}"


def event(channel: str, **members: Any) -> dict[str, Any]:
    return {"name": "tick", "channel": channel, "data": "1", **members}


def operations(gate: Any) -> list[str]:
    """What was asked of the table: each operation, and what kind of row it is about."""
    found = []
    for operation, request in gate.requests:
        key = request.get("Item", {}).get("pk") or request["ExpressionAttributeValues"][":pk"]
        found.append(f"{operation} {key['S'].split('#')[1]}")
    return found


def posted(function: Publisher) -> list[dict[str, Any]]:  # noqa: F811
    return [json.loads(request.body) for request in function.api.requests]


def kept(store: DynamoDBHistory, channel: str) -> list[dict[str, Any]]:
    """What somebody reads who was away from the beginning, as it was posted."""
    newest, numbers, texts = store.read(channel, since=None, rewind=Rewind(events=1_000), limit=1_000)
    pairs = zip(numbers, texts, strict=True)
    return [json.loads(numbered(text.encode(), Position(newest.epoch, number))) for number, text in pairs]


def test_a_message_is_posted_with_the_number_with_which_it_is_kept(
    function: Publisher,  # noqa: F811
    gate: Any,
    store: DynamoDBHistory,
    channel: str,
) -> None:
    function.listen(channel, IDS[0])
    for number in range(3):
        assert function.call("POST", "/apps/1024/events", event(channel, data=str(number)))[:2] == (200, {})
    assert [message["seq"] for message in posted(function)] == [1, 2, 3]
    assert posted(function) == kept(store, channel)


def test_it_is_stored_after_the_request_was_claimed_and_before_it_is_read_who_listens(
    function: Publisher,  # noqa: F811
    gate: Any,
    channel: str,
) -> None:
    assert function.call("POST", "/apps/1024/events", event(channel))[0] == 200
    asked = operations(gate)
    assert asked == ["PutItem request", "Query history", "PutItem history", "Query channel", "Query channel"]


def test_numbers_go_on_after_those_of_another_writer(
    function: Publisher,  # noqa: F811
    gate: Any,
    store: DynamoDBHistory,
    channel: str,
) -> None:
    function.listen(channel, IDS[0])
    for number in range(3):
        body = b'{"channel":"c","event":"e","data":1,"id":"%d"}' % number
        before = store.append(channel, body, events=1, keep=100, token=str(number))
        assert function.call("POST", "/apps/1024/events", event(channel, data=str(number)))[0] == 200
        message = posted(function)[-1]
        assert (message["epoch"], message["seq"]) == (before.epoch, before.seq + 1)
    assert [message["seq"] for message in kept(store, channel)] == [1, 2, 3, 4, 5, 6]


def test_a_repeated_request_is_not_stored_again(
    function: Publisher,  # noqa: F811
    gate: Any,
    store: DynamoDBHistory,
    channel: str,
) -> None:
    function.listen(channel, IDS[0])
    request = function.request("POST", "/apps/1024/events", event(channel))
    assert function.send(request)[0] == 200
    status, _, line = function.send(request)
    assert (status, line["outcome"]) == (200, "repeated")
    assert len(posted(function)) == len(kept(store, channel)) == 1


def test_what_cannot_be_stored_is_not_sent_and_may_be_repeated(
    function: Publisher,  # noqa: F811
    gate: Any,
    store: DynamoDBHistory,
    channel: str,
) -> None:
    function.listen(channel, IDS[0])

    def refuse(operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        is_message = "#history#" in request.get("Item", {}).get("pk", {}).get("S", "")
        return (400, {"__type": "x#AccessDeniedException"}) if is_message else None

    gate.answer = refuse
    request = function.request("POST", "/apps/1024/events", event(channel))
    status, _, line = function.send(request)
    assert (status, posted(function)) == (503, [])
    assert "dynamodb:PutItem" in line["reason"]
    gate.answer = lambda *_: None
    assert function.send(request)[0] == 200
    assert [message["seq"] for message in posted(function)] == [1]
    assert posted(function) == kept(store, channel)


def test_a_success_whose_answer_was_lost_is_one_message(
    function: Publisher,  # noqa: F811
    gate: Any,
    store: DynamoDBHistory,
    channel: str,
) -> None:
    function.listen(channel, IDS[0])
    serve, left = gate._serve, [1]

    def lose(headers: Any, body: bytes) -> tuple[int, bytes]:
        status, sent = serve(headers, body)
        if b"#history#" in body and headers["X-Amz-Target"].endswith("PutItem") and left:
            left.pop()
            return 500, b"{}"
        return status, sent

    gate._serve = lose
    assert function.call("POST", "/apps/1024/events", event(channel))[0] == 200
    assert left == []
    assert [message["seq"] for message in posted(function)] == [1]
    assert posted(function) == kept(store, channel)


def test_events_that_share_a_message_share_its_number_and_count_each(
    function: Publisher,  # noqa: F811
    gate: Any,
    store: DynamoDBHistory,
    channel: str,
) -> None:
    function.listen(channel, IDS[0])
    function.listen(f"{channel}-2", IDS[0])
    sizes = [10, 10, 32_600, 10]  # the third does not fit to the first two, nor the last to it
    batch = [event(channel, name=f"e{number}", data="x" * size) for number, size in enumerate(sizes)]
    batch.insert(1, event(f"{channel}-2"))
    assert function.call("POST", "/apps/1024/batch_events", {"batch": batch})[0] == 200
    messages = [message for message in posted(function) if message["channel"] == channel]
    assert [(message["seq"], len(message.get("events", [0]))) for message in messages] == [(1, 2), (2, 1), (3, 1)]
    assert messages == kept(store, channel)
    assert len(kept(store, f"{channel}-2")) == 1
    rows = function.stand_in.dynamodb.scan(TableName=function.stand_in.table, ConsistentRead=True)["Items"]
    counts = [block_of(row).counts for row in rows if row["pk"]["S"].endswith(f"#history#{channel}")]
    assert counts == [[2], [1], [1]]


def test_a_number_has_room_in_a_message_and_in_one_that_is_shared(
    function: Publisher,  # noqa: F811
    gate: Any,
    channel: str,
) -> None:
    without = channel.replace("kept", "news")
    for name in (channel, without):
        function.listen(name, IDS[0])

    def sizes(name: str, *sizes: int) -> tuple[int, list[int]]:
        """Publish events with data of these sizes; return the status, and how large what was posted is."""
        function.api.requests.clear()
        batch = [event(name, data="x" * size) for size in sizes]
        status, *_ = function.call("POST", "/apps/1024/batch_events", {"batch": batch})
        return status, [len(request.body) for request in function.api.requests]

    for most, few in ((131_072, ()), (32_768, (0,))):
        [base] = sizes(without, 0, *few)[1]
        assert sizes(without, most - base, *few) == (200, [most])
        status, found = sizes(channel, most - base, *few)
        assert (status, len(found)) == ((200, 2) if few else (413, 0))
        status, [found_size] = sizes(channel, most - base - 64, *few)
        assert (status, found_size <= most) == (200, True)


def test_who_caused_an_event_hears_it_or_would_miss_its_number(
    function: Publisher,  # noqa: F811
    gate: Any,
    channel: str,
) -> None:
    function.listen(channel, *IDS[:2])
    assert function.call("POST", "/apps/1024/events", event(channel, socket_id=IDS[0]))[0] == 200
    assert len(function.api.requests) == 2


def test_the_plain_form_stores_too(
    bearer: Publisher,  # noqa: F811
    gate: Any,
    store: DynamoDBHistory,
    channel: str,
) -> None:
    bearer.listen(channel, IDS[0])
    assert bearer.send(plain(channel=channel))[:2] == (200, {"sent": 1, "failed": 0, "stale": 0})
    assert posted(bearer) == kept(store, channel) != []


def test_a_channel_without_history_ends_the_epoch_that_it_had(
    function: Publisher,  # noqa: F811
    gate: Any,
    store: DynamoDBHistory,
) -> None:
    channel = f"once-{uuid4().hex}"
    function.listen(channel, IDS[0])
    before = store.append(channel, b'{"id":"a"}', events=1, keep=100, token="a")
    assert function.call("POST", "/apps/1024/events", event(channel, data="1"))[0] == 200
    assert "seq" not in posted(function)[0]
    assert store.read(channel, since=before, rewind=None, limit=1).newest.epoch != before.epoch
    gate.requests.clear()
    assert function.call("POST", "/apps/1024/events", event(channel, data="2"))[0] == 200
    assert "Query history" not in operations(gate)  # not again within a minute


def test_without_the_setting_nothing_is_stored_and_nothing_looked_at(
    function: Publisher,  # noqa: F811
    gate: Any,
    lambda_environment: pytest.MonkeyPatch,
    channel: str,
) -> None:
    lambda_environment.delenv("HISTORY")
    assert function.call("POST", "/apps/1024/events", event(channel))[0] == 200
    assert sorted(operations(gate)) == ["PutItem request", "Query channel", "Query channel"]


def test_other_writers_that_are_faster_are_followed(
    function: Publisher,  # noqa: F811
    gate: Any,
    store: DynamoDBHistory,
    channel: str,
) -> None:
    function.listen(channel, IDS[0])
    store.append(channel, b'{"id":"0"}', events=1, keep=100, token="0")
    left = [3]

    def overtake(operation: str, request: dict[str, Any]) -> None:
        if operation == "PutItem" and "#history#" in request["Item"]["pk"]["S"] and left[0]:
            left[0] -= 1
            token = f"{time.monotonic_ns()}"
            store.append(channel, b'{"id":"%s"}' % token.encode(), events=1, keep=100, token=token)

    gate.answer = overtake
    assert function.call("POST", "/apps/1024/events", event(channel))[0] == 200
    assert [message["seq"] for message in posted(function)] == [5]
    assert [message["seq"] for message in kept(store, channel)] == [1, 2, 3, 4, 5]


def test_two_requests_at_once_are_two_messages(
    function: Publisher,  # noqa: F811
    gate: Any,
    store: DynamoDBHistory,
    channel: str,
) -> None:
    function.listen(channel, IDS[0])

    def overtake(operation: str, request: dict[str, Any]) -> None:
        if operation == "PutItem" and "#history#" in request["Item"]["pk"]["S"]:
            gate.answer = lambda *_: None
            assert function.call("POST", "/apps/1024/events", event(channel, data='"faster"'))[0] == 200

    gate.answer = overtake
    assert function.call("POST", "/apps/1024/events", event(channel, data='"slower"'))[0] == 200
    assert [(message["seq"], message["data"]) for message in kept(store, channel)] == [(1, "faster"), (2, "slower")]
    assert posted(function) == kept(store, channel)
