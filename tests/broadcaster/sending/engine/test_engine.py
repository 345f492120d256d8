"""The engine against a server that misbehaves in every way, over real sockets."""

import contextlib
import gc
import math
import os
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from broadcaster.aws.address import parse_url
from broadcaster.aws.credentials import CredentialSource
from broadcaster.errors import ConfigurationError, RefusedError
from broadcaster.sending.engine import links
from broadcaster.sending.engine.addresses import Addresses
from broadcaster.sending.engine.engine import Engine
from broadcaster.sending.engine.kept import KeptReactors
from broadcaster.sending.engine.link import error_text
from broadcaster.sending.sender import Settings

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG"}
PLAIN = Settings(timeout=2.0, rate=math.inf, concurrency=64, deadline=30.0)


@pytest.fixture
def make(authority):
    """Make engines: `make(endpoint, timeout=…, credentials=…, wall_clock=…)`; they are closed at the end."""
    made = []

    def make_one(endpoint, *, environ=KEYS, wall_clock=time.time, **changes):
        settings = PLAIN._replace(verify=authority.path)._replace(**changes)
        made.append(Engine(endpoint, settings, credentials=CredentialSource(environ), wall_clock=wall_clock))
        return made[-1]

    yield make_one
    for engine in made:
        engine.close()


@pytest.fixture
def until_true():
    """Wait for a condition: `until_true(lambda: …)`; the suite's time limit ends a wait in vain."""

    def wait(condition):
        while not condition():
            time.sleep(0.005)

    return wait


def ids(count, kind="id"):
    return [f"{kind}{number}=" for number in range(count)]


def in_pages(targets, size=1000):
    return (targets[start : start + size] for start in range(0, len(targets), size))


def send(engine, targets, body=b"{}", **options):
    return engine.broadcast(in_pages(targets), body, on_stale=options.pop("on_stale", lambda gone: None), **options)


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


# What a script does on each attempt, and what has to come of it.
SCRIPTS = {
    "fine": (["200"], "sent"),
    "empty": (["204"], "sent"),
    "gone": (["410"], "stale"),
    "bad": (["400"], "failed"),
    "large": (["413"], "failed"),
    "odd": (["418"], "failed"),
    "slow": (["slowly"], "sent"),
    "chunks": (["chunked"], "sent"),
    "interim": (["interim"], "sent"),
    "toend": (["until-close"], "sent"),
    "headers": (["large-headers"], "sent"),
    "closes": (["close-announced"], "sent"),
    "silent": (["close-unannounced"], "sent"),
    "reader": (["429", "429", "200"], "sent"),
    "throttled": (["429"], "failed"),
    "hiccup": (["500", "200"], "sent"),
    "busy": (["503", "504", "200"], "sent"),
    "broken": (["500"], "failed"),
    "nothing": (["close"], "failed"),
    "resets": (["reset"], "failed"),
    "recovers": (["reset", "close", "200"], "sent"),
    "halfhead": (["close-in-head"], "failed"),
    "halfbody": (["close-in-body"], "failed"),
    "halfchunk": (["close-in-chunk"], "failed"),
    "garbage": (["garbage"], "failed"),
    "huge": (["huge"], "failed"),
    "mended": (["garbage", "200"], "sent"),
    "hangs": (["hang"], "failed"),
}


def act(connection_id, attempt):
    deeds = SCRIPTS[connection_id.rstrip("=0123456789")][0]
    return deeds[min(attempt, len(deeds)) - 1]


# 12,000 targets: mostly well-behaved ones, and of every misdeed enough to meet every other.
MIX = dict.fromkeys(SCRIPTS, 60) | {"fine": 9_930, "gone": 600, "hangs": 30, "throttled": 20, "reader": 40}


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_twelve_thousand_targets_under_every_misdeed_each_end_where_they_should(tls_server, make):
    """Some connections are never accepted, stall in their handshake or are reset before it, too."""
    assert sum(MIX.values()) == 12_000
    greetings = {3: "stall", 5: "reset", 7: "close", 11: "stall", 12: "reset", 40: "stall", 41: "close"}
    tls_server.greet = lambda number: greetings.get(number % 50, "ok")
    tls_server.script = act
    targets = [f"{kind}{number}=" for kind, count in MIX.items() for number in range(count)]
    targets = targets[::2] + targets[1::2][::-1]
    engine = make(tls_server.endpoint, timeout=3.0, attempts=4, deadline=200.0, concurrency=128)
    stale = []
    result = send(engine, targets, on_stale=stale.extend)
    failed = [failure.connection_id for failure in result.failures]
    sent = set(targets) - set(stale) - set(failed)
    assert len(stale) + len(failed) + len(sent) == 12_000
    assert (result.sent, result.stale, result.failed) == (len(sent), len(stale), len(failed))
    outcomes = Counter()
    for names, outcome in ((sent, "sent"), (stale, "stale"), (failed, "failed")):
        outcomes.update((name.rstrip("=0123456789"), outcome) for name in names)
    opened, requests = tls_server.opened, len(tls_server.requests)
    print(f"\n12,000 targets, {len(SCRIPTS)} scripts: {result}, with {requests:,} requests over {opened:,} connections")
    expected = Counter({(kind, SCRIPTS[kind][1]): count for kind, count in MIX.items()})
    assert outcomes == expected
    assert tls_server.most_at_once <= 128
    assert all(len(bodies) == 1 for name, bodies in tls_server.bodies.items() if name.startswith(("fine", "gone")))


@pytest.mark.parametrize("kind", SCRIPTS)
def test_each_misdeed_alone(server, make, kind):
    server.script = act
    engine = make(server.endpoint, timeout=1.0)
    stale = []
    result = send(engine, [f"{kind}1=", "fine1="], on_stale=stale.extend)
    expected = SCRIPTS[kind][1]
    assert result == {
        "sent": 1 + (expected == "sent"),
        "failed": int(expected == "failed"),
        "stale": int(expected == "stale"),
    }
    assert stale == ([f"{kind}1="] if expected == "stale" else [])


def test_large_messages_arrive_whole(tls_server, make):
    body = bytes(range(256)) * 512
    engine = make(tls_server.endpoint)
    assert send(engine, ids(40), body).sent == 40
    assert {bodies[0] for bodies in tls_server.bodies.values()} == {body}


def test_a_server_that_never_reads_costs_its_timeout_and_no_more(server, make):
    """The first links are accepted and never read from; a large request does not even leave."""
    server.greet = lambda number: "stall" if number <= 2 else "ok"
    engine = make(server.endpoint, timeout=0.5)
    assert send(engine, ids(4), b"x" * 131_072).sent == 4


@pytest.mark.usefixtures("no_slow_links")
def test_links_are_kept_for_the_next_broadcast(tls_server, make):
    engine = make(tls_server.endpoint)
    for _ in range(5):
        assert send(engine, ids(5)).sent == 5
    assert tls_server.opened <= 8


def test_links_that_were_closed_meanwhile_are_replaced_and_nothing_is_lost(tls_server, make):
    engine = make(tls_server.endpoint)
    for _ in range(4):
        assert send(engine, ids(20)) == {"sent": 20, "failed": 0, "stale": 0}
        tls_server.close_connections()
    assert all(len(bodies) == 4 for bodies in tls_server.bodies.values())


@pytest.mark.usefixtures("no_slow_links")
def test_more_links_are_opened_for_more_messages_and_never_too_many(server, make):
    server.answer_after = 0.01
    engine = make(server.endpoint, concurrency=16)
    assert send(engine, ids(2000)).sent == 2000
    assert 8 < server.opened <= 16
    assert server.most_at_once <= 16


def test_one_at_a_time_is_one_at_a_time(server, make):
    engine = make(server.endpoint, concurrency=1)
    assert send(engine, ids(50)).sent == 50
    assert server.most_at_once == 1


def test_what_one_caller_sends_in_turn_arrives_in_turn(tls_server, make):
    engine = make(tls_server.endpoint)
    for number in range(20):
        send(engine, ids(30), b"%d" % number)
    assert all(bodies == [b"%d" % number for number in range(20)] for bodies in tls_server.bodies.values())


def test_threads_do_not_wait_for_each_others_slow_clients(tls_server, make):
    tls_server.script = lambda connection_id, attempt: "hang" if connection_id.startswith("slow") else "200"
    engine = make(tls_server.endpoint, timeout=20.0, deadline=60.0)
    stopped = threading.Event()
    results = []
    slow = [
        threading.Thread(target=lambda: results.append(send(engine, ids(5, "slow"), stop=stopped.is_set)))
        for _ in range(4)
    ]
    for thread in slow:
        thread.start()
    quick = [threading.Thread(target=lambda: results.append(send(engine, ids(100)))) for _ in range(8)]
    for thread in quick:
        thread.start()
    for thread in quick:
        thread.join()
    assert [result.sent for result in results] == [100] * 8
    stopped.set()
    for thread in slow:
        thread.join()
    assert [result.failed for result in results[8:]] == [5] * 4


def test_the_deadline_holds_whatever_the_server_does(server, make):
    server.greet = lambda number: "stall"
    engine = make(server.endpoint, timeout=60.0, deadline=0.5)
    result = send(engine, ids(3000))
    assert result == {"sent": 0, "failed": 3000, "stale": 0}


def test_handshakes_that_stall_until_the_deadline_are_a_refusal(tls_server, make):
    tls_server.greet = lambda number: "stall"
    engine = make(tls_server.endpoint, timeout=60.0, deadline=0.5)
    with pytest.raises(RefusedError, match="cannot be reached: no connection could be opened in time"):
        send(engine, ids(10))


def test_of_several_addresses_the_dead_ones_are_passed_over(start_server, make, monkeypatch):
    """A name with three addresses: nobody listens at the first, the second never shakes hands."""
    living = start_server(host="127.0.0.3")
    stalled = socket.create_server(("127.0.0.2", living.port), backlog=0)
    with stalled, contextlib.ExitStack() as fillers:
        for _ in range(4):  # the queue is full: further connections are neither accepted nor refused
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.2", living.port))
        engine = make(living.endpoint._replace(host="several.example"), timeout=5.0)
        addresses = [("127.0.0.1", living.port), ("127.0.0.2", living.port), ("127.0.0.3", living.port)]
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in addresses],
        )
        assert send(engine, ids(50)) == {"sent": 50, "failed": 0, "stale": 0}


def test_a_name_that_does_not_exist_is_said(make, server):
    engine = make(server.endpoint._replace(host="abc123xyz.invalid"))
    with pytest.raises(RefusedError, match=r"abc123xyz\.invalid:\d+/production cannot be reached: .*"):
        send(engine, ids(3))


def test_nobody_listening_is_said(server, make):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    engine = make(server.endpoint._replace(port=port))
    with pytest.raises(RefusedError, match=f"127.0.0.1:{port}/production cannot be reached: Connection refused"):
        send(engine, ids(3))


def test_a_server_that_comes_back_is_served_again(server, make):
    engine = make(server.endpoint)
    server.greet = lambda number: "reset"
    with contextlib.suppress(RefusedError):  # where the reset comes before the engine has seen the connection
        assert send(engine, ids(3)) == {"sent": 0, "failed": 3, "stale": 0}
    server.greet = lambda number: "ok"
    assert send(engine, ids(3)) == {"sent": 3, "failed": 0, "stale": 0}


def test_a_certificate_for_another_name_is_refused(start_server, authority, make):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    server = start_server(tls=context)
    with pytest.raises(RefusedError, match="certificate is not trusted: Hostname mismatch"):
        send(make(server.endpoint), ids(3))
    assert server.requests == []


def test_tls_can_go_unverified_on_request(tls_server, make):
    assert send(make(tls_server.endpoint, verify=False), ids(3)).sent == 3


def test_the_ca_bundle_of_the_environment_is_honoured(tls_server, make, authority, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.path)
    assert send(make(tls_server.endpoint, verify=True), ids(3)).sent == 3
    (tmp_path / "empty.pem").write_text("")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "empty.pem"))
    with pytest.raises(ConfigurationError, match=r"empty\.pem"):
        send(make(tls_server.endpoint, verify=True), ids(3))


def test_credentials_that_expire_in_the_middle_are_read_again(server, make):
    """After a hundred posts the first token is no longer accepted; by then the environment has another."""
    environ = KEYS | {"AWS_SESSION_TOKEN": "first"}
    engine = make(server.endpoint, environ=environ)

    def script(connection_id, attempt):
        if len(server.requests) > 100:
            environ["AWS_SESSION_TOKEN"] = "second"
            if server.requests[-1][2]["X-Amz-Security-Token"] == "first":
                return "403"
        return "200"

    server.script = script
    server.headers = b"x-amzn-ErrorType: ExpiredTokenException\r\n"
    assert send(engine, ids(1000)) == {"sent": 1000, "failed": 0, "stale": 0}
    assert server.requests[-1][2]["X-Amz-Security-Token"] == "second"


def test_credentials_are_read_for_every_broadcast(server, make):
    environ = dict(KEYS)
    engine = make(server.endpoint, environ=environ)
    for key in ("AKID1", "AKID2"):
        environ["AWS_ACCESS_KEY_ID"] = key
        send(engine, ids(1))
        assert f"Credential={key}/" in server.requests[-1][2]["Authorization"]


def test_without_credentials_nothing_is_sent_and_it_is_said(server, make, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    engine = make(server.endpoint, environ={})
    with pytest.raises(ConfigurationError, match="no AWS credentials found"):
        send(engine, ids(1))
    assert send(engine, []) == {"sent": 0, "failed": 0, "stale": 0}
    assert server.requests == []


def test_a_clock_that_jumps_changes_the_signatures_and_nothing_else(server, make):
    base = 1_795_000_000.0
    engine = make(
        server.endpoint,
        wall_clock=lambda: base + (7200 if len(server.requests) > 200 else 0) - 3600 * (len(server.requests) > 2500),
    )
    server.answer_after = 0.002
    assert send(engine, ids(5000)) == {"sent": 5000, "failed": 0, "stale": 0}
    stamps = [headers["X-Amz-Date"] for _, _, headers, _ in server.requests]
    assert len(set(stamps)) == 3
    assert stamps[-1] == time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(base + 3600))


def test_a_wrong_clock_is_corrected_by_what_the_server_says(server, make):
    now = 1_795_000_000.0
    server.headers = f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(now))}\r\n".encode()
    server.body = b'{"message": "Signature expired: 20261118T000000Z is now earlier than 20261118T010000Z"}'
    right = time.strftime("%Y%m%dT%H%M", time.gmtime(now))
    server.script = lambda *_: "200" if server.requests[-1][2]["X-Amz-Date"].startswith(right) else "403"
    engine = make(server.endpoint, wall_clock=lambda: now - 3600)
    assert send(engine, ids(20)) == {"sent": 20, "failed": 0, "stale": 0}


def test_the_registry_failing_in_the_middle_is_told_after_those_known_were_served(server, make):
    def pages():
        yield ids(10)
        raise ConnectionError("the registry is gone")

    engine = make(server.endpoint)
    with pytest.raises(ConnectionError, match="registry"):
        engine.broadcast(pages(), b"{}", on_stale=list)
    assert len(server.requests) == 10
    assert send(engine, ids(3)).sent == 3


def test_stale_connections_are_handed_over_in_batches(server, make):
    server.script = lambda connection_id, attempt: "410"
    batches = []
    assert send(make(server.endpoint), ids(2500), on_stale=batches.append).stale == 2500
    assert sum(map(len, batches)) == 2500
    assert max(map(len, batches)) <= 1000


def test_a_rate_is_kept(server, make):
    """Time is not asserted on but counted: never more posts than the rate and one burst allow."""
    engine = make(server.endpoint, rate=200.0)
    began = time.monotonic()
    assert send(engine, ids(200)).sent == 200
    assert 100 + 200 * (time.monotonic() - began) + 1 >= 200


def test_ctrl_c_ends_a_broadcast_and_leaves_nothing_behind(server, make):
    server.script = lambda connection_id, attempt: "hang" if connection_id == "hung=" else "200"
    engine = make(server.endpoint, timeout=60.0, deadline=60.0)
    gc.collect()
    before = open_files()

    def interrupt():
        while not server.requests:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        send(engine, ["hung="])
    assert open_files() - before <= 1  # the server's side of the link may live a moment longer
    assert send(engine, ids(3)).sent == 3


@pytest.mark.usefixtures("no_slow_links")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_leaves_the_parents_links_alone(tls_server, make):
    engine = make(tls_server.endpoint)
    assert send(engine, ids(5)).sent == 5
    opened = tls_server.opened
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            status = 0 if send(engine, ids(5), b"child").sent == 5 else 1
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    opened_by_child = tls_server.opened - opened
    assert opened_by_child >= 1
    assert send(engine, ids(5)).sent == 5
    assert tls_server.opened == opened + opened_by_child


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_ten_thousand_broadcasts_leak_nothing(server, make):
    engine = make(server.endpoint)
    server.script = lambda connection_id, attempt: "close-unannounced" if len(server.requests) % 500 == 0 else "200"
    targets = ids(1)
    for _ in range(200):
        send(engine, targets)
    gc.collect()
    files, threads, objects = open_files(), threading.active_count(), len(gc.get_objects())
    for number in range(10_000):
        assert send(engine, targets).sent == 1
        if number % 1000 == 0:
            server.requests.clear()
    gc.collect()
    server.requests.clear()
    assert threading.active_count() == threads
    assert abs(open_files() - files) <= 4  # the server's side of a link that was just replaced
    assert len(gc.get_objects()) - objects < 500


def test_a_closed_engine_leaves_no_socket(server, make):
    gc.collect()
    before = open_files()
    engine = make(server.endpoint)
    send(engine, ids(100))
    assert open_files() > before
    engine.close()
    server.close_connections()
    assert open_files() == before


def test_addresses_are_looked_up_aside_and_the_caller_is_woken():
    addresses = Addresses("abc123xyz.invalid", 443)
    woken = threading.Event()
    assert addresses.next(woken.set) is None
    assert woken.wait(30)
    assert isinstance(addresses.take_error(), socket.gaierror)
    assert addresses.take_error() is None


def test_plain_http_does_not_pay_for_tls():
    import subprocess
    import sys

    code = "import sys, broadcaster.sending.engine.engine, broadcaster.sending.sender; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"ssl", "asyncio", "boto3", "botocore", "logging", "json", "urllib.request", "email", "inspect"} & set(
        loaded
    )


def test_links_that_nobody_needs_are_closed_although_nothing_is_sent(server, make, until_true):
    """The server has closed its side, and waits for ours."""
    engine = make(server.endpoint)
    engine._kept = KeptReactors(time.monotonic, idle_seconds=0.05)
    for _ in range(2):
        assert send(engine, ids(20)).sent == 20
        until_true(lambda: server.open_now == 0)
    engine.close()


def test_a_loop_is_closed_as_soon_as_it_was_idle_for_its_time():
    """Not at the next but one of regular looks, if it was used shortly after one."""

    class Ending:
        def acquire(self, timeout):
            nonlocal now
            now += timeout
            return False

    class Loop:
        last_used, closed_at = 3.0, None

        def close(self):
            self.closed_at = now

    now, loop = 0.0, Loop()
    kept = KeptReactors(lambda: now, idle_seconds=50.0)
    kept._ending = Ending()
    kept._kept.append(loop)
    kept._watch()
    assert loop.closed_at == 53.0


def test_a_loop_that_is_used_all_the_time_is_kept(server, make):
    kept = KeptReactors(time.monotonic, idle_seconds=0.3)
    engine = make(server.endpoint)
    engine._kept = kept
    ends = time.monotonic() + 1.0
    while time.monotonic() < ends:
        assert send(engine, ids(1)).sent == 1
    assert server.opened == 1


@pytest.mark.parametrize("looks", [1, 2])
def test_a_task_that_has_just_begun_may_be_given_the_links_of_one_that_is_stopped(server, make, until_true, looks):
    """Before it was looked after itself; of two looks around, one begins with the older task."""
    held = threading.Event()
    server.script = lambda connection_id, attempt: held.wait() and "200"
    engine = make(server.endpoint)
    engine.prepare()
    reactor = engine.reactor()
    is_stopped = False
    first = engine.task("POST", [ids(8)], b"{}", on_stale=list, stop=lambda: is_stopped)
    reactor.begin(first)
    while first.fan_out.in_flight < 8:
        reactor.step(waits=False)
    held.set()
    until_true(lambda: len(server.requests) == 8 and not server.at_once)
    for _ in range(looks - 1):
        reactor._look_around(time.monotonic())
    second = engine.task("POST", [ids(1, "other")], b"{}", on_stale=list, stop=lambda: False)
    reactor.begin(second)
    is_stopped = True
    while not (first.is_over and second.is_over):
        reactor.step()
    reactor.close()
    assert (first.error, second.error) == (None, None)
    assert (first.fan_out.sent, second.fan_out.sent) == (8, 1)
    assert len(server.bodies) == 9


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP on this system")
@pytest.mark.usefixtures("aws_keys")
@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_answers_that_came_while_the_process_was_stopped_count(server, until_true, sender):
    code = f"""
from broadcaster import Broadcaster
caster = Broadcaster(endpoint_url={server.endpoint.url!r}, region="us-east-1", sender={sender!r},
    timeout=30, deadline=6)
for number in range(8):
    caster.register_connection(f"L0SM9cOFvHc{{number}}=")
print(caster.broadcast("admin", "event", {{}}))
"""
    server.answer_after = 2.0
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        until_true(lambda: len(server.requests) == 8)
        process.send_signal(signal.SIGSTOP)
        until_true(lambda: server.at_once == 0)
        time.sleep(6)  # past the deadline, on the clock of the process that is stopped
        process.send_signal(signal.SIGCONT)
        assert process.communicate()[0] == "{'sent': 8, 'failed': 0, 'stale': 0}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="what a full queue of connections does is each system's own")
def test_links_that_do_not_open_are_no_more_than_twice_the_concurrency(make, monkeypatch):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        begin, at_once = links.Links._dial, []

        def dial(self, now):
            is_begun = begin(self, now)
            at_once.append(len(self._all))
            return is_begun

        monkeypatch.setattr(links.Links, "_dial", dial)
        endpoint = parse_url(f"http://127.0.0.1:{full.getsockname()[1]}", "us-east-1", name="url", example="")
        engine = make(endpoint, concurrency=4, timeout=3.0, deadline=2.5)
        with pytest.raises(RefusedError):
            send(engine, ids(100))
        for each in waiting:
            each.close()
    assert 4 < max(at_once) <= 8


def test_where_only_so_many_sockets_can_be_watched_no_more_are_opened(server, make, monkeypatch):
    """Windows' `select` refuses the 513th and with it all others; here the limit is 20."""

    class Few(selectors.SelectSelector):
        def register(self, *arguments):
            if len(self.get_map()) >= 20:
                raise ValueError("too many file descriptors in select()")
            return super().register(*arguments)

    monkeypatch.setattr(selectors, "DefaultSelector", Few)
    monkeypatch.setattr(links, "MOST_OF_SELECT", 18)
    server.answer_after = 0.02
    assert send(make(server.endpoint), ids(1000)).sent == 1000
    assert server.most_at_once == 18


def test_the_words_for_a_sockets_error_are_windows_own_there(monkeypatch):
    assert error_text(111) == os.strerror(111)
    monkeypatch.setattr(socket, "errorTab", {10061: "Connection refused."}, raising=False)
    assert error_text(10061) == "Connection refused."
