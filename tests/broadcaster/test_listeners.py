"""Who listens, page by page: whether one page is all there is, and what is left of a list that breaks off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.errors import RegistryError
from broadcaster.listeners import Listeners
from broadcaster.registries import PAGE_SIZE

LONG = [f"connection-{number}=" for number in range(PAGE_SIZE)]


def read(pages, taken):
    """Yield pages, and what is an exception raise; note how many were asked for."""
    for page in pages:
        taken.append(page)
        if isinstance(page, Exception):
            raise page
        yield page


@given(st.lists(st.lists(st.text("abc", min_size=1), min_size=1), max_size=4), st.booleans())
def test_asking_whether_one_page_is_all_changes_nothing_of_what_is_read(pages, asks):
    listeners = Listeners(iter(pages))
    assert listeners.is_empty == (not pages)
    if asks:
        assert listeners.has_one_page(size=PAGE_SIZE) == (len(pages) == 1)
    assert list(listeners) == pages


@pytest.mark.parametrize(("pages", "read_ahead"), [([LONG, ["a="]], 1), ([LONG], 1), ([LONG[1:], ["a="]], 2)])
def test_a_second_page_is_read_only_after_one_that_is_not_full(pages, read_ahead):
    taken = []
    listeners = Listeners(read(pages, taken))
    assert not listeners.has_one_page(size=PAGE_SIZE)
    assert len(taken) == read_ahead
    assert list(listeners) == pages


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("error", [RegistryError("gone"), KeyError("gone")])
def test_a_list_that_breaks_off_keeps_what_was_read_and_the_error(asks, error):
    listeners = Listeners(read([["a="], error], []))
    assert not asks or listeners.has_one_page(size=PAGE_SIZE)
    assert list(listeners) == [["a="]]
    assert isinstance(listeners.error, RegistryError)
    assert "gone" in str(listeners.error)
