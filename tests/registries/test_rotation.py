from bisect import bisect_right
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from broadcaster.registries.lists.rotation import next_place, pages_from, rotated

IDS = st.sets(st.text("abc=", min_size=1, max_size=4), max_size=60).map(sorted)
PLACES = st.floats(0, 1, exclude_max=True)


def reading(ids, size, read=None):
    def pages(after, until):
        left = ids[bisect_right(ids, after) : bisect_right(ids, until) if until else None]
        for start in range(0, len(left), size):
            if read is not None:
                read.append(left[start])
            yield left[start : start + size]

    return pages


@given(IDS, PLACES, st.integers(1, 7), st.text("abc=", max_size=4))
def test_each_id_comes_once_wherever_it_begins(ids, place, size, found):
    pages = list(pages_from(place, reading(ids, size), lambda place: found, size=size))
    listed = [connection_id for page in pages for connection_id in page]
    assert sorted(listed) == ids
    assert all(0 < len(page) <= size for page in pages)
    if len(ids) >= size:
        # Sorted from some place on, and then from the beginning.
        assert sum(left > right for left, right in pairwise(listed)) <= 1
        assert listed[:1] == [next((each for each in ids if each > found), ids[0])]


@given(st.integers(0, 30), PLACES)
def test_a_short_list_is_rotated(count, place):
    ids = list(range(count))
    assert rotated(ids, place) == [*ids[int(place * count) :], *ids[: int(place * count)]]


def test_a_list_of_less_than_a_page_is_read_once():
    read = []
    assert list(pages_from(0.5, reading(["a", "b"], 3, read), None, size=3)) == [["b", "a"]]
    assert read == ["a"]


def test_the_pages_of_a_long_list_are_read_once_but_for_the_first():
    read, ids = [], [f"{number:02}" for number in range(30)]
    list(pages_from(0.5, reading(ids, 5, read), lambda place: ids[int(place * 30)], size=5))
    assert read == ["00", "16", "21", "26", "05", "10", "15"]


def test_every_tenth_of_a_list_is_a_beginning_within_a_few_broadcasts():
    assert {int(next_place() * 10) for _ in range(30)} == set(range(10))
