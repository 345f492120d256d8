import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster import InvalidArgumentError
from broadcaster.history import Position, Rewind, Slice
from broadcaster.history.positions import numbered
from broadcaster.history.recovery import history_answer, parse_rewind, parse_since


def found(numbers, newest, epoch="e"):
    return Slice(Position(epoch, newest), list(numbers), [f'{{"id":"{number}"}}' for number in numbers])


def test_what_follows_without_a_hole_is_recovered():
    assert history_answer(Position("e", 3), found([4, 5], 5)) == {
        "epoch": "e",
        "seq": 5,
        "recovered": True,
        "messages": [{"id": "4", "epoch": "e", "seq": 4}, {"id": "5", "epoch": "e", "seq": 5}],
        "more": False,
    }


def test_a_part_says_where_to_go_on():
    answer = history_answer(Position("e", 3), found([4, 5], 9))
    assert (answer["recovered"], answer["seq"], answer["more"]) == (True, 5, True)


def test_nothing_new_is_recovered_too():
    assert history_answer(Position("e", 5), found([], 5)) == {
        "epoch": "e", "seq": 5, "recovered": True, "messages": [], "more": False
    }  # fmt: skip


@pytest.mark.parametrize(
    ("since", "numbers", "newest"),
    [
        (Position("other", 3), [4, 5], 5),
        (Position("e", 3), [5, 6], 6),  # the first that followed is gone
        (Position("e", 3), [], 5),  # all are gone
        (Position("e", 3), [4, 6], 6),
        (Position("e", 9), [], 5),  # a position that never was
    ],
    ids=str,
)
def test_anything_else_is_not_and_brings_the_newest_position_alone(since, numbers, newest):
    answer = history_answer(since, found(numbers, newest))
    assert answer == {"epoch": "e", "seq": newest, "recovered": False, "messages": [], "more": False}


def test_rewinding_brings_messages_and_proves_nothing():
    answer = history_answer(None, found([4, 5], 5))
    assert (answer["recovered"], [message["seq"] for message in answer["messages"]]) == (False, [4, 5])
    assert history_answer(None, found([3, 5], 5))["messages"] == []  # which has a hole


@given(st.integers(0, 8), st.sets(st.integers(1, 8)).map(sorted), st.integers(0, 8), st.sampled_from("ef"))
def test_recovered_is_said_only_where_every_message_is_there(seq, numbers, newest, epoch):
    answer = history_answer(Position(epoch, seq), found(numbers, newest))
    got = [message["seq"] for message in answer["messages"]]
    if answer["recovered"]:
        assert epoch == "e"
        assert got == list(range(seq + 1, answer["seq"] + 1))
        assert answer["more"] == (answer["seq"] < newest)
    else:
        assert (got, answer["seq"]) == ([], newest)


def test_a_message_is_sent_with_its_number():
    assert numbered(b'{"channel":"a","id":"b"}', Position("e", 12)) == b'{"channel":"a","id":"b","epoch":"e","seq":12}'


def test_what_clients_send_is_read():
    assert parse_since(None) is parse_rewind(None) is None
    assert parse_since({"epoch": "e", "seq": 0}) == parse_since(Position("e", 0)) == Position("e", 0)
    assert parse_rewind(100) == Rewind(events=100)
    assert parse_rewind(10**30) == Rewind(events=2**53 - 1)
    assert [parse_rewind(text) for text in ("30s", "5m", "1h")] == [Rewind(seconds=n) for n in (30, 300, 3_600)]


@pytest.mark.parametrize(
    "value",
    ["e", 7, [], {}, {"epoch": "e"}, {"epoch": 1, "seq": 1}, {"epoch": "e", "seq": -1}, {"epoch": "e", "seq": True},
     {"epoch": "e", "seq": 1.5}, {"epoch": "e", "seq": 2**60}, {"epoch": "\ud800", "seq": 1},
     {"epoch": "e" * 65, "seq": 1}, {"epoch": "e", "seq": 1, "x": 1}, Position("e", -1), Position(7, 1)],
)  # fmt: skip
def test_a_position_that_is_none_is_refused(value):
    with pytest.raises(InvalidArgumentError, match="give a position"):
        parse_since(value)


@pytest.mark.parametrize("value", [-1, True, 1.5, "", "5", "m", "-5m", "5d", "٣m", "1" * 20 + "s", [], {}])
def test_a_rewind_that_is_none_is_refused(value):
    with pytest.raises(InvalidArgumentError, match="give a number of events, or a time"):
        parse_rewind(value)
