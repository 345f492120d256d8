"""Laws: whatever a client sends, it gets one well-formed frame, and nothing is raised."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import connection_push
import frames
from handler import handler

ANSWERS = {
    "subscription_succeeded": {"type", "channel"},
    "unsubscribe_succeeded": {"type", "channel"},
    "connection_id": {"type", "connection_id"},
    "pong": {"type"},
    "error": {"type", "message"},
}
# No answer repeats more than a piece of what was sent; the longest is about a channel with a name of 200 characters.
MAX_ANSWER_BYTES = 1_000

unhurried = settings(deadline=None)  # of a slow machine nothing follows

any_text = st.text(st.characters())  # halves of surrogate pairs are among them
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)
near_channel = st.text(st.sampled_from("admin-=@,.;:/ \n\x00é\ud800"), max_size=210) | st.sampled_from(
    ["", "x" * 200, "x" * 201, "../../admin", "%2e", "\ufeffadmin"]
)
near_frame = st.dictionaries(
    st.sampled_from(["action", "channel", "auth", "type"]),
    st.sampled_from(frames.ACTIONS) | near_channel | any_json,
    max_size=4,
)


@pytest.fixture(scope="module", autouse=True)
def reachable(management_api_of: Callable[..., Any]) -> Iterator[None]:
    """Subscriptions push to loopback."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_REGION", "eu-west-1")
        environment.setenv("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEKEY")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "example/secret+key")
        environment.setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", management_api_of().url)
        yield
        connection_push.close()


def check(response: dict[str, object]) -> dict[str, str]:
    """Check that the response carries a frame of design, readable by any client; return the frame."""
    assert response["statusCode"] == 200
    body = response["body"]
    assert isinstance(body, str)
    sent = body.encode("utf-8")
    assert len(sent) <= MAX_ANSWER_BYTES
    frame: dict[str, str] = json.loads(sent)
    assert set(frame) == ANSWERS[frame["type"]]
    for value in frame.values():
        value.encode("utf-8")  # a half of a surrogate pair would not
    return frame


@unhurried
@given(text=any_text)
@example(text="")
@example(text="\ufeff{}")
@example(text='{"action":"ping","n":NaN}')
@example(text="[" * 131_072)
@example(text='{"action":' * 13_000)
@example(text='{"action":"ping","n":' + "9" * 130_000 + "}")
@example(text='{"action":' + "9" * 4300 + "}")
@example(text='{"action":' + "-9" * 60_000 + "}")
@example(text='{"action":1e999}')
@example(text="\x00" * 131_072)
@example(text="\ud800" * 40_000)
@example(text='{"action":"' + "\U0010ffff" * 30_000 + '"}')
@example(text='{"action":"subscribe","channel":"' + "é" * 60_000 + '"}')
def test_any_text_gets_a_frame(text: str, event_of: Callable[..., Any]) -> None:
    check(handler(event_of("$default", text), None))


@unhurried
@given(value=any_json)
def test_any_json_gets_a_frame(value: Any, event_of: Callable[..., Any]) -> None:
    check(handler(event_of("$default", json.dumps(value)), None))


@unhurried
@given(members=near_frame, is_escaped=st.booleans())
def test_anything_like_a_request_gets_its_answer_or_an_error(
    members: dict[str, Any], is_escaped: bool, event_of: Callable[..., Any]
) -> None:
    frame = check(handler(event_of("$default", json.dumps(members, ensure_ascii=is_escaped)), None))
    expected = {"subscribe": "subscription_succeeded", "unsubscribe": "unsubscribe_succeeded", "ping": "pong"}
    action = members.get("action")
    if frame["type"] != "error":
        assert frame["type"] == expected.get(action, action)
        assert frame.get("channel", members.get("channel")) == members.get("channel")
    else:
        assert action not in ("ping", "connection_id")


@given(noise=st.binary(min_size=0, max_size=400), times=st.integers(1, 328))
@settings(max_examples=50, deadline=None)
def test_noise_up_to_the_largest_message_gets_an_error(noise: bytes, times: int, event_of: Callable[..., Any]) -> None:
    body = (noise * times).decode("utf-8", "surrogateescape")
    assert check(handler(event_of("$default", "~" + body), None))["type"] == "error"


@unhurried
@given(
    event=any_json | st.fixed_dictionaries({"requestContext": any_json, "body": any_json | near_frame.map(json.dumps)})
)
def test_no_event_at_all_raises(event: Any) -> None:
    assert handler(event, None)["statusCode"] == 200
