"""Attempts to listen without leave, at the function itself: none passes, none makes it raise, none is recorded."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import admission
import registry
from broadcaster.authorization import subscription_signature
from handler import handler
from signing_secret import GRACE_SECONDS, PAUSE_SECONDS

OWN, OTHER = "L0SM9cOFvHcCIhw=", "Zt3C0rK9mQ4sYw8="
CHANNEL = "private-runs"

Say = Callable[..., dict[str, Any]]


@pytest.fixture
def say(event_of: Callable[..., dict[str, Any]]) -> Say:
    """Says a frame on a connection, and returns the answer."""

    def say(frame: Any, connection_id: Any = OWN) -> dict[str, Any]:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        response = handler(event_of("$default", text, connectionId=connection_id), None)
        assert response["statusCode"] == 200
        return dict(json.loads(str(response["body"])))

    return say


@pytest.fixture
def attack(say: Say, stand_in: Any) -> Iterator[Callable[..., dict[str, Any]]]:
    """Subscribes with a signature; whatever else happened, nothing is in the table in the end."""

    def subscribe(auth: Any, channel: Any = CHANNEL, over: str = OWN, **more: Any) -> dict[str, Any]:
        return say({"action": "subscribe", "channel": channel, "auth": auth, **more}, over)

    yield subscribe
    assert stand_in.rows() == set()


def assert_refused(answer: dict[str, Any], channel: str = CHANNEL) -> None:
    assert (answer["channel"], answer["event"]) == (channel, "pusher:subscription_error")
    assert answer["data"]["status"] == 403


def signed(stand_in: Any, connection_id: str = OWN, channel: str = CHANNEL) -> str:
    return subscription_signature(stand_in.SECRET, connection_id, channel)


def test_the_right_signature_is_what_these_attacks_are_next_to(say: Say, stand_in: Any) -> None:
    answer = say({"action": "subscribe", "channel": CHANNEL, "auth": signed(stand_in)})
    assert answer == {"type": "subscription_succeeded", "channel": CHANNEL}


def test_another_connections_signature_is_worth_nothing(attack: Any, stand_in: Any) -> None:
    stolen = signed(stand_in, OTHER)
    assert_refused(attack(stolen))
    # The connection is the one that the frame came over, whatever the frame says.
    for name in ("connection_id", "connectionId", "requestContext", "socket_id"):
        assert_refused(attack(stolen, **{name: OTHER}))


def test_another_channels_signature_is_worth_nothing(attack: Any, stand_in: Any) -> None:
    for channel in ("public-runs", "private-run", "private-runs2", "Private-runs", "private-runs:", "private", ":"):
        assert_refused(attack(signed(stand_in, channel=channel)))


def test_the_colon_between_id_and_channel_cannot_be_moved(attack: Any, stand_in: Any) -> None:
    # Signed for connection OWN and channel "a:b"; used for channel "b".
    assert_refused(attack(signed(stand_in, channel="a:b"), "b"), "b")
    assert_refused(attack(signed(stand_in, channel="b"), "a:b"), "a:b")
    # An id with a colon, which API Gateway never makes, does not help either: nothing is recorded for it.
    answer = attack(signed(stand_in, channel="a:b"), "b", f"{OWN}:a")
    assert answer["data"]["status"] == 503


@pytest.mark.parametrize("length", [0, 1, 32, 63])
def test_a_part_of_the_signature_is_worth_nothing(attack: Any, stand_in: Any, length: int) -> None:
    whole = signed(stand_in)
    for part in (whole[:length], whole[64 - length :], f"key:{whole[:length]}", whole[:length].ljust(64, "0")):
        assert_refused(attack(part))


def test_neither_more_nor_otherwise_written_digits_are_worth_anything(attack: Any, stand_in: Any) -> None:
    whole = signed(stand_in)
    twisted = [
        whole.upper(),
        whole + whole,
        f"{whole} ",
        f"{whole}:",
        f"{whole}:key",
        f"{whole},{whole}",
        whole.translate({ord(str(digit)): 0xFF10 + digit for digit in range(10)}),  # full-width digits
        whole.replace("a", "\u0430").replace("c", "\u0441"),  # Cyrillic letters
        whole + "\u200b",
        bytes.fromhex(whole).decode("latin-1"),
    ]
    for auth in twisted:
        assert_refused(attack(auth))


@pytest.mark.parametrize("auth", [None, True, 0, 1e300, [], {}, ["0" * 64], {"auth": "0" * 64}])
def test_a_signature_that_is_no_text_is_none(attack: Any, auth: Any) -> None:
    assert_refused(attack(auth))


def test_a_signature_with_no_secret_or_with_a_guessed_one_is_worth_nothing(attack: Any, stand_in: Any) -> None:
    guesses = ["", " ", "secret", stand_in.arn, stand_in.SECRET.upper(), stand_in.SECRET[:-1], f"{stand_in.SECRET}\n"]
    for guess in guesses:
        assert_refused(attack(subscription_signature(guess, OWN, CHANNEL)))


@pytest.mark.parametrize(
    "channel",
    [
        "priv\u0430te-runs",  # a Cyrillic letter
        "private\u2010runs",  # another hyphen
        "\uff50rivate-runs",  # a full-width letter
        "private-runs\u200b",
        "private-runs\u0301",
        "private-runs\x00",
        "private-runs\n",
        " private-runs",
        "private%2druns",
        "pr\u0131vate-runs",
        "\ud800private-runs",
    ],
)
def test_what_only_looks_like_a_channel_is_none(attack: Any, stand_in: Any, channel: str) -> None:
    assert attack(signed(stand_in), channel)["type"] == "error"


@pytest.mark.parametrize(
    "channel",
    [
        "*",
        "channel#*",
        "channel#private-runs",
        "connections#0",
        "private-runs#",
        f"{OTHER}#private-runs",
        "a*",
        "public-*",
        "public-x#private-runs",
        "public-\x00",
        "x" * 201,
        "",
        {"S": "private-runs"},
        ["private-runs"],
        7,
        None,
        '", "pk": {"S": "channel#private-runs"}, "x": "',
    ],
)
@pytest.mark.parametrize("opening", [("PUBLIC_CHANNELS", "public-*"), ("SUBSCRIPTION_AUTH", "none")])
def test_no_channels_name_escapes_its_key_where_anyone_may_subscribe(
    attack: Any, lambda_environment: pytest.MonkeyPatch, opening: tuple[str, str], channel: Any
) -> None:
    lambda_environment.setenv(*opening)
    assert attack(None, channel)["type"] == "error"


@pytest.mark.parametrize(
    "channel", ["../private-runs", "a/../b", "a:b", "a=b", "@connections/x", ";,", "connections", "."]
)
def test_a_strange_name_that_is_allowed_names_just_itself(
    say: Say, stand_in: Any, lambda_environment: pytest.MonkeyPatch, channel: str
) -> None:
    lambda_environment.setenv("SUBSCRIPTION_AUTH", "none")
    assert say({"action": "subscribe", "channel": channel})["type"] == "subscription_succeeded"
    by_connection, by_channel = sorted(stand_in.rows(), reverse=True)
    assert (by_connection[1], by_channel) == (f"{OWN}#{channel}", (f"abcdef123/production#channel#{channel}", OWN))
    say({"action": "unsubscribe", "channel": channel})
    assert stand_in.rows() == set()


@pytest.mark.parametrize(
    "connection_id",
    ["", ".", "..", "../x", "a/b", "a#private-runs", "*", f"{OWN}/../{OTHER}", "a?b", "a%2fb", "a\r\nHost: evil", None],
)
def test_no_connections_id_escapes_its_key_or_changes_a_url(
    say: Say, stand_in: Any, lambda_environment: pytest.MonkeyPatch, connection_id: Any
) -> None:
    lambda_environment.setenv("SUBSCRIPTION_AUTH", "none")
    for action in ("subscribe", "unsubscribe"):
        answer = say({"action": action, "channel": CHANNEL}, connection_id)
        assert answer["data"]["status"] == 503
    assert stand_in.rows() == set()


def test_nobody_unsubscribes_or_disconnects_another(
    say: Say, stand_in: Any, event_of: Callable[..., dict[str, Any]]
) -> None:
    say({"action": "subscribe", "channel": CHANNEL, "auth": signed(stand_in)})
    before = stand_in.rows()
    say({"action": "unsubscribe", "channel": CHANNEL, "connection_id": OWN}, OTHER)
    for action in ("$disconnect", "$connect", "forget"):
        assert say({"action": action, "connectionId": OWN}, OTHER)["type"] == "error"
    handler(event_of("$disconnect", connectionId=OTHER), None)
    handler(event_of("$disconnect", connectionId=OWN[:-1]), None)
    assert stand_in.rows() == before


def test_an_old_secret_is_worth_nothing_once_its_grace_is_over(attack: Any, stand_in: Any) -> None:
    old = signed(stand_in)
    stand_in.rotate("second")
    # A function that reads it now, a little after the rotation, and one for which that is longer ago than the grace.
    later = admission.SigningSecret(stand_in.arn, clock=lambda: time.time() + GRACE_SECONDS)
    admission._secret = later
    assert_refused(attack(old))
    # It was cut off for good: reading again changes nothing.
    admission.close()
    stand_in.rotate("third")
    assert_refused(attack(old))


def test_within_its_grace_the_secret_before_still_admits_and_so_does_the_new_one(say: Say, stand_in: Any) -> None:
    old = signed(stand_in)
    stand_in.rotate("second")
    new = subscription_signature("second", OWN, CHANNEL)
    for auth in (old, new):
        assert say({"action": "subscribe", "channel": CHANNEL, "auth": auth})["type"] == "subscription_succeeded"


def test_a_function_that_kept_the_old_secret_learns_the_new_one_from_its_first_use(say: Say, stand_in: Any) -> None:
    now = [time.time()]
    admission._secret = admission.SigningSecret(stand_in.arn, clock=lambda: now[0])
    say({"action": "subscribe", "channel": CHANNEL, "auth": signed(stand_in)})
    stand_in.rotate("second")
    now[0] += PAUSE_SECONDS
    new = subscription_signature("second", OWN, CHANNEL)
    assert say({"action": "subscribe", "channel": CHANNEL, "auth": new})["type"] == "subscription_succeeded"


def test_a_flood_of_wrong_signatures_is_refused_and_asks_secrets_manager_no_more_than_every_few_seconds(
    say: Say, service: Any
) -> None:
    version = json.dumps({"SecretString": "the-secret", "CreatedDate": time.time() - 86_400}).encode()
    service.answers = [(200, {}, version)] * 1_000
    now = [time.time()]
    admission._secret = admission.SigningSecret("arn:of-the-secret", clock=lambda: now[0])
    flood = 2_000
    for number in range(flood):
        now[0] += 20 / flood
        assert_refused(say({"action": "subscribe", "channel": CHANNEL, "auth": f"{number:064x}"}))
    assert len(service.requests) <= 1 + 20 / PAUSE_SECONDS
    assert {request.headers["X-Amz-Target"] for request in service.requests} == {"secretsmanager.GetSecretValue"}


def test_a_flood_of_subscriptions_to_public_channels_leaves_a_connection_that_can_be_forgotten(
    say: Say, stand_in: Any, lambda_environment: pytest.MonkeyPatch, event_of: Callable[..., dict[str, Any]]
) -> None:
    lambda_environment.setenv("PUBLIC_CHANNELS", "public-*")
    for number in range(150):
        answer = say({"action": "subscribe", "channel": f"public-{number}"})
        assert ("type" in answer) == (number < 100)
    assert len(stand_in.rows()) == 200
    assert handler(event_of("$disconnect"), None) == {"statusCode": 200}
    assert stand_in.rows() == set()


def test_the_same_attacks_at_once_are_refused_too(event_of: Callable[..., dict[str, Any]], stand_in: Any) -> None:
    # Lambda runs one event at a time in a process; each thread stands for a process that shares nothing but the table.
    body = json.dumps({"action": "subscribe", "channel": CHANNEL, "auth": signed(stand_in, OTHER)})
    event = event_of("$default", body)
    handler(event, None)  # reads the secret
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: json.loads(handler(event, None)["body"]), range(200)))
    for answer in answers:
        assert_refused(answer)
    assert stand_in.rows() == set()


anything = st.text(st.characters()) | st.text(st.sampled_from("0123456789abcdef:"), min_size=60, max_size=70)


@settings(max_examples=300)
@given(auth=anything | st.none() | st.integers() | st.lists(st.text()), name=st.text(st.characters(), max_size=30))
def test_whatever_is_sent_as_a_signature_nothing_passes(
    auth: Any, name: str, event_of: Callable[..., dict[str, Any]], attacked: Any
) -> None:
    for channel in (CHANNEL, name):
        body = json.dumps({"action": "subscribe", "channel": channel, "auth": auth})
        answer = json.loads(handler(event_of("$default", body), None)["body"])
        assert answer.get("type") == "error" or answer["data"]["status"] == 403
    assert attacked.requests == []


@pytest.fixture(scope="module")
def attacked(management_api_of: Callable[..., Any]) -> Iterator[Any]:
    """A DynamoDB that must not be asked, and a secret that is known."""

    class Known:
        arn = "arn:of-the-secret"

        def accepted(self, *, deadline: float, anew: bool = False) -> list[str]:
            return ["the-secret"]

        def close(self) -> None:
            pass

    api = management_api_of()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("REGISTRY_TABLE", "connections")
        environment.setenv("SUBSCRIPTION_SECRET", Known.arn)
        environment.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{api.port}")
        environment.setattr(admission, "_secret", Known())
        yield api
    registry.close()
