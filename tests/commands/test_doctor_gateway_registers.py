"""`doctor --send` where the gateway registers: it signs for itself, and a wrong secret is found out."""

import pytest

from tests.security.conftest import (  # noqa: F401 - fixtures
    ORIGIN,
    assembly,
    backend_environment,
    gateway,
    gateway_with,
    stand_in,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def send(run, backend_environment, monkeypatch):  # noqa: F811 - fixtures
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)

    def call(*arguments):
        done = run("doctor", "--send", "--json", *arguments)
        return {finding["check"]: finding for finding in done.json()}

    return call


def test_it_subscribes_with_a_signature_of_its_own(send, stand_in):  # noqa: F811 - fixtures
    findings = send("--origin", ORIGIN)
    assert findings["registration"]["text"].endswith(" ms, by the gateway")
    assert findings["broadcast"]["ok"]
    assert findings["arrival"]["ok"]
    assert not any("doctor-" in part for row in stand_in.rows() for part in row)


def test_a_wrong_secret_is_found_out(send, monkeypatch):
    monkeypatch.setenv("BROADCASTER_SECRET", "0123456789abcdef" * 4)
    findings = send("--origin", ORIGIN)
    assert findings["secret"]["ok"]  # it looks like one
    assert not findings["registration"]["ok"]
    assert findings["registration"]["text"].startswith("the gateway refuses the subscription: 403")
    assert "SubscriptionSecretArn" in findings["registration"]["advice"]


def test_a_list_that_is_not_the_lambdas_is_found_out(send, stand_in, monkeypatch):  # noqa: F811 - fixtures
    url = stand_in.variables["BROADCASTER_REGISTRY"].replace("scope=local", "scope=another")
    findings = send("--origin", ORIGIN, "--registry", url)
    assert findings["registration"]["ok"]
    assert not findings["broadcast"]["ok"]
    assert findings["broadcast"]["text"].endswith("the connection is not registered for the channel")
    assert "RegistryUrl" in findings["broadcast"]["advice"]
    assert "arrival" not in findings


def test_an_origin_that_is_not_listed_is_refused_with_a_hint(send):
    finding = send()["event"]
    assert "refused the handshake with HTTP 403" in finding["text"]
    assert "--origin" in finding["text"] + finding["advice"]
