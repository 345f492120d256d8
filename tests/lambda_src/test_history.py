"""What a client hears of a channel's past where the gateway registers connections."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import past
import registry
from broadcaster.authorization import subscription_signature
from broadcaster.aws.retries import Patience
from broadcaster.history.dynamodb import DynamoDBHistory
from broadcaster.history.positions import numbered
from broadcaster.registries.dynamodb import DynamoDBRegistry
from handler import handler

ID, OTHER = "L0SM9cOFvHcCIhw=", "Zt3C0rK9mQ4sYw8="
CHANNEL = "private-logs"

Ask = Callable[..., dict[str, Any]]


class Backend:
    """Keeps messages in the table as the library does, and returns them as they are posted."""

    def __init__(self, table: str, url: str, clock: Callable[[], float] = time.time) -> None:
        self.registry = DynamoDBRegistry(
            table,
            region="eu-west-1",
            endpoint_url=url,
            scope="abcdef123/production",
            clock=clock,
            patience=Patience(attempt=60, total=60),
        )
        self.store = DynamoDBHistory(self.registry, lifetime=3_600)
        self.number = 0

    def send(self, data: Any, *, channel: str = CHANNEL) -> dict[str, Any]:
        self.number += 1
        members = {"channel": channel, "event": "log", "data": data, "id": str(self.number)}
        message = json.dumps(members, ensure_ascii=False).encode()
        position = self.store.append(channel, message, events=1, keep=10_000, token=str(self.number))
        return dict(json.loads(numbered(message, position)))

    def position(self, channel: str = CHANNEL) -> dict[str, Any]:
        return self.store.read(channel, since=None, rewind=None, limit=1).newest._asdict()


@pytest.fixture
def backend(stand_in: Any, aws_url: str) -> Iterator[Backend]:
    made = Backend(stand_in.table, aws_url)
    yield made
    made.registry.close()


@pytest.fixture
def ask(event_of: Callable[..., dict[str, Any]], stand_in: Any) -> Ask:
    """Asks for the history as a client that the backend has given a signature."""

    def ask(channel: Any = CHANNEL, *, over: str = ID, auth: Any = "signed", **members: Any) -> dict[str, Any]:
        if auth == "signed":
            auth = subscription_signature(stand_in.SECRET, over, channel)
        frame = {"action": "history", "channel": channel, "auth": auth, **members}
        response = handler(event_of("$default", json.dumps(frame), connectionId=over), None)
        return dict(json.loads(str(response["body"])))

    return ask


NOTHING = {"epoch": None, "seq": 0, "recovered": False, "more": False, "messages": []}


def test_a_client_gets_what_it_has_missed(ask: Ask, backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    before = backend.position()
    sent = [backend.send(f"line {number} äöü € \U0001f600") for number in range(5)]
    capsys.readouterr()
    answer = ask(since=before)
    line = json.loads(capsys.readouterr().out)
    assert answer == {
        "type": "history",
        "channel": CHANNEL,
        **backend.position(),
        "recovered": True,
        "more": False,
        "messages": sent,
    }
    assert (line["action"], line["outcome"]) == ("history", "ok")
    assert ask(since=backend.position()) == {**answer, "messages": []}
    assert ask(rewind=2) == {**answer, "recovered": False, "messages": sent[3:]}
    assert ask(rewind="5m")["messages"] == sent
    assert ask() == {**answer, "recovered": False, "messages": []}
    assert ask(since={"epoch": "other", "seq": 2}) == ask()
    assert ask(since={**before, "seq": 9})["recovered"] is False


def test_pages_of_at_most_32_kb_lead_to_the_end(ask: Ask, backend: Backend) -> None:
    position = backend.position()
    sent = [backend.send("€" * 100 * (number % 30)) for number in range(120)]
    read: list[Any] = []
    pages = 0
    while True:
        answer = ask(since=position)
        assert answer["recovered"] is True
        assert len(json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode()) <= 32_768
        read += answer["messages"]
        pages += 1
        position = {"epoch": answer["epoch"], "seq": answer["seq"]}
        if not answer["more"]:
            break
    assert read == sent
    assert pages > 10
    first = ask(rewind=50)
    assert first["messages"][0] == sent[70]
    assert first["more"] is True
    assert ask(since={"epoch": first["epoch"], "seq": first["seq"]})["messages"][0] == sent[70 + len(first["messages"])]


def test_one_large_message_is_a_page_and_what_no_frame_can_hold_is_not_recovered(ask: Ask, backend: Backend) -> None:
    before = backend.position()
    sent = [backend.send("x" * size) for size in (10, 100_000, 10)]
    pages = [ask(since={**before, "seq": seq}) for seq in range(3)]
    assert [page["messages"] for page in pages] == [[message] for message in sent]
    assert all(page["recovered"] for page in pages)
    before = backend.position()
    backend.send("x" * 130_960)  # with its number, and what is around it in an answer, it is too much
    assert ask(since=before) == {
        "type": "history", "channel": CHANNEL, **backend.position(), "recovered": False, "more": False, "messages": []
    }  # fmt: skip


def test_a_channel_of_which_nothing_is_kept_has_no_epoch_and_nothing_is_written(
    ask: Ask, backend: Backend, stand_in: Any
) -> None:
    for members in ({}, {"rewind": 5}, {"since": {"epoch": "a", "seq": 3}}):
        assert ask("private-other", **members) == {"type": "history", "channel": "private-other", **NOTHING}
    assert stand_in.rows() == set()


@pytest.mark.parametrize(
    "members",
    [
        {"since": 5},
        {"since": {"epoch": "a"}},
        {"since": {"epoch": "a", "seq": -1}},
        {"since": {"epoch": "a", "seq": 1, "x": 1}},
        {"since": {"epoch": "a" * 65, "seq": 1}},
        {"rewind": -1},
        {"rewind": 1.5},
        {"rewind": "5 minutes"},
        {"rewind": True},
        {"channel": "a b"},
        {"channel": None},
    ],
)
def test_what_means_nothing_is_answered_with_what_would_be_right_and_asks_nobody(
    ask: Ask, service: Any, members: dict[str, Any]
) -> None:
    assert ask(**{"auth": "0" * 64, **members})["type"] == "error"
    assert service.requests == []


def test_where_the_backend_registers_connections_it_has_the_history(
    event_of: Callable[..., dict[str, Any]], lambda_environment: pytest.MonkeyPatch
) -> None:
    frame = json.dumps({"action": "history", "channel": CHANNEL, "rewind": 5})
    answer = json.loads(str(handler(event_of("$default", frame), None)["body"]))
    assert answer == {"type": "error", "message": "there is no history here; it is read from the backend"}


def test_a_table_that_cannot_be_read_is_told_and_the_connection_stays(
    ask: Ask, service: Any, lambda_environment: pytest.MonkeyPatch
) -> None:
    lambda_environment.setenv("PUBLIC_CHANNELS", "news")
    service.answers = [(400, {}, b'{"__type":"x#AccessDeniedException","message":"secret words"}')]
    assert ask("news", auth=None, rewind=5) == {
        "type": "history",
        "channel": "news",
        **NOTHING,
        "status": 503,
        "message": "the history could not be read; try again in a moment",
    }


# ------------------------------------------------------------------------------------------------------------- attacks


def assert_refused(answer: dict[str, Any], channel: str = CHANNEL) -> None:
    assert (answer["type"], answer["channel"], answer["status"]) == ("history", channel, 403)
    assert {key: answer[key] for key in NOTHING} == NOTHING


def test_nobody_reads_without_the_signature_that_subscribing_takes(ask: Ask, backend: Backend, stand_in: Any) -> None:
    backend.send("secret")
    whole = subscription_signature(stand_in.SECRET, ID, CHANNEL)
    stolen = subscription_signature(stand_in.SECRET, OTHER, CHANNEL)
    of_another_channel = subscription_signature(stand_in.SECRET, ID, "private-log")
    guessed = subscription_signature("secret", ID, CHANNEL)
    wrong = [
        None,
        "",
        5,
        [whole],
        whole[:63],
        whole + whole,
        whole.upper(),
        stolen,
        of_another_channel,
        guessed,
        "0" * 64,
    ]
    for auth in wrong:
        for members in ({"rewind": 5}, {"since": {"epoch": "a", "seq": 0}}, {}):
            assert_refused(ask(auth=auth, **members))
    for name in ("connection_id", "connectionId", "requestContext", "socket_id"):
        assert_refused(ask(auth=stolen, rewind=5, **{name: OTHER}))
    assert len(ask(rewind=5)["messages"]) == 1


@pytest.mark.parametrize(
    "channel",
    [
        "*",
        "channel#news",
        "history#news",
        "news#",
        "connections#0",
        "../private-logs",
        "a\x00",
        "x" * 201,
        "",
        {"S": "x"},
        7,
        None,
    ],
)
def test_no_channels_name_escapes_its_key(
    ask: Ask, backend: Backend, lambda_environment: pytest.MonkeyPatch, channel: Any
) -> None:
    backend.send("secret")
    lambda_environment.setenv("SUBSCRIPTION_AUTH", "none")
    answer = ask(channel, auth=None, rewind=5)
    assert answer["type"] == "error" or answer == {"type": "history", "channel": channel, **NOTHING}


def test_another_deployments_history_in_the_same_table_is_not_read(
    ask: Ask, backend: Backend, event_of: Callable[..., dict[str, Any]], lambda_environment: pytest.MonkeyPatch
) -> None:
    backend.send("secret", channel="news")
    lambda_environment.setenv("PUBLIC_CHANNELS", "news")
    assert len(ask("news", auth=None, rewind=5)["messages"]) == 1
    frame = json.dumps({"action": "history", "channel": "news", "rewind": 5})
    for context in ({"stage": "staging"}, {"apiId": "abcdef124"}):
        answer = json.loads(str(handler(event_of("$default", frame, **context), None)["body"]))
        assert answer["messages"] == []


def test_what_one_frame_makes_it_read_is_bounded(
    ask: Ask, service: Any, lambda_environment: pytest.MonkeyPatch
) -> None:
    lambda_environment.setenv("PUBLIC_CHANNELS", "news")
    for members in ({"rewind": 2**53}, {"rewind": "99999h"}):
        service.requests.clear()
        service.answers = [(200, {}, b'{"Items":[],"LastEvaluatedKey":{"pk":{"S":"x"},"sk":{"S":"y"}}}')] * 9
        ask("news", auth=None, **members)
        assert [json.loads(request.body)["Limit"] <= past.MAX_REWIND for request in service.requests] == [True]


def test_a_position_that_never_was_recovers_nothing(ask: Ask, backend: Backend) -> None:
    for data in range(5):
        backend.send(data)
    epoch = backend.position()["epoch"]
    for seq in (6, 10**15, 2**53 - 1):
        answer = ask(since={"epoch": epoch, "seq": seq})
        assert (answer["recovered"], answer["messages"]) == (False, [])
    registry.close()


def test_an_epoch_that_is_over_is_not_gone_on_with(ask: Ask, stand_in: Any, aws_url: str) -> None:
    # Long before the time of the function: the rows have expired, and DynamoDB has not removed them yet.
    long_ago = Backend(stand_in.table, aws_url, clock=lambda: time.time() - 100_000)
    before = long_ago.position()
    long_ago.send("old")
    for members in ({"since": before}, {"rewind": 5}, {}):
        assert ask(**members) == {"type": "history", "channel": CHANNEL, **NOTHING}
    long_ago.registry.close()
