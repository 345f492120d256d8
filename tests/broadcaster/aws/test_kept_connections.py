"""Connections across the silences of a process: kept, found dead, opened again."""

import os
import ssl
import time
from collections.abc import Iterator

import pytest
import trustme

from broadcaster import http1
from broadcaster.aws.address import parse_url
from broadcaster.aws.at_once import run_at_once
from broadcaster.aws.kept_connections import MAX_IDLE_SECONDS, MOST_KEPT, KeptConnections
from broadcaster.aws.retries import Time
from tests.scripted_server import ScriptedServer


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Kept(KeptConnections):
    """With the exchange of one caller as a plain call."""

    def exchange_now(self, request: bytes, *, seconds: float) -> http1.Answer:
        [answer] = run_at_once([self.exchange(request, seconds=seconds)], most=1, time=Time())
        return answer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    made = ScriptedServer()
    yield made
    made.close()


def no_tls() -> ssl.SSLContext:
    raise AssertionError("plain HTTP needs none")


def kept_to(url: str, clock: Clock, tls: ssl.SSLContext | None = None) -> Kept:
    endpoint = parse_url(url, "eu-west-1", name="url", example="")
    return Kept(endpoint, tls=(lambda: tls) if tls else no_tls, time=Time(now=clock))


@pytest.fixture
def kept(server: ScriptedServer, clock: Clock) -> Iterator[Kept]:
    made = kept_to(server.url, clock)
    yield made
    made.close()


def request(body: bytes = b"x") -> bytes:
    return http1.request("POST", "/", {"Host": "localhost"}, body)


def test_the_second_exchange_finds_the_connection_of_the_first(server: ScriptedServer, kept: Kept) -> None:
    assert kept.exchange_now(request(), seconds=5).status == 200
    assert kept.exchange_now(request(), seconds=5).status == 200
    assert server.connections == 1


def test_a_connection_that_the_server_closed_silently_is_replaced(server: ScriptedServer, kept: Kept) -> None:
    server.answers = ["vanish", 200]
    assert kept.exchange_now(request(b"1"), seconds=5).status == 200
    assert kept.exchange_now(request(b"2"), seconds=5).status == 200
    assert [(asked.body, asked.connection) for asked in server.requests] == [(b"1", 1), (b"2", 2)]


def test_an_answer_to_nobody_is_not_taken_for_that_to_the_next_request(server: ScriptedServer, kept: Kept) -> None:
    server.answers = ["mutter", 200]
    assert kept.exchange_now(request(), seconds=5).status == 200
    assert server.has_muttered.wait(20)
    assert kept.exchange_now(request(), seconds=5).status == 200
    assert server.connections == 2


def test_a_kept_connection_that_swallows_the_request_leaves_time_for_a_fresh_one(
    server: ScriptedServer, kept: Kept
) -> None:
    server.answers = [200, "hang", 200]
    assert kept.exchange_now(request(b"1"), seconds=5).status == 200
    assert kept.exchange_now(request(b"2"), seconds=1).status == 200
    assert [(asked.body, asked.connection) for asked in server.requests] == [(b"1", 1), (b"2", 1), (b"2", 2)]


def test_a_fresh_connection_is_tried_once(server: ScriptedServer, kept: Kept) -> None:
    server.answers = ["garble", "garble", 200]
    with pytest.raises(http1.ProtocolError):
        kept.exchange_now(request(), seconds=5)
    assert len(server.requests) == 1


def test_after_a_failure_the_next_exchange_starts_anew(server: ScriptedServer, kept: Kept) -> None:
    server.answers = ["hang", 200]
    with pytest.raises(TimeoutError):
        kept.exchange_now(request(), seconds=0.1)
    assert kept.exchange_now(request(), seconds=5).status == 200
    assert server.connections == 2


def test_a_server_that_says_close_is_taken_at_its_word(server: ScriptedServer, kept: Kept) -> None:
    server.answers = [(200, {"Connection": "close"}), 200]
    kept.exchange_now(request(), seconds=5)
    kept.exchange_now(request(), seconds=5)
    assert server.connections == 2


@pytest.mark.parametrize(("idle", "connections"), [(MAX_IDLE_SECONDS - 1, 1), (MAX_IDLE_SECONDS + 1, 2)])
def test_a_connection_that_was_idle_for_long_is_not_trusted(
    server: ScriptedServer, kept: Kept, clock: Clock, idle: float, connections: int
) -> None:
    kept.exchange_now(request(), seconds=5)
    clock.now += idle
    kept.exchange_now(request(), seconds=5)
    assert server.connections == connections


def test_exchanges_at_once_have_a_connection_each_and_find_them_again(server: ScriptedServer, kept: Kept) -> None:
    for _ in range(3):
        exchanges = [kept.exchange(request(b"%d" % number), seconds=20) for number in range(5)]
        answers = run_at_once(exchanges, most=5, time=Time())
        assert [answer.status for answer in answers] == [200] * 5
    assert server.connections == 5


def test_no_more_connections_are_kept_than_are_under_way_by_default(server: ScriptedServer, kept: Kept) -> None:
    exchanges = [kept.exchange(request(), seconds=20) for _ in range(MOST_KEPT + 4)]
    run_at_once(exchanges, most=MOST_KEPT + 4, time=Time())
    run_at_once([kept.exchange(request(), seconds=20) for _ in range(MOST_KEPT + 1)], most=99, time=Time())
    assert server.connections == MOST_KEPT + 5


def test_an_exchange_that_is_given_up_leaves_no_half_used_connection(server: ScriptedServer, kept: Kept) -> None:
    server.answers = [200, "hang", 200]
    kept.exchange_now(request(), seconds=5)
    given_up = kept.exchange(request(), seconds=5)
    next(given_up)
    while len(server.requests) < 2:  # or the next request is the one that the server leaves without an answer
        time.sleep(0.001)
    given_up.close()
    assert kept.exchange_now(request(), seconds=5).status == 200
    assert server.connections == 2


def test_a_server_that_accepts_and_reads_nothing_is_given_up(server: ScriptedServer, kept: Kept) -> None:
    server.answers = ["hang"]
    with pytest.raises(TimeoutError):
        kept.exchange_now(request(b"x" * 30_000_000), seconds=0.2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_opens_its_own_and_leaves_those_of_its_parent_alone(server: ScriptedServer, kept: Kept) -> None:
    kept.exchange_now(request(b"before"), seconds=5)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            kept.exchange_now(request(b"child"), seconds=20)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    kept.exchange_now(request(b"parent"), seconds=5)
    assert [(asked.body, asked.connection) for asked in server.requests] == [
        (b"before", 1),
        (b"child", 2),
        (b"parent", 1),
    ]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[ScriptedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    made = ScriptedServer(context)
    yield made
    made.close()


def test_over_tls_connections_are_kept_too(authority: trustme.CA, tls_server: ScriptedServer, clock: Clock) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    kept = kept_to(f"https://localhost:{tls_server.port}", clock, trusting)
    body = b"y" * 300_000  # many TLS records, which no waiting on the socket shows one by one
    for _ in range(3):
        tls_server.answers = [(200, {}, body), (200, {}, body)]
        exchanges = [kept.exchange(request(b"x" * 200_000), seconds=20) for _ in range(2)]
        assert [answer.body for answer in run_at_once(exchanges, most=2, time=Time())] == [body, body]
    kept.close()
    assert tls_server.connections == 2


@pytest.mark.parametrize(("url", "trusted"), [("https://localhost:{port}", False), ("https://127.0.0.1:{port}", True)])
def test_a_server_whose_certificate_does_not_fit_is_not_asked(
    authority: trustme.CA, tls_server: ScriptedServer, clock: Clock, url: str, trusted: bool
) -> None:
    context = ssl.create_default_context()
    if trusted:
        authority.configure_trust(context)
    kept = kept_to(url.format(port=tls_server.port), clock, context)
    with pytest.raises(OSError, match="certificate verify failed"):
        kept.exchange_now(request(), seconds=5)
    assert tls_server.requests == []
