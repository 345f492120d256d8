"""The backend's secret: given or read by its ARN, kept, and never shown."""

import json
import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import broadcaster
from broadcaster import Broadcaster, ConfigurationError, InvalidArgumentError, RefusedError
from broadcaster.authorization import subscription_signature
from broadcaster.secret_lifetime import GRACE_SECONDS, KEEP_SECONDS
from broadcaster.subscription_secret import SubscriptionSecret

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:clearstar-a1b2c3"
ID, CHANNEL = "L0SM9cOFvHcCIhw=", "private-a"


class SecretsManager:
    """Answers GetSecretValue with `secret`, or refuses it with a code; keeps what it was asked."""

    def __init__(self):
        self.secret = "first"
        self.refusal = None
        self.asked = []
        manager = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                manager.asked.append((self.headers["X-Amz-Target"], body, self.headers["Authorization"]))
                members = {"ARN": ARN, "SecretString": manager.secret}
                if manager.refusal:
                    members = {"__type": manager.refusal, "Message": "because"}
                answer = json.dumps(members).encode()
                self.send_response(400 if manager.refusal else 200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def manager(monkeypatch, aws_keys):
    made = SecretsManager()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", made.url)
    yield made
    made.close()


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch):
    monkeypatch.delenv("BROADCASTER_SECRET", raising=False)


def made(**arguments):
    return Broadcaster("abc123xyz", region="us-east-1", **arguments)


def test_the_function_signs_with_the_secret_that_was_given():
    broadcaster.init_broadcaster("abc123xyz", region="us-east-1", secret="0123456789abcdef0123456789abcdef")
    assert broadcaster.authorize_subscription(ID, CHANNEL) == subscription_signature(
        "0123456789abcdef0123456789abcdef", ID, CHANNEL
    )
    broadcaster.close_broadcaster()


def test_the_secret_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("BROADCASTER_SECRET", "fedcba9876543210fedcba9876543210")
    with made() as caster:
        assert caster.authorize_subscription(ID, CHANNEL) == subscription_signature(
            "fedcba9876543210fedcba9876543210", ID, CHANNEL
        )


@pytest.mark.parametrize("secret", [None, "", " "])
def test_without_a_secret_nothing_is_signed_and_the_error_says_where_to_get_one(secret):
    with made(secret=secret) as caster, pytest.raises(ConfigurationError, match=r"init_broadcaster\(secret=…\) or set"):
        caster.authorize_subscription(ID, CHANNEL)


@pytest.mark.parametrize(
    ("connection_id", "channel"),
    [
        ("", CHANNEL),
        ("../x", CHANNEL),
        ("a:private-b", "c"),
        (f"{ID}:x", CHANNEL),
        (None, CHANNEL),
        (ID, ""),
        (ID, "private a"),
        (ID, "priv\u0430te-a"),
        (ID, "x" * 201),
        (ID, None),
    ],
)
def test_nothing_malformed_is_signed_and_the_secret_is_not_even_read(connection_id, channel, manager):
    with made(secret=ARN) as caster, pytest.raises(InvalidArgumentError):
        caster.authorize_subscription(connection_id, channel)
    assert manager.asked == []


def test_by_its_arn_the_secret_is_read_when_it_is_first_needed_and_then_kept(manager):
    with made(secret=ARN) as caster:
        assert manager.asked == []
        for _ in range(3):
            assert caster.authorize_subscription(ID, CHANNEL) == subscription_signature("first", ID, CHANNEL)
    [(target, body, authorization)] = manager.asked
    assert (target, body) == ("secretsmanager.GetSecretValue", {"SecretId": ARN})
    assert "/eu-west-1/secretsmanager/aws4_request" in authorization  # the ARN's region, not that of the API


def test_a_rotation_is_noticed_after_five_minutes(manager, clock):
    secret = SubscriptionSecret(ARN, clock=clock)
    assert secret.read() == "first"
    manager.secret = "second"
    clock.now += KEEP_SECONDS - 1
    assert secret.read() == "first"
    clock.now += 1
    assert secret.read() == "second"


def test_while_secrets_manager_is_away_the_kept_one_serves_on_but_not_for_ever(manager, clock, caplog):
    secret = SubscriptionSecret(ARN, clock=clock)
    secret.read()
    manager.refusal = "AccessDeniedException"
    clock.now += GRACE_SECONDS - 1
    with caplog.at_level(logging.WARNING, "broadcaster"):
        assert secret.read() == "first"
    assert "AccessDeniedException" in caplog.text
    assert "first" not in caplog.text.replace(ARN, "")
    clock.now += 1
    with pytest.raises(RefusedError):
        secret.read()


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("AccessDeniedException", "attach the stack's backend policy"),
        ("ResourceNotFoundException", "is the ARN, an output of the stack"),
        ("InvalidRequestException", "InvalidRequestException"),
    ],
)
def test_a_refusal_says_what_to_check(manager, code, hint):
    manager.refusal = code
    with pytest.raises(RefusedError, match=hint) as caught:
        SubscriptionSecret(ARN).read()
    assert ARN in str(caught.value)


@pytest.mark.parametrize("text", ["", None])
def test_a_secret_without_text_signs_nothing(manager, text):
    manager.secret = text
    with pytest.raises(RefusedError, match="has no text"):
        SubscriptionSecret(ARN).read()


@pytest.mark.slow
def test_a_secrets_manager_that_cannot_be_reached_is_a_refusal_too(monkeypatch, aws_keys):
    with socket.socket() as nobody:  # bound and not listening
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(RefusedError, match="could not be asked"):
            SubscriptionSecret(ARN).read()


@pytest.mark.parametrize(
    "arn", ["arn:", "arn:aws:iam::123456789012:role/backend", ARN.replace("eu-west-1", ""), ARN.rpartition(":")[0]]
)
def test_another_arn_is_refused_at_once(arn):
    with pytest.raises(ConfigurationError, match="is not the ARN of a secret; it looks like"):
        made(secret=arn)


def test_what_is_no_text_is_refused_at_once():
    with pytest.raises(ConfigurationError, match="secret is bytes; give the text of the secret, or its ARN"):
        made(secret=b"a-secret")


def test_the_secret_is_in_no_repr(manager):
    secret = SubscriptionSecret(ARN)
    secret.read()
    assert repr(secret) == f"SubscriptionSecret({ARN!r})"
    assert "0123456789abcdef0123456789abcdef" not in repr(SubscriptionSecret("0123456789abcdef0123456789abcdef"))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("x", "has 1 characters and needs at least 32.*token_hex"),
        ("0123456789abcdef0123456789abcde", "has 31 characters"),
        ("clearstar-websocket-subscriptions-of-production", "looks like a name"),
        ("SubscriptionSecretA720EF05-Zk3b1c2d3e4f", "looks like a name"),
        ("arn;aws:secretsmanager:us-east-1:123456789012:secret:name-a1b2c3", "a part of an ARN"),
        ("aws:secretsmanager:us-east-1:210987654321:secret:name-a1b2c3", "a part of an ARN"),
    ],
)
def test_what_can_be_guessed_or_was_meant_as_a_name_is_no_secret(value, says):
    with pytest.raises(ConfigurationError, match=says) as caught:
        SubscriptionSecret(value)
    assert value == "x" or value not in str(caught.value)


def test_a_line_break_behind_the_secret_is_not_a_part_of_it():
    assert SubscriptionSecret("0123456789abcdef0123456789abcdef\n").read() == "0123456789abcdef0123456789abcdef"
