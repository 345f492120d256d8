"""`doctor --send` where the backend registers: one event on its whole way, and nothing left behind."""

import subprocess
import sys

import pytest

from local_gateway.authority import write_trusted

HOPS = ["handshake", "first answer", "registration", "broadcast", "arrival"]


@pytest.fixture
def send(run, environment, folder_of_no_server):
    def call(*arguments):
        done = run("doctor", "--send", "--json", *arguments)
        return done.code, {finding["check"]: finding for finding in done.json()}

    return call


def test_every_hop_has_its_time(send, registry):
    code, findings = send()
    assert code == 0
    assert list(findings)[-5:] == HOPS
    for name in HOPS:
        assert findings[name]["text"].partition(" ms")[0].isdecimal()
    assert registry.count() == 0


def test_who_is_registered_for_everything_changes_nothing_and_sees_nothing(send, listen, run):
    client, _ = listen()
    assert send()[0] == 0
    assert run("send", "admin", "admin_event", '"after"').code == 0
    assert client.receive().json()["data"] == "after"


def test_it_is_sent_with_a_list_in_memory_too(send):
    code, findings = send("--registry", "memory://")
    assert (code, list(findings)[-5:]) == (0, HOPS)


def test_the_way_over_tls(send, gateway, registry, tmp_path, monkeypatch):
    write_trusted(tmp_path / "ca.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    code, findings = send("--endpoint-url", gateway.connections_url.replace("http://", "https://"))
    assert code == 0, findings
    assert {"TLS", *HOPS} <= set(findings)
    monkeypatch.delenv("AWS_CA_BUNDLE")
    code, findings = send("--endpoint-url", gateway.connections_url.replace("http://", "https://"))
    assert (code, findings["TLS"]["ok"]) == (1, False)


def test_without_send_nothing_is_sent(run, environment):
    done = run("doctor", "--json")
    assert not set(HOPS) & {finding["check"] for finding in done.json()}


def test_without_websockets_it_says_how_to_install_it(environment):
    code = (
        "import sys; sys.modules['websockets'] = None; from broadcaster.commands.main import main; "
        "sys.exit(main(['doctor', '--send']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    assert '    pip install "websockets>=15"\n' in done.stdout
