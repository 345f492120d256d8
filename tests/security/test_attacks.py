"""Attempts to listen without leave, from outside, against real processes: none passes, and everybody else is served."""

import hashlib
import hmac
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from broadcaster import Broadcaster, InvalidArgumentError

CHANNEL = "private-secrets"


@pytest.fixture
def backend(backend_environment):
    with Broadcaster("abc123xyz", region="us-east-1") as caster:
        yield caster


@pytest.fixture(autouse=True)
def _nobody_listens(backend, stand_in):
    """What every attack here is about: nobody got into the channel."""
    yield
    assert not any(pk.endswith(f"channel#{CHANNEL}") for pk, _ in stand_in.rows())
    assert backend.broadcast(CHANNEL, "log", {"text": "for nobody"}) == {"sent": 0, "failed": 0, "stale": 0}


def assert_refused(answer, channel=CHANNEL):
    assert (answer["channel"], answer["event"]) == (channel, "pusher:subscription_error")
    assert answer["data"]["status"] == 403


def test_signatures_of_others_parts_of_signatures_and_none_are_refused_and_the_connection_stays(backend, browser):
    client, other = browser(), browser()
    right = backend.authorize_subscription(client.id, CHANNEL)
    stolen = backend.authorize_subscription(other.id, CHANNEL)
    elsewhere = backend.authorize_subscription(client.id, "private-secret")
    for auth in (None, "", stolen, elsewhere, right[:-1], right[1:], right.upper(), f"{right}0", "0" * 64):
        assert_refused(client.subscribe(CHANNEL, auth))
    assert_refused(client.subscribe(CHANNEL, stolen, connection_id=other.id, connectionId=other.id))
    assert client.ask({"action": "ping"}) == {"type": "pong"}


def test_twins_of_a_channels_name_and_names_of_keys_are_no_channels(backend, browser, stand_in):
    client = browser()
    right = backend.authorize_subscription(client.id, CHANNEL)
    twins = ["priv\u0430te-secrets", "private-secrets\u200b", "private-secrets\x00", "\uff50rivate-secrets"]
    keys = ["*", f"channel#{CHANNEL}", f"{CHANNEL}#", "connections#0", f"public-#{CHANNEL}", "public-*"]
    before = stand_in.rows()
    for channel in [*twins, *keys]:
        assert client.subscribe(channel, right)["type"] == "error"
    assert_refused(client.subscribe("public/../private-secrets", right), "public/../private-secrets")
    assert_refused(client.subscribe("Public-x", right), "Public-x")
    assert stand_in.rows() == before


def test_a_signature_with_a_secret_that_was_replaced_twice_is_refused_by_every_process(gateway_with, browser, stand_in):
    arn = stand_in.manager.create_secret(Name="another", SecretString="first")["ARN"]
    for secret in ("second", "third"):
        stand_in.manager.put_secret_value(SecretId=arn, SecretString=secret)
    with gateway_with(SUBSCRIPTION_SECRET=arn) as gateway:
        client = browser(gateway.websocket)
        signatures = {
            secret: hmac.new(secret.encode(), f"{client.id}:{channel}".encode(), hashlib.sha256).hexdigest()
            for secret, channel in (("first", CHANNEL), ("second", "private-2"), ("third", "private-3"))
        }
        assert_refused(client.subscribe(CHANNEL, signatures["first"]))
        # The one before is still good for a while.
        assert client.subscribe("private-2", signatures["second"])["type"] == "subscription_succeeded"
        assert client.subscribe("private-3", signatures["third"])["type"] == "subscription_succeeded"
        client.socket.close()


def test_a_flood_is_refused_to_the_last_frame_while_others_are_served(backend, browser, gateway):
    def flood(_):
        client = browser()
        for number in range(100):
            client.socket.send(json.dumps({"action": "subscribe", "channel": CHANNEL, "auth": f"{number:064x}"}))
        return [json.loads(client.socket.recv(timeout=60)) for _ in range(100)]

    with ThreadPoolExecutor(4) as pool:
        floods = pool.map(flood, range(4))
        guest = browser()
        auth = backend.authorize_subscription(guest.id, "private-guest")
        assert guest.subscribe("private-guest", auth)["type"] == "subscription_succeeded"
        answers = [answer for answers in floods for answer in answers]
    assert len(answers) == 400
    for answer in answers:
        assert_refused(answer)
    assert backend.broadcast("private-guest", "log", {}).sent == 1


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://app.example.com", "https://app.example.com.evil.example", "null", None]
)
def test_a_page_of_another_origin_does_not_even_connect(gateway, origin):
    with pytest.raises(InvalidStatus) as refused, connect(gateway.websocket, origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_nobody_is_unsubscribed_by_another(backend, browser):
    client, other = browser(), browser()
    client.subscribe("private-own", backend.authorize_subscription(client.id, "private-own"))
    for frame in (
        {"action": "unsubscribe", "channel": "private-own", "connection_id": client.id},
        {"action": "$disconnect", "connectionId": client.id},
    ):
        other.ask(frame)
    assert backend.broadcast("private-own", "log", {}).sent == 1


@pytest.mark.parametrize(
    "connection_id",
    ["", "..", "../@connections/x", "a/b", "a?b", "a#b", "a%2Fb", "a b", "a\r\nHost: evil", f"x:{CHANNEL}"],
)
def test_the_backend_signs_and_registers_no_id_that_could_change_a_url_or_a_key(backend, connection_id):
    with pytest.raises(InvalidArgumentError):
        backend.authorize_subscription(connection_id, CHANNEL)
    with pytest.raises(InvalidArgumentError):
        backend.register_connection(connection_id)


def test_a_row_with_an_id_that_would_change_the_url_reaches_nobody_else(backend, browser, stand_in):
    client = browser()
    client.subscribe("private-own", backend.authorize_subscription(client.id, "private-own"))
    victim = browser()
    for connection_id in (f"../@connections/{victim.id}", f"{victim.id}/", "..", "."):
        stand_in.dynamodb.put_item(
            TableName=stand_in.variables["REGISTRY_TABLE"],
            Item={"pk": {"S": "local#channel#private-own"}, "sk": {"S": connection_id}, "expires": {"N": "9999999999"}},
        )
    result = backend.broadcast("private-own", "log", {})
    assert result.sent == 1
    assert client.hear()["event"] == "log"
    assert victim.ask({"action": "ping"}) == {"type": "pong"}
