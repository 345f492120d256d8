"""What clients say and hear, frame by frame."""

import json

import pytest

import frames


@pytest.mark.parametrize(
    ("written", "frame"),
    [
        (frames.subscription_succeeded("admin"), '{"type":"subscription_succeeded","channel":"admin"}'),
        (frames.unsubscribe_succeeded("admin"), '{"type":"unsubscribe_succeeded","channel":"admin"}'),
        (frames.connection_id("L0SM9cOFvHcCIhw="), '{"type":"connection_id","connection_id":"L0SM9cOFvHcCIhw="}'),
        (frames.pong(), '{"type":"pong"}'),
        (frames.error("no"), '{"type":"error","message":"no"}'),
    ],
)
def test_each_answer_has_the_shape_that_front_ends_know(written: str, frame: str) -> None:
    assert written == frame


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        ("", "empty", 'the frame is empty; send one JSON object, e.g. {"action":"ping"}'),
        (
            "hello",
            "not_json",
            "the frame 'hello' cannot be read as JSON (Expecting value at position 0); send one JSON object, "
            'e.g. {"action":"ping"}',
        ),
        ('{"action":"ping"', "not_json", "Expecting ',' delimiter at position 16"),
        ('{"action":NaN}', "not_json", "it has a number that cannot be read"),
        ("-Infinity", "not_json", "it has a number that cannot be read"),
        ('{"n":' + "9" * 5000 + "}", "not_json", "it has a number that cannot be read"),
        ("[" * 100_000, "not_json", "cannot be read as JSON"),
        ('{"a":' * 30_000, "not_json", "cannot be read as JSON"),
        ("[]", "not_an_object", "the frame is a list; send one JSON object"),
        ("null", "not_an_object", "the frame is null; send one JSON object"),
        ("4.5", "not_an_object", "the frame is 4.5; send one JSON object"),
        ('"subscribe"', "not_an_object", "the frame is 'subscribe'; send one JSON object"),
        ('"\\ud800"', "not_an_object", r"the frame is '\ud800'; send"),
        ("9" * 4300, "not_an_object", f"the frame is {'9' * 40}…; send one JSON object"),
        ("9" * 40, "not_an_object", f"the frame is {'9' * 40}; send one JSON object"),
    ],
)
def test_a_frame_that_is_no_json_object_is_told_what_it_is(text: str, reason: str, message: str) -> None:
    with pytest.raises(frames.FrameError) as caught:
        frames.read(text)
    assert caught.value.reason == reason
    assert message in str(caught.value)
    assert len(str(caught.value)) < 250


def test_of_a_repeated_member_the_last_counts_as_in_browsers() -> None:
    assert frames.read('{"action":"ping","action":"subscribe"}') == {"action": "subscribe"}


@pytest.mark.parametrize("action", frames.ACTIONS)
def test_an_action_is_known_whatever_stands_beside_it(action: str) -> None:
    assert frames.action_of({"data": {"x": []}, "action": action}) == action


@pytest.mark.parametrize(
    ("members", "reason", "message"),
    [
        (
            {},
            "no_action",
            'the frame has no "action"; give one of subscribe, unsubscribe, history, connection_id, ping',
        ),
        (
            {"action": "publish"},
            "unknown_action",
            "the action is 'publish'; known are subscribe, unsubscribe, history, connection_id, ping",
        ),
        ({"action": "Ping"}, "unknown_action", "the action is 'Ping'; known are"),
        ({"action": None}, "unknown_action", "the action is null; known are"),
        ({"action": True}, "unknown_action", "the action is true; known are"),
        ({"action": ["ping"]}, "unknown_action", "the action is a list; known are"),
        ({"action": {"ping": 1}}, "unknown_action", "the action is an object; known are"),
        ({"action": "x" * 30_000}, "unknown_action", f"the action is '{'x' * 40}'…; known are"),
        ({"action": "x" * 40}, "unknown_action", f"the action is '{'x' * 40}'; known are"),
    ],
)
def test_any_other_action_is_told_the_known_ones(members: dict[str, object], reason: str, message: str) -> None:
    with pytest.raises(frames.FrameError) as caught:
        frames.action_of(members)
    assert caught.value.reason == reason
    assert message in str(caught.value)


@pytest.mark.parametrize("channel", ["a", "admin", "x" * 200, "private-run@1,2.3;4:5/6=7_8"])
def test_a_channel_name_comes_back_as_it_was_given(channel: str) -> None:
    assert frames.channel_of({"channel": channel}) == channel


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, 'the frame has no "channel"; give a name, e.g. "channel":"admin"'),
        ({"channel": 5}, "a channel name is text, not int"),
        ({"channel": ["admin"]}, "a channel name is text, not list"),
        ({"channel": ""}, "a channel name has 1 to 200 characters, this one has 0"),
        ({"channel": "x" * 201}, "this one has 201"),
        ({"channel": "run logs"}, "channel 'run logs' has ' ' in it; allowed are A-Z a-z"),
        ({"channel": "admin\n"}, r"channel 'admin\n' has '\n' in it"),
        ({"channel": "\u0430dmin"}, "channel '\u0430dmin' has '\u0430' in it"),
        ({"channel": "\ud800"}, r"channel '\ud800' has '\ud800' in it"),
    ],
)
def test_a_bad_channel_name_is_told_what_is_wrong_with_it(members: dict[str, object], message: str) -> None:
    with pytest.raises(frames.FrameError) as caught:
        frames.channel_of(members)
    assert message in str(caught.value)


def test_an_error_about_half_a_surrogate_pair_is_text_that_everyone_can_read() -> None:
    with pytest.raises(frames.FrameError) as caught:
        frames.action_of({"action": "\udfff ok \ud83d"})
    frame = frames.error(str(caught.value))
    assert json.loads(frame.encode("utf-8"))["message"].encode("utf-8")
