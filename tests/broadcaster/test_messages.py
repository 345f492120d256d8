import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.errors import InvalidArgumentError, MessageError
from broadcaster.messages import MAX_MESSAGE_BYTES, encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_whatever_is_json_arrives_as_it_was(data):
    frame = json.loads(encode("admin", "admin_event", data))
    assert {**frame, "id": None} == {"channel": "admin", "event": "admin_event", "data": data, "id": None}


def test_half_a_surrogate_pair_does_not_stop_a_log_line():
    assert json.loads(encode("logs", "log", {"text": "\ud83d"}))["data"] == {"text": "\ud83d"}


def test_text_is_sent_as_utf8_and_not_as_escapes():
    assert "grün".encode() in encode("logs", "log", {"text": "grün"})


def test_ids_differ_and_sort_in_the_order_of_the_broadcasts():
    ids = [json.loads(encode("admin", "e", None))["id"] for _ in range(2_000)]
    assert ids == sorted(set(ids))
    assert {len(one) for one in ids} == {21}


def test_ids_stay_in_order_when_the_clock_is_set_back(monkeypatch):
    first = json.loads(encode("admin", "e", None))["id"]
    monkeypatch.setattr("time.time_ns", lambda: 0)
    assert json.loads(encode("admin", "e", None))["id"] > first


def test_a_message_of_the_largest_size_passes_and_one_byte_more_does_not():
    overhead = len(encode("logs", "log", ""))
    assert len(encode("logs", "log", "x" * (MAX_MESSAGE_BYTES - overhead))) == MAX_MESSAGE_BYTES
    with pytest.raises(MessageError, match=r"131,073 bytes .* at most 131,072"):
        encode("logs", "log", "x" * (MAX_MESSAGE_BYTES - overhead + 1))


def test_the_size_counts_bytes_and_not_characters():
    with pytest.raises(MessageError):
        encode("logs", "log", "ü" * (MAX_MESSAGE_BYTES // 2))


@pytest.mark.parametrize("data", [object(), {1, 2}, b"bytes", math.nan, math.inf, {"a": [object()]}])
def test_data_that_is_no_json_is_refused(data):
    with pytest.raises(MessageError, match="cannot be written as JSON"):
        encode("admin", "admin_event", data)


def test_data_that_holds_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(MessageError):
        encode("admin", "admin_event", loop)


def test_an_error_does_not_repeat_the_payload():
    with pytest.raises(MessageError) as caught:
        encode("admin", "admin_event", {"password": "hunter2", "when": object()})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("event", ["", None, 7])
def test_an_event_needs_a_name(event):
    with pytest.raises(InvalidArgumentError):
        encode("admin", event, {})
