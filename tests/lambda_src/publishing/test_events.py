"""Bodies of requests: what they publish, and what is refused with which words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publishing.events import Event, read_batch, read_events, read_info, read_plain
from publishing.request import RequestError


def encoded(members: object) -> bytes:
    return json.dumps(members).encode()


def one(**members: Any) -> bytes:
    return encoded({"name": "tick", "channel": "admin", "data": "{}", **members})


def test_an_event_may_be_for_one_channel_or_for_several_each_once() -> None:
    assert read_events(one(data='{"n":1}')) == [Event("admin", "tick", {"n": 1})]
    several = encoded({"name": "tick", "channels": ["a", "b", "a"], "data": "[1]"})
    assert read_events(several) == [Event("a", "tick", [1]), Event("b", "tick", [1])]


@pytest.mark.parametrize(
    ("sent", "received"),
    [('{"a":[1,null]}', {"a": [1, None]}), ("12", 12), ('"text"', "text"), ("text", "text"), ("", ""), ("NaN", "NaN")],
)
def test_data_is_parsed_if_it_is_json_and_text_else(sent: str, received: object) -> None:
    assert read_events(one(data=sent))[0].data == received


def test_data_that_is_nested_without_end_stays_text() -> None:
    assert read_events(one(data="[" * 100_000))[0].data == "[" * 100_000


def test_who_caused_an_event_can_be_left_out() -> None:
    assert read_events(one(socket_id="L0SM9cOFvHcCIhw="))[0].excluded == "L0SM9cOFvHcCIhw="
    plain = {"channel": "a", "event": "e", "data": 1, "socket_id": "L0SM9cOFvHcCIhw="}
    assert read_plain(encoded(plain)).excluded == "L0SM9cOFvHcCIhw="
    with pytest.raises(RequestError, match="socket_id"):
        read_plain(encoded(plain | {"socket_id": 7}))


def test_a_batch_keeps_its_order() -> None:
    batch = [{"name": f"e{number}", "channel": "admin", "data": str(number)} for number in range(10)]
    assert read_batch(encoded({"batch": batch})) == [Event("admin", f"e{number}", number) for number in range(10)]


def test_the_plain_form_takes_any_json_as_data() -> None:
    assert read_plain(encoded({"channel": "a", "event": "e", "data": "12"})) == Event("a", "e", "12")


BAD = [
    b"",
    b"\xff",
    b"[]",
    b"{",
    b"[" * 100_000,
    encoded({}),
    one(data={"n": 1}),
    one(data=None),
    one(channel="a b"),
    one(channel=7),
    one(channels=[]),
    one(channels=[f"c{number}" for number in range(101)]),
    one(channels=["a", 7]),
    one(channels={"a": 1}),
    one(name="pusher:error"),
    one(name=""),
    one(name="x" * 201),
    one(name=7),
    one(socket_id=7),
    one(info="subscription_count"),
    one(channel="#server-to-user-7"),
]


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
def test_a_malformed_event_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(RequestError) as refused:
        read_events(body)
    assert refused.value.status == 400
    assert 10 < len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "batch", [None, [], {}, ["x"], [{}], [{"name": "e", "channel": "a", "data": "1"}] * 11, [{"name": "e"}]]
)
def test_a_malformed_batch_is_refused_as_a_whole(batch: object) -> None:
    with pytest.raises(RequestError, match=r"batch|data") as refused:
        read_batch(encoded({"batch": batch}))
    assert refused.value.status == 400


def test_the_plain_form_needs_its_three_members() -> None:
    whole = {"channel": "a", "event": "e", "data": 1}
    for name in whole:
        with pytest.raises(RequestError, match=f'there is no "{name}"; send'):
            read_plain(encoded({key: value for key, value in whole.items() if key != name}))


def test_there_is_the_number_of_subscriptions_and_nothing_else() -> None:
    assert read_info({"info": "subscription_count"})
    assert not read_info({})
    with pytest.raises(RequestError, match=r"'user_count'.*subscription_count"):
        read_info({"info": "subscription_count,user_count"})


@given(st.binary(max_size=200))
def test_whatever_the_bytes_are_they_are_read_or_refused(body: bytes) -> None:
    for read in (read_events, read_batch, read_plain):
        with pytest.raises(RequestError):
            read(body)
