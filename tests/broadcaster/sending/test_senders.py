"""What every sender does, over real HTTP on loopback: the engine, and boto3 as its reference."""

import logging
import math
import os

import pytest

from broadcaster.errors import ClosedError, ConfigurationError, RefusedError
from broadcaster.sending.boto3_sender import Boto3Sender
from broadcaster.sending.engine.engine import Engine
from broadcaster.sending.sender import Settings

pytestmark = pytest.mark.usefixtures("aws_keys")
PLAIN = Settings(timeout=2.0, rate=math.inf, concurrency=8)


@pytest.fixture(params=[Boto3Sender, Engine])
def make(request):
    """Make senders of one kind: `make(endpoint, **settings)`; they are closed at the end."""
    made = []

    def make_one(endpoint, **changes):
        made.append(request.param(endpoint, PLAIN._replace(**changes)))
        return made[-1]

    yield make_one
    for sender in made:
        sender.close()


@pytest.fixture
def sender(server, make):
    return make(server.endpoint)


def test_every_target_ends_in_one_of_the_three(server, sender):
    deeds = {"sent=": "200", "gone=": "410", "bad=": "400", "broken=": "500", "later=": "503"}
    server.script = lambda connection_id, attempt: (
        "200" if (connection_id, attempt) == ("later=", 2) else deeds[connection_id]
    )
    stale = []
    result = sender.broadcast([["sent=", "gone="], ["bad=", "broken=", "later="]], b"{}", on_stale=stale.extend)
    assert result == {"sent": 2, "failed": 2, "stale": 1}
    assert stale == ["gone="]
    assert {failure.connection_id: failure.status for failure in result.failures} == {"bad=": 400, "broken=": 500}
    assert server.attempts["broken="] == 3
    assert server.bodies["sent="] == [b"{}"]


@pytest.mark.slow
def test_a_client_that_hangs_delays_nobody_and_is_failed(server, make):
    sender = make(server.endpoint, timeout=0.5)
    server.script = lambda connection_id, attempt: "hang" if connection_id == "hung=" else "200"
    result = sender.broadcast([["hung=", *(f"id{n}=" for n in range(20))]], b"{}", on_stale=list)
    assert result == {"sent": 20, "failed": 1, "stale": 0}
    assert result.failures[0].reason == "no answer within 0.5 s (2 attempts)"


def test_a_refusal_stops_the_broadcast_and_says_what_to_check(server, sender):
    server.script = lambda connection_id, attempt: "403"
    server.body = (
        b'{"message": "User: arn:aws:iam::1:user/x is not authorized to perform: execute-api:ManageConnections"}'
    )
    with pytest.raises(RefusedError, match="attach the stack's backend policy"):
        sender.broadcast([[f"id{n}=" for n in range(1000)]], b"{}", on_stale=list)
    assert len(server.requests) <= 8


def test_a_server_that_is_not_there_is_named(server, make):
    absent = make(server.endpoint._replace(port=1))
    with pytest.raises(RefusedError, match=r"http://127\.0\.0\.1:1/production cannot be reached"):
        absent.broadcast([["id="]], b"{}", on_stale=list)


@pytest.mark.slow
def test_the_deadline_ends_a_broadcast_and_counts_everybody(server, make):
    sender = make(server.endpoint, timeout=5.0, deadline=2.0)
    server.script = lambda connection_id, attempt: "200" if connection_id == "id0=" else "hang"
    result = sender.broadcast([[f"id{n}=" for n in range(50)], ["more="]], b"{}", on_stale=list)
    assert result == {"sent": 1, "failed": 50, "stale": 0}
    assert {failure.reason for failure in result.failures} == {"not answered by the broadcast's deadline"}


def test_when_it_is_stopped_it_says_what_had_been_sent(server, make):
    sender = make(server.endpoint, concurrency=2)
    server.script = lambda connection_id, attempt: "200" if connection_id == "id0=" else "hang"
    read = []

    def pages():
        for page in (["id0=", "id1="], ["id2="], ["id3="]):
            read.extend(page)
            yield page

    result = sender.broadcast(pages(), b"{}", on_stale=list, stop=lambda: len(server.requests) == 3)
    assert result == {"sent": 1, "failed": len(read) - 1, "stale": 0}
    assert {failure.reason for failure in result.failures} == {"the broadcast was stopped"}


def test_single_requests_bring_back_the_answer(server, sender):
    server.body = b'{"connectedAt": "2026-11-22T10:00:00Z", "identity": {"sourceIp": "1.2.3.4", "userAgent": "x"}}'
    reply = sender.request("GET", "L0SM9cOFvHcCIhw=")
    assert reply.status == 200
    assert b"1.2.3.4" in reply.body
    server.body = b""
    server.script = lambda connection_id, attempt: "204"
    assert sender.request("DELETE", "L0SM9cOFvHcCIhw=").status == 204
    server.script = lambda connection_id, attempt: "410"
    assert sender.request("POST", "L0SM9cOFvHcCIhw=", b"{}").status == 410
    server.script = lambda connection_id, attempt: "500"
    assert sender.request("POST", "L0SM9cOFvHcCIhw=", b"{}")[::3] == (500, "HTTP 500 (3 attempts)")
    assert [method for method, *_ in server.requests] == ["GET", "DELETE", "POST", "POST", "POST", "POST"]


def test_a_certificate_of_another_authority_is_refused(tls_server, authority, make):
    trusting = make(tls_server.endpoint, verify=authority.path)
    assert trusting.broadcast([["id="]], b"{}", on_stale=list) == {"sent": 1, "failed": 0, "stale": 0}
    doubting = make(tls_server.endpoint)
    with pytest.raises(RefusedError, match="certificate"):
        doubting.broadcast([["id="]], b"{}", on_stale=list)


def test_a_closed_sender_sends_no_more(sender):
    sender.close()
    sender.close()
    with pytest.raises(ClosedError):
        sender.broadcast([["id="]], b"{}", on_stale=list)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_process_makes_connections_of_its_own(server, sender):
    sender.broadcast([["id="]], b"{}", on_stale=list)
    opened = server.opened
    child = os.fork()
    if child == 0:
        os._exit(0 if sender.broadcast([["id="]], b"{}", on_stale=list).sent == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert server.opened == opened + 1


def send_one(sender):
    return sender.broadcast([["L0SM9cOFvHcCIhw="]], b"{}", on_stale=list)


def test_keys_that_change_in_the_environment_are_used_at_once(server, sender, monkeypatch):
    for key in ("AKIDONE", "AKIDTWO"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        assert send_one(sender).sent == 1
        assert f"Credential={key}/" in server.requests[-1][2]["Authorization"]


def test_keys_of_a_file_that_was_rewritten_are_used_after_a_refusal(server, sender, monkeypatch, tmp_path):
    def write(key):
        (tmp_path / "credentials").write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    server.script = lambda *_: "200" if f"Credential={good}/" in server.requests[-1][2]["Authorization"] else "403"
    server.body = b'{"message": "The security token included in the request is invalid."}'
    for good in ("AKIDONE", "AKIDTWO"):
        write(good)
        assert send_one(sender) == {"sent": 1, "failed": 0, "stale": 0}


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_a_line_break_in_a_key_is_refused_before_anything_is_sent(server, sender, monkeypatch, variable):
    monkeypatch.setenv(variable, "topsecret\r\n\r\n")
    with pytest.raises(ConfigurationError, match=variable) as caught:
        send_one(sender)
    assert "topsecret" not in str(caught.value)
    assert server.requests == []


def test_the_ca_bundle_of_awss_configuration_file_is_honoured(tls_server, make, authority, monkeypatch, tmp_path):
    (tmp_path / "config").write_text(f"[default]\nca_bundle = {authority.path}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert send_one(make(tls_server.endpoint)).sent == 1


def test_a_gateway_on_this_machine_that_is_down_is_said_to_be(server, make):
    with pytest.raises(RefusedError, match=r"is the local gateway running there\? `python -m local_gateway`"):
        send_one(make(server.endpoint._replace(port=1)))


def test_what_happens_on_the_way_is_told_to_who_listens(server, sender, caplog):
    caplog.set_level(logging.DEBUG, logger="broadcaster")
    server.script = lambda connection_id, attempt: "500" if attempt == 1 else "200"
    assert send_one(sender).sent == 1
    assert [line for line in caplog.messages if "L0SM9cOFvHcCIhw=: HTTP 500; attempt 2 in 0." in line]
