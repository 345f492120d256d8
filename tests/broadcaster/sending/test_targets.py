"""Whom a broadcast has still to post to."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from broadcaster.sending.targets import Targets


@given(st.lists(st.lists(st.text(min_size=1), max_size=5), max_size=8))
def test_everybody_is_taken_once_in_the_order_of_the_pages(pages):
    targets = Targets(pages)
    taken = []
    while (one := targets.take(0.0)) is not None:
        taken.append(one)
    assert taken == [one for page in pages for one in page]
    assert targets.is_empty
    assert targets.next_at(0.0) == inf


def test_pages_are_read_as_they_are_needed():
    read = []

    def pages():
        for page in (["a", "b"], ["c"], ["d"]):
            read.append(page)
            yield page

    targets = Targets(pages())
    assert targets.next_at(5.0) == 5.0
    assert targets.take(0.0) == "a"
    assert read == [["a", "b"]]
    assert targets.next_at(5.0) == 5.0
    assert targets.read_ahead(9), "there may be more"
    assert read == [["a", "b"], ["c"]]
    assert not targets.read_ahead(2), "two are known"
    assert not targets.read_ahead(1), "two are known"
    assert read == [["a", "b"], ["c"]]
    assert not targets.read_ahead(3), "with the next page three are known"
    assert read == [["a", "b"], ["c"], ["d"]]
    assert not targets.read_ahead(99), "that was the last, but nobody knows yet"
    assert not targets.read_ahead(99)
    assert [targets.take(0.0) for _ in range(4)] == ["b", "c", "d", None]


def test_a_page_that_has_more_than_was_asked_for_is_enough():
    assert not Targets([["a", "b", "c"], ["d"]]).read_ahead(2)


def test_those_who_were_postponed_come_back_at_their_time_in_the_order_of_their_postponement():
    targets = Targets([["z", "a", "m", "last"]])
    for when in (2.0, 1.0, 1.0, 3.0):
        targets.postpone(targets.take(0.0), when)
    assert targets.take(0.5) is None
    assert targets.waiting(0.5) == 0
    assert targets.next_at(0.5) == 1.0
    assert targets.waiting(1.0) == 2
    assert [targets.take(1.0), targets.take(1.0), targets.take(1.0)] == ["a", "m", None]
    assert targets.next_at(1.0) == 2.0
    assert not targets.is_empty
    targets.put_first("b")
    assert targets.waiting(2.0) == 2
    assert [targets.take(2.0), targets.take(2.0), targets.take(3.0)] == ["z", "b", "last"]
    assert targets.is_empty


def test_a_page_that_is_not_there_yet_is_asked_for_again():
    targets = Targets([["a"], None, ["b"]])
    assert targets.take(0.0) == "a"
    assert targets.take(0.0) is None
    assert targets.take(0.0) == "b"


def test_what_the_pages_raise_is_kept_and_those_before_are_served_and_none_after():
    targets = Targets(map(list, ["a", None, "b"]))
    assert [targets.take(0.0), targets.take(0.0)] == ["a", None]
    assert isinstance(targets.error, TypeError)
    assert targets.is_empty


def test_draining_takes_everybody_out_and_those_on_unread_pages_only_if_wanted():
    for unread, expected in ((True, ["a", "b", "c", "late"]), (False, ["a", "b", "late"])):
        targets = Targets([["a", "b"], ["c"]])
        targets.postpone("late", 9.0)
        targets.read()
        assert list(targets.drain(unread=unread)) == expected
        assert targets.is_empty


def test_clearing_forgets_everybody_and_the_pages():
    targets = Targets([["a"], ["b"]])
    targets.read()
    targets.postpone("late", 9.0)
    targets.clear()
    assert targets.is_empty
    assert targets.take(10.0) is None
