"""What a broadcast does next, without sockets or clocks."""

from math import inf
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcaster.errors import RefusedError
from broadcaster.sending.fan_out import FanOut
from broadcaster.sending.pace import Pace

URL = "https://abc123xyz.execute-api.us-east-1.amazonaws.com/production"


class Said(NamedTuple):
    """An answer."""

    status: int
    headers: dict
    body: bytes


def fan_out(pages, **options):
    defaults = {"url": URL, "pace": Pace(inf), "deadline": 10.0, "random": lambda: 0.5}
    return FanOut(pages, **(defaults | options))


def run(plan, answer, *, until=100.0, clock=0.0):
    """Drive the plan one post after another with `answer(connection_id, attempt)`; return its result and the end time.

    An answer is a status, `"lost"`, `"timeout"` or `"unsent"`.
    """
    attempts, waits = {}, 0
    while not plan.is_done and clock < until:
        if clock >= plan.deadline:
            plan.give_up(clock, [])
            break
        connection_id = plan.take(clock)
        if connection_id is None:
            waits += 1
            assert waits < 1000, "the driver is told to ask again at once, for ever"
            clock = max(plan.wake_at(clock), clock + 1e-6)
            continue
        attempts[connection_id] = attempts.get(connection_id, 0) + 1
        tell(plan, connection_id, answer(connection_id, attempts[connection_id]), clock)
    return plan.result(), clock, attempts


def tell(plan, connection_id, outcome, clock, headers=None, body=b""):
    match outcome:
        case "lost":
            plan.lost(connection_id, "reset", clock)
        case "timeout":
            plan.lost(connection_id, "no answer", clock, timed_out=True)
        case "unsent":
            plan.lost_on_kept(connection_id, "closed", clock)
        case status:
            plan.answered(connection_id, Said(status, headers or {}, body), clock)


OUTCOMES = st.sampled_from([200, 204, 410, 429, 500, 503, 408, 400, 413, 403, "lost", "timeout", "unsent"])


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 30), max_size=8),
    st.integers(1, 20),
    st.integers(1, 4),
    st.sampled_from([inf, 50.0, 1000.0]),
    st.floats(0.5, 30),
    st.randoms(use_true_random=False),
    st.lists(OUTCOMES, min_size=1, max_size=6),
)
def test_every_target_ends_in_exactly_one_of_the_three(sizes, concurrency, attempts, rate, deadline, chance, outcomes):
    """Posts are answered in any order, by anything; the laws hold all the way."""
    numbers = iter(range(10_000))
    pages = [[f"id{next(numbers)}=" for _ in range(size)] for size in sizes]
    plan = fan_out(
        iter(pages),
        concurrency=concurrency,
        attempts=attempts,
        pace=Pace(rate),
        deadline=deadline,
        random=chance.random,
    )
    in_flight, posts, unsent, sent, stale, clock = [], {}, set(), [], [], 0.0
    while not plan.is_done:
        if clock >= deadline:
            plan.give_up(clock, in_flight)
            in_flight.clear()
            break
        while (connection_id := plan.take(clock)) is not None:
            in_flight.append(connection_id)
            assert len(in_flight) <= concurrency
        assert plan.in_flight == len(in_flight)
        if in_flight and (chance.random() < 0.8 or plan.wake_at(clock) > deadline):
            connection_id = in_flight.pop(chance.randrange(len(in_flight)))
            outcome = chance.choice(outcomes)
            # Uncounted: the first loss on a kept connection, and what the account's throttle refuses.
            free = outcome == 429 or (outcome == "unsent" and connection_id not in unsent)
            unsent |= {connection_id} if outcome == "unsent" else set()
            posts[connection_id] = posts.get(connection_id, 0) + (not free)
            sent += [connection_id] if outcome in (200, 204) else []
            stale += [connection_id] if outcome == 410 else []
            tell(plan, connection_id, outcome, clock)
            clock += 0.001
        else:
            assert plan.wake_at(clock) <= deadline
            clock = max(plan.wake_at(clock), clock + 0.001)
    try:
        result = plan.result()
    except RefusedError:
        assert not sent
        assert not stale
        return
    failed = [failure.connection_id for failure in result.failures]
    assert sorted([*sent, *stale, *failed]) == sorted(connection_id for page in pages for connection_id in page)
    assert (result.sent, result.stale, result.failed) == (len(sent), len(stale), len(failed))
    assert plan.take_stale() == stale
    assert all(count <= attempts for count in posts.values())


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, "lost"])
def test_a_passing_fault_is_tried_again_later_and_then_failed(status):
    result, clock, attempts = run(fan_out([["id="]]), lambda connection_id, attempt: status)
    assert result == {"sent": 0, "failed": 1, "stale": 0}
    assert attempts == {"id=": 3}
    assert clock == pytest.approx(0.075 + 0.15, abs=0.01)
    assert "(3 attempts)" in result.failures[0].reason
    assert result.failures[0].status == (None if status == "lost" else status)


def test_an_id_that_api_gateway_calls_invalid_is_stale_and_not_posted_to_in_every_broadcast():
    plan = fan_out([["never-an-id", "L0SM9cOFvHcCIhw="]])
    for connection_id in (plan.take(0.0), plan.take(0.0)):
        wrong = connection_id == "never-an-id"
        headers = {"x-amzn-errortype": "BadRequestException"}
        body = b'{"message": "Invalid connectionId: never-an-id", "connectionId": "never-an-id"}'
        tell(plan, connection_id, 400 if wrong else 200, 0.0, headers, body)
    assert plan.is_done
    assert plan.result() == {"sent": 1, "failed": 0, "stale": 1}
    assert plan.take_stale() == ["never-an-id"]


@pytest.mark.parametrize("status", [400, 413, 409, 422])
def test_other_errors_are_final(status):
    result, _, attempts = run(fan_out([["id="]]), lambda connection_id, attempt: status)
    assert attempts == {"id=": 1}
    assert result.failures[0].status == status


def test_only_with_status_400_an_answer_that_names_the_id_means_that_there_is_none():
    plan = fan_out([["id="]])
    tell(plan, plan.take(0.0), 413, 0.0, body=b'{"message": "Too much for connectionId id="}')
    assert plan.result() == {"sent": 0, "failed": 1, "stale": 0}


def test_waits_double_up_to_two_seconds_and_chance_makes_them_up_to_half_as_long():
    plan, clock, waits = fan_out([["id="]], attempts=8, deadline=100.0, random=lambda: 0.8), 1.0, []
    for _ in range(7):
        assert plan.take(clock) == "id="
        tell(plan, "id=", 503, clock)
        waits.append(plan.wake_at(clock) - clock)
        clock += waits[-1]
    assert waits == pytest.approx([0.9 * whole for whole in (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0)])


def test_a_post_that_hung_is_tried_only_once_more():
    result, _, attempts = run(fan_out([["id="]], attempts=5), lambda connection_id, attempt: "timeout")
    assert attempts == {"id=": 2}
    assert result.failures[0].reason == "no answer (2 attempts)"


def test_a_slow_reader_is_left_alone_for_a_while_and_nobody_else_waits():
    ids = [f"id{n}=" for n in range(100)]
    result, clock, attempts = run(
        fan_out([ids]), lambda connection_id, attempt: 429 if connection_id == "id3=" and attempt < 3 else 200
    )
    assert result == {"sent": 100, "failed": 0, "stale": 0}
    assert attempts["id3="] == 3
    assert clock == pytest.approx(0.3 + 0.6, abs=0.01)


@pytest.mark.parametrize(("sent", "is_everybody"), [(1, True), (2, False)])
def test_everybody_is_throttled_by_the_share_of_all_answers(sent, is_everybody):
    pace = Pace(inf)
    plan = fan_out([[f"id{n}=" for n in range(30)]], pace=pace)
    for status in ([200] * sent + [429]) * 8:
        tell(plan, plan.take(0.0), status, 0.0)
    assert (pace.paused_until > 0.0) == is_everybody


def test_where_the_ceiling_was_met_a_429_is_no_attempt_and_comes_back_after_a_slow_readers_wait():
    pace = Pace(1000.0)
    pace.grant(500, 0.0)
    pace.ease(0.0)
    plan, clock = fan_out([["a="]], pace=pace, deadline=100.0, random=lambda: 0.8), 1.0
    for _ in range(9):
        assert plan.take(clock) == "a="
        tell(plan, "a=", 429, clock)
        assert plan.wake_at(clock) == pytest.approx(clock + 0.4 * 0.9)
        clock = plan.wake_at(clock)
    tell(plan, plan.take(clock), 429, clock)
    assert plan.result().failures == [("a=", "the account's requests are throttled (HTTP 429, 10 times)", 429)]


def test_throttling_of_everybody_pauses_everybody_and_costs_no_attempts():
    ids = [f"id{n}=" for n in range(200)]
    pace = Pace(1000.0)
    plan = fan_out([ids], pace=pace)
    open_again_at = 1.0
    posts = []

    clock = 0.0
    while not plan.is_done:
        connection_id = plan.take(clock)
        if connection_id is None:
            clock = max(plan.wake_at(clock), clock + 1e-6)
            continue
        posts.append(clock)
        tell(plan, connection_id, 429 if clock < open_again_at else 200, clock)
        clock += 0.0001
    assert plan.result() == {"sent": 200, "failed": 0, "stale": 0}
    throttled = [moment for moment in posts if moment < open_again_at]
    assert len(throttled) < 100


def test_a_second_broadcast_of_the_sender_pauses_too():
    pace = Pace(1000.0)
    run_into = fan_out([[f"id{n}=" for n in range(20)]], pace=pace)
    other = fan_out([["other="]], pace=pace)
    for _ in range(12):
        tell(run_into, run_into.take(0.0), 429, 0.0)
    assert other.take(0.0) is None
    assert 0.0 < other.wake_at(0.0) <= 2.0
    assert other.take(other.wake_at(0.0)) == "other="


def test_a_refusal_of_the_first_stops_before_the_others():
    plan = fan_out([[f"id{n}=" for n in range(1000)]])
    first, second = plan.take(0.0), plan.take(0.0)
    tell(plan, first, 403, 0.0, {"x-amzn-errortype": "ForbiddenException"}, b'{"message": "Forbidden"}')
    assert plan.take(0.0) is None
    assert not plan.is_done
    tell(plan, second, 403, 0.0)
    assert plan.is_done
    with pytest.raises(RefusedError, match=r"HTTP 403 \(ForbiddenException: Forbidden\); check that the role"):
        plan.result()


def test_a_refusal_of_one_alone_is_only_its_own():
    plan = fan_out([["odd=", "other=", "third="]])
    first, second = plan.take(0.0), plan.take(0.0)
    tell(plan, first, 403, 0.0)
    tell(plan, second, 200, 0.0)
    tell(plan, plan.take(0.0), 403, 0.0)
    assert plan.result() == {"sent": 1, "failed": 2, "stale": 0}


def test_when_everybody_is_refused_in_the_middle_the_rest_is_failed_unsent():
    ids = [f"id{n}=" for n in range(1000)]
    result, _, attempts = run(
        fan_out([ids]), lambda connection_id, attempt: 200 if int(connection_id[2:-1]) < 10 else 403
    )
    assert result == {"sent": 10, "failed": 990, "stale": 0}
    assert len(attempts) == 30
    assert "execute-api:ManageConnections" in result.failures[-1].reason


def test_after_credentials_were_renewed_those_refused_are_tried_again():
    asked = []

    def renew(headers):
        asked.append(headers["x-amzn-errortype"])
        return True

    plan = fan_out([["a=", "b=", "c="]], renew=renew)
    old = [plan.take(0.0), plan.take(0.0)]
    for connection_id in old:
        tell(plan, connection_id, 403, 0.0, {"x-amzn-errortype": "ExpiredTokenException"})
    result, _, attempts = run(plan, lambda connection_id, attempt: 200)
    assert result == {"sent": 3, "failed": 0, "stale": 0}
    assert asked == ["ExpiredTokenException"]
    assert attempts == {"a=": 1, "b=": 1, "c=": 1}


def test_renewing_in_vain_ends_in_a_refusal():
    plan = fan_out([["a=", "b="]], renew=lambda headers: True)
    with pytest.raises(RefusedError):
        run(plan, lambda connection_id, attempt: 403)


def test_an_address_that_cannot_be_reached_is_a_refusal_before_anybody_was_reached():
    plan = fan_out([["a="]])
    plan.cannot_connect("connection refused")
    assert plan.is_done
    with pytest.raises(RefusedError, match="cannot be reached: connection refused"):
        plan.result()


def test_an_address_that_cannot_be_reached_any_more_is_a_passing_fault():
    plan = fan_out([["a=", "b="]])
    tell(plan, plan.take(0.0), 200, 0.0)
    plan.cannot_connect("connection refused")
    assert plan.take(0.0) == "b="


def test_an_address_that_somebody_was_reached_at_in_the_end_was_right():
    plan = fan_out([["a=", "b="]])
    assert plan.take(0.0) == "a="
    assert plan.waiting(0.0) == 1
    plan.cannot_connect("too many open files")
    assert plan.take(0.0) is None
    assert plan.waiting(0.0) == 0
    assert plan.wake_at(0.0) == plan.deadline
    tell(plan, "a=", 200, 0.0)
    assert plan.take(0.0) == "b="


def test_after_the_deadline_pages_that_were_not_read_count_too():
    plan = fan_out(iter([["a="], ["b="], ["c=", "d="]]), deadline=1.0)
    first = plan.take(0.0)
    plan.give_up(1.0, [first])
    assert plan.result() == {"sent": 0, "failed": 4, "stale": 0}
    assert plan.is_done


def test_a_stopped_broadcast_reads_no_more_pages():
    read = []

    def pages():
        for page in (["a=", "b="], ["c="]):
            read.append(page)
            yield page

    plan = fan_out(pages())
    first = plan.take(0.0)
    plan.give_up(0.5, [first])
    assert plan.result() == {"sent": 0, "failed": 2, "stale": 0}
    assert read == [["a=", "b="]]


def test_no_broadcast_goes_faster_than_the_rate():
    plan = fan_out([[f"id{n}=" for n in range(3000)]], pace=Pace(1000.0))
    taken = []
    _, clock, _ = run(plan, lambda connection_id, attempt: taken.append(attempt) or 200)
    assert clock == pytest.approx((3000 - 500) / 1000, rel=0.02)


def test_the_driver_is_woken_at_once_when_all_is_done():
    plan = fan_out([["a="]])
    connection_id = plan.take(0.0)
    assert plan.take(0.0) is None
    assert plan.wake_at(0.0) == 10.0
    tell(plan, connection_id, 200, 1.0)
    assert plan.wake_at(1.0) == 1.0
    assert plan.is_done


@given(st.lists(st.none() | st.lists(st.integers(0, 9), max_size=5), max_size=12), st.booleans())
def test_pages_that_come_late_lose_nobody(numbers, is_read_ahead):
    pages = [page and [f"{at}-{number}=" for number in page] for at, page in enumerate(numbers)]
    plan, taken = fan_out(iter(pages)), []
    while not plan.is_done:
        if is_read_ahead:
            plan.read_ahead(7)
        connection_id = plan.take(0.0)
        if connection_id is not None:
            taken.append(connection_id)
            tell(plan, connection_id, 200, 0.0)
    assert taken == [connection_id for page in pages if page for connection_id in page]
    assert plan.result().sent == len(taken)


def test_a_page_that_is_not_there_yet_keeps_a_broadcast_going_and_its_driver_asleep():
    pages = [["a="]]
    plan = fan_out(iter(lambda: pages.pop() if pages else None, "end"), deadline=10.0)
    tell(plan, plan.take(0.0), 200, 0.0)
    assert not plan.is_done
    assert not plan.read_ahead(100)
    assert plan.wake_at(1.0) == 10.0


def test_pages_that_come_after_the_deadline_count_too_and_nobody_asks_for_them_over_and_over():
    there = []
    plan = fan_out(iter(lambda: there.pop(0) if there else None, "end"), deadline=1.0)
    assert plan.take(0.0) is None
    plan.give_up(1.0, [])
    assert not plan.is_done
    assert plan.wake_at(1.5) == inf
    there += [["a=", "b="], "end"]
    plan.give_up(2.0, [])
    assert plan.is_done
    assert plan.result() == {"sent": 0, "failed": 2, "stale": 0}


def test_a_stopped_broadcast_waits_for_no_page():
    plan = fan_out(iter([["a="], None, ["b="]]))
    first = plan.take(0.0)
    plan.give_up(0.5, [first])
    assert plan.is_done
    assert plan.result() == {"sent": 0, "failed": 1, "stale": 0}


def test_what_was_granted_to_a_broadcast_that_ended_early_goes_to_the_next():
    pace = Pace(10.0)
    refused = fan_out([["a=", "b=", "c="]], pace=pace)
    tell(refused, refused.take(0.0), 403, 0.0)
    with pytest.raises(RefusedError):
        refused.result()
    assert pace.grant(100, 0.0) == 4


def test_one_that_is_put_back_costs_no_second_grant():
    pace = Pace(10.0)
    plan = fan_out([["a="]], pace=pace)
    plan.lost_on_kept(plan.take(0.0), "closed", 0.0)
    tell(plan, plan.take(0.0), 200, 0.0)
    plan.result()
    assert pace.grant(100, 0.0) == 4


def test_a_broadcast_to_nobody_gives_nothing_back():
    pace = Pace(10.0)
    pace.grant(5, 0.0)
    plan = fan_out([], pace=pace)
    assert plan.take(0.0) is None
    plan.result()
    assert pace.grant(1, 0.0) == 0


def test_nothing_is_begun_after_the_deadline():
    plan = fan_out([["a=", "b="]], deadline=1.0)
    assert plan.take(0.9) == "a="
    assert plan.take(1.0) is None
    assert plan.take(1.5) is None


def test_a_connection_that_the_accounts_throttle_holds_up_ten_times_has_failed_and_says_so():
    ids = [f"id{number}=" for number in range(12)]
    result, _, _attempts = run(fan_out([ids], deadline=500.0), lambda connection_id, attempt: 429, until=500.0)
    assert result.failed == 12
    throttled = [failure for failure in result.failures if "the account's requests" in failure.reason]
    assert throttled
    assert {failure.status for failure in result.failures} == {429}
    assert {failure.reason for failure in throttled} == {"the account's requests are throttled (HTTP 429, 10 times)"}
    assert {failure.connection_id for failure in result.failures} == set(ids)


def test_a_slow_reader_has_failed_after_its_attempts_with_its_status():
    pace = Pace(1000.0)
    result, _, attempts = run(fan_out([["slow="]], pace=pace), lambda connection_id, attempt: 429)
    assert not pace.is_reduced
    [failure] = result.failures
    assert failure == ("slow=", "throttled, or its client reads too slowly (HTTP 429) (3 attempts)", 429)
    assert attempts == {"slow=": 3}


@pytest.mark.parametrize(("body", "said"), [(b"", "HTTP 403"), (b'{"message": "no"}', "HTTP 403: no")])
def test_one_that_is_refused_after_somebody_was_reached_is_a_failure_of_its_own(body, said):
    plan = fan_out([["a=", "b="]])
    assert (plan.take(0.0), plan.take(0.0)) == ("a=", "b=")
    tell(plan, "b=", 403, 0.0, body=body)
    tell(plan, "a=", 200, 0.0)
    assert plan.result().failures == [("b=", said, 403)]
    after = fan_out([["a=", "b="]])
    assert (after.take(0.0), after.take(0.0)) == ("a=", "b=")
    tell(after, "a=", 200, 0.0)
    tell(after, "b=", 403, 0.0, body=body)
    assert after.result().failures == [("b=", said, 403)]


def test_what_is_not_reached_by_the_deadline_or_when_it_is_stopped_says_why():
    plan = fan_out([["a=", "b="], ["c="]], concurrency=1, deadline=1.0)
    assert plan.take(0.0) == "a="
    plan.give_up(1.0, ["a="])
    late = "not answered by the broadcast's deadline"
    assert plan.result().failures == [("a=", late, None), ("b=", late, None), ("c=", late, None)]
    plan = fan_out([["a=", "b="], ["c="]], concurrency=1)
    assert plan.take(0.0) == "a="
    plan.give_up(1.0, ["a="])
    stopped = "the broadcast was stopped"
    assert plan.result().failures == [("a=", stopped, None), ("b=", stopped, None)]


def test_what_waits_for_a_throttled_account_at_the_deadline_says_so():
    pace = Pace(10)
    plan = fan_out([["a=", "b="]], pace=pace, deadline=1.0)
    pace.throttled(0.5, 0.0)
    plan.give_up(1.0, [])
    [reason] = {failure.reason for failure in plan.result().failures}
    assert reason == "not answered by the broadcast's deadline; the account's requests are throttled (HTTP 429)"


def test_a_kept_connection_that_was_closed_is_tried_once_more_at_once_and_then_counted():
    plan = fan_out([["a="]])
    assert plan.take(0.0) == "a="
    plan.lost_on_kept("a=", "closed", 0.0)
    assert plan.take(0.0) == "a=", "at once, and uncounted"
    for attempt in range(3):
        plan.lost_on_kept("a=", "closed", float(attempt))
        assert (plan.take(float(attempt)) is None) == (attempt < 3)
        if attempt < 2:
            assert plan.take(attempt + 0.9) == "a="
    assert plan.result().failures == [("a=", "closed (3 attempts)", None)]


def test_outcomes_are_told_one_by_one_as_soon_as_they_are_known():
    told = []
    plan = fan_out([["a=", "b=", "c=", "d="]], on_outcome=lambda *outcome: told.append(outcome), attempts=1)
    for _ in range(4):
        plan.take(0.0)
    tell(plan, "a=", 200, 0.0)
    assert told == [("a=", None)]
    tell(plan, "b=", 410, 0.0)
    tell(plan, "c=", 413, 0.0)
    tell(plan, "d=", "lost", 0.0)
    assert told[1:] == [
        ("b=", ("b=", "gone", 410)),
        ("c=", ("c=", "HTTP 413", 413)),
        ("d=", ("d=", "reset", None)),
    ]


def test_each_retry_pause_and_end_is_a_line_for_who_listens():
    lines = []

    class Log:
        def debug(self, text, *arguments):
            lines.append(text % arguments)

    ids = [f"id{number}=" for number in range(12)]
    plan = fan_out([ids], log=Log(), deadline=2.0)
    run(plan, lambda connection_id, attempt: 429, until=3.0)
    assert "post to id0=: throttled, or its client reads too slowly (HTTP 429); attempt 2 in 0.30 s" in lines
    assert any(line.startswith("the account is throttled: no posts for 0.") for line in lines)
    assert f"{URL} ends with 0 sent: not answered by the broadcast's deadline" in lines


def test_a_deadline_with_patience_counts_from_the_last_who_was_reached():
    plan = fan_out([["a=", "b=", "c="]], deadline=1.0, patience=1.0)
    tell(plan, plan.take(0.9), 200, 0.9)
    tell(plan, plan.take(1.8), 410, 1.8)
    assert plan.take(2.7) == "c="
    tell(plan, "c=", 503, 2.7)
    assert plan.deadline == pytest.approx(2.8)
    assert plan.take(2.8) is None


def test_posts_in_flight_begin_with_a_few_and_grow_with_those_that_arrive():
    plan = fan_out([[f"id{n}=" for n in range(2_000)]], concurrency=64)

    def in_flight():
        return list(iter(lambda: plan.take(0.0), None))

    first = in_flight()
    assert len(first) == 32
    for connection_id in first:
        tell(plan, connection_id, 200, 0.0)
    second = in_flight()
    assert len(second) == 40
    tell(plan, second[0], 429, 0.0)
    assert in_flight() == []
    for connection_id in second[1:]:
        tell(plan, connection_id, 200, 0.0)
        in_flight()
    assert plan.in_flight == 49  # 40, one fewer for the 429, a quarter more for each of 39
