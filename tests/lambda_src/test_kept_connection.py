"""A connection across the freezes of its process: kept, found dead, opened again."""

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from broadcaster import http1
from kept_connection import MAX_IDLE_SECONDS, KeptConnection


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(management_api: Any, clock: Clock) -> Iterator[KeptConnection]:
    connection = KeptConnection("http", "127.0.0.1", management_api.port, clock=clock)
    yield connection
    connection.close()


def request(body: bytes = b"x") -> bytes:
    return http1.request("POST", "/", {"Host": "localhost"}, body)


def test_the_second_exchange_finds_the_connection_of_the_first(management_api: Any, kept: KeptConnection) -> None:
    assert kept.exchange(request(), seconds=5).status == 200
    assert kept.exchange(request(), seconds=5).status == 200
    assert management_api.connections == 1


def test_a_connection_that_the_server_closed_silently_is_replaced(management_api: Any, kept: KeptConnection) -> None:
    management_api.answers = ["vanish", 200]
    assert kept.exchange(request(b"1"), seconds=5).status == 200
    assert kept.exchange(request(b"2"), seconds=5).status == 200
    assert [(asked.body, asked.connection) for asked in management_api.requests] == [(b"1", 1), (b"2", 2)]


def test_an_answer_to_nobody_is_not_taken_for_that_to_the_next_request(
    management_api: Any, kept: KeptConnection
) -> None:
    management_api.answers = ["mutter", 200]
    assert kept.exchange(request(), seconds=5).status == 200
    assert management_api.has_muttered.wait(20)
    assert kept.exchange(request(), seconds=5).status == 200
    assert management_api.connections == 2


def test_a_kept_connection_that_swallows_the_request_leaves_time_for_a_fresh_one(
    management_api: Any, kept: KeptConnection
) -> None:
    management_api.answers = [200, "hang", 200]
    assert kept.exchange(request(b"1"), seconds=5).status == 200
    assert kept.exchange(request(b"2"), seconds=1).status == 200
    assert [(asked.body, asked.connection) for asked in management_api.requests] == [(b"1", 1), (b"2", 1), (b"2", 2)]


def test_a_fresh_connection_is_tried_once(management_api: Any, kept: KeptConnection) -> None:
    management_api.answers = ["garble", "garble", 200]
    with pytest.raises(http1.ProtocolError):
        kept.exchange(request(), seconds=5)
    assert len(management_api.requests) == 1


def test_after_a_failure_the_next_exchange_starts_anew(management_api: Any, kept: KeptConnection) -> None:
    management_api.answers = ["hang", 200]
    with pytest.raises(TimeoutError):
        kept.exchange(request(), seconds=0.1)
    assert kept.exchange(request(), seconds=5).status == 200
    assert management_api.connections == 2


def test_a_server_that_says_close_is_taken_at_its_word(management_api: Any, kept: KeptConnection) -> None:
    management_api.answers = [(200, {"Connection": "close"}), 200]
    kept.exchange(request(), seconds=5)
    kept.exchange(request(), seconds=5)
    assert management_api.connections == 2


@pytest.mark.parametrize(("idle", "connections"), [(MAX_IDLE_SECONDS - 1, 1), (MAX_IDLE_SECONDS + 1, 2)])
def test_a_connection_that_was_idle_for_long_is_not_trusted(
    management_api: Any, kept: KeptConnection, clock: Clock, idle: float, connections: int
) -> None:
    kept.exchange(request(), seconds=5)
    clock.now += idle
    kept.exchange(request(), seconds=5)
    assert management_api.connections == connections


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA, management_api_of: Callable[..., Any]) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return management_api_of(context)


def test_over_tls_the_connection_is_kept_too(
    authority: trustme.CA, tls_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with authority.cert_pem.tempfile() as trusted:
        monkeypatch.setenv("SSL_CERT_FILE", trusted)
        kept = KeptConnection("https", "localhost", tls_server.port)
    for _ in range(3):
        assert kept.exchange(request(), seconds=5).status == 200
    kept.close()
    assert tls_server.connections == 1


def test_a_server_whose_certificate_nobody_vouches_for_is_not_asked(tls_server: Any) -> None:
    kept = KeptConnection("https", "localhost", tls_server.port)
    with pytest.raises(OSError, match="certificate verify failed"):
        kept.exchange(request(), seconds=5)
    assert tls_server.requests == []
