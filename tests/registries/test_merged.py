from hypothesis import given
from hypothesis import strategies as st

from broadcaster.registries.lists.merged import each_once

SORTED_IDS = st.sets(st.text("abc=", min_size=1, max_size=4), max_size=40).map(sorted)


def cut(ids, sizes):
    """The ids in pages of these sizes, empty ones among them, and the rest in one."""
    pages = []
    for size in sizes:
        pages.append(ids[:size])
        ids = ids[size:]
    return [*pages, ids]


@given(SORTED_IDS, SORTED_IDS, st.lists(st.integers(0, 5)), st.lists(st.integers(0, 5)), st.integers(1, 7))
def test_both_come_out_sorted_and_each_id_once(left, right, left_sizes, right_sizes, size):
    pages = list(each_once(cut(left, left_sizes), cut(right, right_sizes), size=size))
    assert [connection_id for page in pages for connection_id in page] == sorted({*left, *right})
    assert all(len(page) == size for page in pages[:-1])
    assert all(0 < len(page) <= size for page in pages)


def test_no_page_is_read_before_it_is_needed():
    read = []

    def pages(name):
        for number in range(5):
            read.append((name, number))
            yield [f"{number}{name}{rest}" for rest in range(3)]

    merged = each_once(pages("a"), pages("b"), size=3)
    assert read == []
    next(merged)
    assert len(read) <= 4
