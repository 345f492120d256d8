"""Several exchanges in one thread: resumed when they may go on, ended in order, left in order."""

import select
import socket
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.aws.at_once import READ, run_at_once
from broadcaster.aws.retries import Time


class Clock:
    """Time that passes only by waiting."""

    def __init__(self):
        self.now = 0.0

    def sleep(self, seconds):
        self.now += seconds

    @property
    def time(self):
        return Time(clock=lambda: self.now, sleep=self.sleep)


def pausing(clock, log, name, pauses):
    """Waits so often, then returns when."""
    for seconds in pauses:
        log.append((name, "begins"))
        yield None, 0, clock.now + seconds
    return clock.now


@given(st.lists(st.lists(st.floats(0.001, 10), max_size=4), max_size=6), st.integers(1, 6))
def test_waits_overlap_and_results_keep_their_order(pauses, most):
    clock = Clock()
    results = run_at_once((pausing(clock, [], n, each) for n, each in enumerate(pauses)), most=most, time=clock.time)
    assert len(results) == len(pauses)
    total = sum(map(sum, pauses))
    assert max(results, default=0.0) <= total + 1e-9
    if most >= len(pauses):
        assert max(results, default=0.0) == pytest.approx(max(map(sum, pauses), default=0.0))
    if most == 1:
        assert max(results, default=0.0) == pytest.approx(total)


def test_no_more_are_under_way_than_are_allowed():
    clock, under_way, most_seen = Clock(), set(), [0]

    def work(number):
        under_way.add(number)
        most_seen[0] = max(most_seen[0], len(under_way))
        yield None, 0, clock.now + 1
        under_way.remove(number)

    run_at_once(map(work, range(10)), most=3, time=clock.time)
    assert most_seen == [3]
    assert clock.now == 4


def test_the_others_end_before_the_first_error_is_raised():
    clock, ended = Clock(), []

    def work(number, seconds, error):
        yield None, 0, clock.now + seconds
        ended.append(number)
        if error:
            raise error

    works = [work(0, 5, None), work(1, 2, ValueError("second")), work(2, 1, KeyError("third"))]
    with pytest.raises(ValueError, match="second"):
        run_at_once(works, most=9, time=clock.time)
    assert ended == [2, 1, 0]


def test_an_interruption_closes_all_of_them():
    closed = []

    def work(number):
        try:
            yield None, 0, 1.0
            raise KeyboardInterrupt
        finally:
            closed.append(number)

    with pytest.raises(KeyboardInterrupt):
        run_at_once([work(0), work(1)], most=2, time=Clock().time)
    assert closed == [0, 1]


@pytest.fixture(params=["poll", "select"])
def pair(request, monkeypatch) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection, where the system has poll and where, as on Windows, it has not."""
    if request.param == "select":
        monkeypatch.delattr(select, "poll", raising=False)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        near = socket.create_connection(listening.getsockname())
        far, _ = listening.accept()
    with near, far:
        near.setblocking(False)
        yield near, far


def reading(near, until):
    yield near, READ, until
    return near.recv(10)


def test_a_socket_that_is_ready_resumes_whoever_waits_for_it(pair):
    near, far = pair

    def writing():
        yield None, 0, 0.0
        far.sendall(b"hello")

    assert run_at_once([reading(near, time.monotonic() + 60), writing()], most=2, time=Time()) == [b"hello", None]


def test_a_socket_that_is_not_ready_in_time_is_a_timeout(pair):
    with pytest.raises(TimeoutError):
        run_at_once([reading(pair[0], 0.0)], most=1, time=Time())


def test_what_arrived_counts_although_the_time_is_over(pair):
    """As after a process was stopped for a while: the answer is there, whatever the clock says."""
    near, far = pair
    far.sendall(b"late")
    select.select([near], [], [], 20)
    assert run_at_once([reading(near, 0.0)], most=1, time=Time(clock=lambda: 1_000.0)) == [b"late"]
