import dataclasses
import datetime
import decimal
import enum
import itertools
import json
import math
import os
import signal
import threading
import uuid

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.errors import InvalidArgumentError, MessageError
from broadcaster.messages import MAX_MESSAGE_BYTES, MessageEncoder, _Ids, envelope, id_of

encode = MessageEncoder().message
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


def test_room_for_what_is_added_counts_as_if_it_were_there():
    encoder = MessageEncoder()
    rest = len(encoder.message("a", "b", ""))
    encoder.message("a", "b", "x" * (MAX_MESSAGE_BYTES - rest - 80), room=80)
    with pytest.raises(MessageError, match=f"is {MAX_MESSAGE_BYTES + 1:,} bytes"):
        encoder.message("a", "b", "x" * (MAX_MESSAGE_BYTES - rest - 79), room=80)


def test_the_id_of_an_event_is_read_from_it_and_from_its_message():
    event = MessageEncoder().event("log", {"id": "another"})
    written = json.loads(b"{%b}" % event)["id"]
    assert id_of(event) == id_of(envelope("logs", [event])) == written


def test_an_id_tells_when_it_was_made_and_where_counting_began(monkeypatch):
    monkeypatch.setattr("time.time_ns", lambda: 1_764_000_000_124_999_999)
    made = [int(_Ids()(), 16) for _ in range(64)]
    assert {number >> 40 for number in made} == {1_764_000_000_124}
    starts = [number & 0xFF_FFFF_FFFF for number in made]
    assert max(starts) < 2**39, "there is room to count up"
    assert max(starts) > 2**38, "in all of it counting may begin"
    assert {number & 3 for number in starts} == {0, 1, 2, 3}


def test_in_each_process_counting_begins_at_another_place_whatever_its_number(monkeypatch):
    ids, counts = _Ids(), []
    for process in (1, 7, 5):  # a container's first process is number 1, a child's number may be the lower one
        monkeypatch.setattr("os.getpid", lambda process=process: process)
        counts.append(int(ids(), 16) & 0xFF_FFFF_FFFF)
    assert all(abs(after - before) > 1 for before, after in itertools.pairwise(counts))


def test_of_events_without_end_a_bounded_number_of_names_is_kept():
    messages = MessageEncoder()
    for number in range(1_100):
        messages.event(f"log {number}", None)
    assert len(messages._starts) == 1_000


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


@pytest.mark.parametrize("event", ["", None, 7, [], "x" * 201, "a\nb", "a\u2028b", "\x1b[2J", "\ud83d"])
def test_an_event_needs_a_printable_name_of_bounded_length(event):
    with pytest.raises(InvalidArgumentError) as caught:
        encode("admin", event, {})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


def test_the_longest_name_of_an_event_passes():
    assert json.loads(encode("admin", "x" * 200, {}))["event"] == "x" * 200


@pytest.mark.parametrize("event", ["pusher:subscription_error", "pusher:pong", "pusher_internal:x"])
def test_nobody_can_broadcast_the_protocols_own_events(event):
    with pytest.raises(InvalidArgumentError, match="the protocol's own"):
        encode("admin", event, {})


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Item:
    name: str
    at: datetime.date


class Model(pydantic.BaseModel):
    at: datetime.datetime
    price: decimal.Decimal


@pytest.mark.parametrize(
    ("data", "arrives"),
    [
        (datetime.datetime(2026, 11, 26, 1, 2, 3, tzinfo=datetime.UTC), "2026-11-26T01:02:03+00:00"),
        (datetime.date(2026, 11, 26), "2026-11-26"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Colour.RED, "red"),
        (Item("a", datetime.date(2026, 1, 1)), {"name": "a", "at": "2026-01-01"}),
        ([Item("a", datetime.date(2026, 1, 1))], [{"name": "a", "at": "2026-01-01"}]),
        (
            Model(at=datetime.datetime(2026, 1, 1), price=decimal.Decimal("1.50")),
            {"at": "2026-01-01T00:00:00", "price": "1.50"},
        ),
    ],
)
def test_the_types_that_backends_use_are_written_as_one_expects(data, arrives):
    assert json.loads(encode("admin", "event", data))["data"] == arrives


def test_anything_else_is_asked_of_the_users_encoder():
    def encoder(value):
        if isinstance(value, decimal.Decimal):
            return str(value)
        raise TypeError(f"no idea what a {type(value).__name__} is")

    messages = MessageEncoder(encoder)
    assert json.loads(messages.message("admin", "event", {"price": decimal.Decimal("1.10")}))["data"] == {
        "price": "1.10"
    }
    with pytest.raises(MessageError, match=r"data\.set no idea what a set is"):
        messages.message("admin", "event", {"set": {1}})


DEEP = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            {"items": [0, 1, 2, {"price": decimal.Decimal("1.5")}]},
            r"data\.items\[3\]\.price is of type Decimal.*float.*str",
        ),
        ({"file": b"\x00"}, r"data\.file is of type bytes.*decode.*base64"),
        ({"a b": {"x": {1, 2}}}, r"data\['a b'\]\.x is of type set.*encoder="),
        ([math.nan], r"data\[0\] is nan"),
        ({(1, 2): 3}, r"data has a key of type tuple"),
        ({"item": Item("a", {1})}, r"data\.item\.at is of type set"),
        (DEEP, "nested too deeply"),
        ({"k" * 100_000: {1}}, "of type set"),
    ],
)
def test_an_error_names_the_place_and_stays_short(data, says):
    with pytest.raises(MessageError, match=says) as caught:
        encode("admin", "event", data)
    assert len(str(caught.value)) < 500


def test_data_that_holds_itself_is_named():
    loop = {"a": []}
    loop["a"].append(loop)
    with pytest.raises(MessageError, match=r"data\.a\[0\] holds itself"):
        encode("admin", "event", loop)


@given(JSON)
def test_nothing_that_can_be_written_is_called_faulty(data):
    encode("admin", "event", data)


def test_half_an_emoji_in_a_large_text_makes_it_no_larger():
    text = "日本語" * 10_000  # 90,000 bytes of UTF-8, 180,000 as escapes
    body = encode("logs", "log", text + "\ud83d")
    assert len(body) < 90_200
    assert json.loads(body)["data"] == text + "\ud83d"


@given(st.text(st.characters(), max_size=20), st.sampled_from(["\ud83d", "\ude00", "\udfff"]), st.text(max_size=20))
def test_halves_of_surrogate_pairs_arrive_as_they_are(before, half, after):
    data = json.loads(json.dumps(before + half + after))  # where two halves meet, JSON makes a whole of them
    assert json.loads(encode("logs", "log", before + half + after))["data"] == data


def test_several_events_share_an_envelope_in_their_order():
    messages = MessageEncoder()
    events = [messages.event("log", number) for number in range(3)]
    frame = json.loads(envelope("logs", events))
    assert list(frame) == ["channel", "events"]
    assert [list(event) for event in frame["events"]] == [["event", "data", "id"]] * 3
    assert [event["data"] for event in frame["events"]] == [0, 1, 2]
    assert json.loads(envelope("logs", events[:1])) == {"channel": "logs", **frame["events"][0]}


def test_ids_of_many_threads_differ():
    ids = []

    def make():
        ids.extend(json.loads(encode("admin", "e", None))["id"] for _ in range(2_000))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 8_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_makes_ids_of_its_own():
    encode("admin", "e", None)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"".join(encode("admin", "e", None)[-23:-2] for _ in range(100)))
        os._exit(0)
    ours = {encode("admin", "e", None)[-23:-2].decode()[11:] for _ in range(100)}
    os.waitpid(child, 0)
    theirs = os.read(reading, 65_536).decode()
    assert not ours & {theirs[start + 11 : start + 21] for start in range(0, len(theirs), 21)}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such timer on this system")
def test_a_signal_handler_that_encodes_waits_for_nobody():
    handled = []
    before = signal.signal(signal.SIGALRM, lambda *_: handled.append(encode("admin", "e", None)))
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        while len(handled) < 50:
            encode("admin", "e", None)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
