"""How fast requests may go out."""

from math import exp, inf

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


def test_the_next_grant_is_no_later_than_it_has_to_be():
    pace = Pace(10.0)
    for _ in range(5):
        assert pace.next_grant(0.0) == 0.0
        assert pace.grant(1, 0.0) == 1
    assert pace.next_grant(0.0) == pytest.approx(0.1, abs=1e-5)
    assert pace.next_grant(0.05) == pytest.approx(0.1, abs=1e-5)


def test_the_default_is_just_under_the_quota():
    assert 9_000 <= DEFAULT_RATE < 10_000
    assert Pace().grant(10_000, 0.0) == DEFAULT_RATE / 2


def test_throttling_pauses_goes_on_at_the_rate_that_got_through_and_recovers():
    pace = Pace(1000.0)
    pace.grant(500, 0.0)
    for _ in range(250):
        pace.throttled(0.0, 1.0)
    for _ in range(100):
        pace.ease(0.05)  # answers to what was sent before the pause
    assert pace.paused_until == pytest.approx(0.1)
    assert pace.grant(1, 0.05) == 0
    assert pace.next_grant(0.05) == pytest.approx(0.1, abs=0.01)
    # 250 in half a second, and a little less for safety.
    assert pace.grant(10_000, 1.1) == pytest.approx(0.85 * 500, rel=0.02)
    pace.grant(10_000, 9.0)
    assert pace.grant(10_000, 9.4) == pytest.approx(0.4 * 1000, rel=0.01)


def test_pauses_grow_while_throttling_goes_on():
    pace, now, pauses = Pace(inf), 0.0, []
    for _ in range(8):
        pace.throttled(now, 1.0)
        pauses.append(pace.paused_until - now)
        assert pace.grant(1, (now + pace.paused_until) / 2) == 0
        assert pace.grant(1, pace.paused_until) == 1
        now = pace.paused_until + 0.9
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0])
    pace.throttled(now + 0.2, 0.0)
    assert pace.paused_until - now - 0.2 == pytest.approx(0.05), "a first one again, and chance makes it half as long"


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
                pace.throttled(now, share)
            case "ease":
                pace.ease(now)
        assert granted <= max(1.0, rate / 2) + rate * now + 1e-6
        assert pace.next_grant(now) < now + 2.1 + 1 / (rate * 0.005)
    for tick in range(250):  # recovers: after a while all of the rate goes out again
        pace.grant(1_000_000, now + tick / 10)
    assert pace.grant(1_000_000, now + 26) >= int(min(rate / 2, rate * 0.99))


def rate_of(pace, now):
    """A tenth of a second's grants, without a burst before."""
    pace.grant(100_000, now)
    return pace.grant(100_000, now + 0.1) * 10


def eased(times):
    """A pace that knows the ceiling: 400 a second, and has heard so many 429s since, all at 2 s."""
    pace = Pace(1000.0)
    pace.grant(500, 0.0)
    pace.give_back(260)
    pace.ease(0.0)
    for _ in range(times):
        pace.ease(2.0)
    return pace


def test_the_rate_that_got_through_is_that_of_the_last_moment():
    pace = Pace(1000.0)
    for tick in range(100):  # 500 a second, the last of them at 101.98
        pace.grant(10, 100 + tick / 50)
    pace.ease(102.25)
    pace.grant(1_000, 102.25)
    rate = 500 * exp(-0.27 / 0.5) * 0.85
    # Each second's requests go by the rate at its beginning, and each adds 4.5 to that.
    assert pace.grant(1_000, 103.25) == pytest.approx(rate, abs=2)
    assert pace.grant(1_000, 104.25) == pytest.approx(rate + 4.5, abs=2)
    assert pace.grant(1_000, 105.25) == pytest.approx(rate + 9.0, abs=2)


def test_a_429_takes_a_tenth_of_a_low_rate():
    pace = Pace(100.0)
    pace.grant(50, 0.0)
    pace.give_back(40)
    pace.ease(0.0)  # 17 a second
    pace.ease(0.5)
    assert 1 / (pace.next_grant(0.5) - 0.5) == pytest.approx((17 + 0.5 * 4.5) * 0.9, abs=0.01)


def test_after_a_pause_too_all_429s_together_take_a_quarter():
    pace = Pace(1000.0)
    pace.grant(500, 0.0)
    for _ in range(250):
        pace.throttled(0.0, 1.0)
    for _ in range(1_000):
        pace.ease(2.0)
    assert rate_of(pace, 2.0) == pytest.approx(0.75 * 0.85 * 500, abs=10)


def test_a_rate_that_was_eased_comes_back_slowly_and_then_ever_faster():
    pace = eased(0)
    rates = [rate_of(pace, float(second)) for second in range(1, 10)]
    assert rates == sorted(rates)
    assert 400 < rates[0] < rates[3] < 450
    assert rates[-1] == pytest.approx(1000, abs=10)


def test_each_429_takes_the_same_from_a_rate_whatever_it_is_and_all_together_a_quarter():
    rates = [rate_of(eased(times), 2.0) for times in (0, 10, 20, 100, 1_000)]
    assert rates == pytest.approx([410, 390, 360, 310, 310], abs=10)


def test_a_429_takes_back_what_the_rate_soared_by_as_far_as_it_was_not_used():
    pace, used = eased(0), eased(0)
    for now in range(1, 80):
        used.grant(100, now / 10)
    pace.ease(7.9)
    used.ease(7.9)
    assert rate_of(pace, 7.9) < 450
    assert rate_of(used, 7.9) > 600


def test_where_nothing_limits_the_rate_easing_changes_nothing():
    pace = Pace(inf)
    pace.ease(0.0)
    assert pace.grant(1_000, 0.0) == 1_000


@pytest.mark.parametrize(
    ("spacing", "is_near", "first"), [(5, False, 10), (12, False, None), (300, True, 12), (500, True, None)]
)
def test_fewer_that_are_throttled_are_a_sign_where_the_ceiling_is_near(spacing, is_near, first):
    watch = ThrottleWatch()
    signs = []
    for number in range(1_000, 1_000 + 100 * spacing, spacing):
        watch.is_everybody(f"id{number}=", number)
        signs.append(watch.is_some(number, is_near=is_near))
    assert (signs.index(True) if any(signs) else None) == first
