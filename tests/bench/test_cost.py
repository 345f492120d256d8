"""The bill of a load: no way of sharing messages needs fewer than the bound that is printed beside it."""

from hypothesis import example, given
from hypothesis import strategies as st

from bench.cost import Published, fewest, send

WINDOW = 1 / 8  # seconds; like the times below it has no rounding
EVENTS = st.lists(st.tuples(st.integers(0, 200), st.sampled_from(["logs", "admin"])), min_size=1)


def published(events):
    return [Published(at / 64, channel, b'"event":"log","data":1,"id":"1"') for at, channel in sorted(events)]


@given(EVENTS)
@example([(0, "logs"), (8, "logs"), (16, "logs")])
def test_what_is_sent_is_never_less_than_the_bound_nor_more_than_twice_that(events):
    load = published(events)
    bound = fewest(load, WINDOW)
    assert bound <= send(load, WINDOW).messages <= 2 * bound


def test_who_waits_for_the_last_moment_shares_one_message():
    assert fewest(published([(0, "logs"), (8, "logs")]), WINDOW) == 1
    assert fewest(published([(0, "logs"), (9, "logs")]), WINDOW) == 2
    assert fewest(published([(0, "logs"), (0, "admin")]), WINDOW) == 2
