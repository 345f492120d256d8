"""How fast requests may go out."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.sending.pace import DEFAULT_RATE, Pace, ThrottleWatch


@given(st.floats(1, 20_000), st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 500)), min_size=1))
def test_never_more_than_the_rate_and_one_burst(rate, requests):
    pace, now, granted = Pace(rate), 0.0, 0
    for pause, wanted in requests:
        now += pause
        granted += pace.grant(wanted, now)
        assert granted <= max(1.0, rate / 2) + rate * now + 1e-6


@given(st.floats(1, 20_000), st.integers(1, 20_000))
def test_the_next_grant_is_when_it_says(rate, taken):
    pace = Pace(rate)
    pace.grant(taken, 0.0)
    when = pace.next_grant(0.0)
    assert pace.grant(1, when) == 1


def test_the_default_is_just_under_the_quota():
    assert 9_000 <= DEFAULT_RATE < 10_000
    assert Pace().grant(10_000, 0.0) == DEFAULT_RATE / 2


def test_throttling_pauses_halves_and_recovers():
    pace = Pace(1000.0)
    pace.throttled(0.0, 1.0)
    assert pace.grant(1, 0.05) == 0
    assert pace.next_grant(0.05) == pace.paused_until == pytest.approx(0.1)
    pace.grant(10_000, 0.2)
    assert pace.grant(10_000, 1.2) == pytest.approx(500, rel=0.15)
    # A tenth of the set rate comes back in each second: 600 a second after one more, all of it after five.
    pace.grant(10_000, 2.2)
    assert pace.grant(10_000, 2.4) == pytest.approx(0.2 * 720, rel=0.1)
    pace.grant(10_000, 8.0)
    assert pace.grant(10_000, 8.4) == pytest.approx(0.4 * 1000, rel=0.01)


def test_pauses_grow_while_throttling_goes_on():
    pace, now, pauses = Pace(inf), 0.0, []
    for _ in range(8):
        pace.throttled(now, 1.0)
        pauses.append(pace.paused_until - now)
        now = pace.paused_until
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0])
    pace.throttled(now + 10, 1.0)
    assert pace.paused_until - now - 10 == pytest.approx(0.1)


def test_answers_that_were_under_way_when_all_were_throttled_change_nothing():
    pace = Pace(1000.0)
    pace.throttled(0.0, 1.0)
    until = pace.paused_until
    pace.throttled(0.01, 1.0)
    assert pace.paused_until == until


def test_what_was_not_used_can_be_given_back():
    pace = Pace(10.0)
    assert pace.grant(100, 0.0) == 5
    pace.give_back(3)
    assert pace.grant(100, 0.0) == 3


def test_without_a_limit_everything_is_granted():
    pace = Pace(inf)
    assert pace.grant(1_000_000, 0.0) == 1_000_000
    assert pace.next_grant(5.0) <= 5.0


@pytest.mark.parametrize("connections", range(1, 12))
def test_only_many_connections_that_are_throttled_are_everybody(connections):
    """A slow reader alone, or a few of them, however often they are throttled, say nothing of the account."""
    watch = ThrottleWatch()
    signs = [watch.is_everybody(f"id{number % connections}=", number) for number in range(40)]
    assert any(signs) == (connections >= 6)


@pytest.mark.parametrize("spacing", range(1, 6))
def test_throttling_is_everybodys_only_where_half_of_the_latest_answers_are(spacing):
    watch = ThrottleWatch()
    signs = [watch.is_everybody(f"id{number}=", number * spacing) for number in range(40)]
    assert any(signs) == (spacing <= 2)
    assert not any(signs[:7])


MOMENTS = st.lists(
    st.tuples(st.floats(0, 0.5), st.sampled_from(["grant", "throttled", "ease"]), st.floats(0, 1)), min_size=1
)


@given(st.floats(1, 20_000), MOMENTS)
def test_whatever_is_throttled_never_more_than_the_rate_and_never_for_ever(rate, moments):
    pace, now, granted = Pace(rate), 0.0, 0
    for pause, what, share in moments:
        now += pause
        match what:
            case "grant":
                granted += pace.grant(int(share * 500), now)
            case "throttled":
                pace.throttled(now, share, share)
            case "ease":
                pace.ease(now)
        assert granted <= max(1.0, rate / 2) + rate * now + 1e-6
        assert pace.next_grant(now) < now + 2.1 + 1 / (rate * 0.005)
    for tick in range(250):  # recovers: after a while all of the rate goes out again
        pace.grant(1_000_000, now + tick / 10)
    assert pace.grant(1_000_000, now + 26) >= int(min(rate / 2, rate * 0.99))


def test_a_rate_that_was_eased_comes_back_slowly_and_then_ever_faster():
    pace = Pace(1000.0)
    pace.grant(500, 0.0)
    pace.ease(0.0)
    rates = [pace.grant(10_000, float(second)) for second in range(1, 6)]
    assert rates[0] < 620
    assert rates == sorted(rates)
    assert rates[-1] == 500  # a whole burst again


def test_where_nothing_limits_the_rate_easing_changes_nothing():
    pace = Pace(inf)
    pace.ease(0.0)
    assert pace.grant(1_000, 0.0) == 1_000


@pytest.mark.parametrize(("spacing", "is_near", "is_some"), [(5, False, True), (12, False, False), (12, True, True)])
def test_fewer_that_are_throttled_are_a_sign_where_the_ceiling_is_near(spacing, is_near, is_some):
    watch = ThrottleWatch()
    signs = []
    for number in range(0, 400, spacing):
        watch.is_everybody(f"id{number}=", number)
        signs.append(watch.is_some(number, is_near=is_near))
    assert any(signs) == is_some
    assert watch.share(395) == pytest.approx(1 / spacing, rel=0.2)
