"""The secret that is kept: how often it is read, and which secrets are good after a rotation."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from broadcaster.aws.retries import AwsError
from broadcaster.secret_lifetime import GRACE_SECONDS, KEEP_SECONDS
from signing_secret import PAUSE_SECONDS, SigningSecret

NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def secret(service: Any, clock: Clock) -> Iterator[SigningSecret]:
    kept = SigningSecret("arn:of-the-secret", clock=clock)
    yield kept
    kept.close()


def version(secret: Any, created_at: float | None = NOW - 86_400) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps({"SecretString": secret, "CreatedDate": created_at}).encode()


NONE = (400, {}, b'{"__type":"ResourceNotFoundException","Message":"none"}')
DENIED = (400, {}, b'{"__type":"AccessDeniedException","Message":"secret words"}')


def accepted(secret: SigningSecret, *, anew: bool = False) -> list[str]:
    return secret.accepted(deadline=time.monotonic() + 5, anew=anew)


def test_it_is_read_once_and_kept(service: Any, secret: SigningSecret) -> None:
    service.answers = [version("one")]
    assert [accepted(secret) for _ in range(5)] == [["one"]] * 5
    [request] = service.requests
    assert request.headers["X-Amz-Target"] == "secretsmanager.GetSecretValue"
    assert request.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert "/eu-west-1/secretsmanager/aws4_request" in request.headers["Authorization"]
    assert json.loads(request.body) == {"SecretId": "arn:of-the-secret", "VersionStage": "AWSCURRENT"}


def test_it_is_read_again_after_five_minutes(service: Any, secret: SigningSecret, clock: Clock) -> None:
    service.answers = [version("one"), version("two")]
    accepted(secret)
    clock.now += KEEP_SECONDS - 1
    assert accepted(secret) == ["one"]
    clock.now += 1
    assert accepted(secret) == ["two"]


def test_for_a_signature_that_does_not_fit_it_is_read_again_but_not_often(
    service: Any, secret: SigningSecret, clock: Clock
) -> None:
    service.answers = [version("one"), version("two"), version("three")]
    accepted(secret)
    for _ in range(1_000):
        assert accepted(secret, anew=True) == ["one"]
    clock.now += PAUSE_SECONDS
    for _ in range(1_000):
        assert accepted(secret, anew=True) == ["two"]
    assert len(service.requests) == 2


def test_the_secret_before_is_good_until_its_grace_is_over(service: Any, secret: SigningSecret, clock: Clock) -> None:
    rotated_at = NOW - 60
    service.answers = [version("two", rotated_at), version("one")]
    assert accepted(secret) == ["two", "one"]
    assert [json.loads(request.body)["VersionStage"] for request in service.requests] == ["AWSCURRENT", "AWSPREVIOUS"]
    # Without being read again it is not good for longer.
    service.answers = [DENIED] * 100
    clock.now = rotated_at + GRACE_SECONDS - 1
    assert accepted(secret) == ["two", "one"]
    clock.now = rotated_at + GRACE_SECONDS
    assert accepted(secret) == ["two"]


def test_a_secret_that_was_replaced_long_ago_is_not_even_asked_for(service: Any, secret: SigningSecret) -> None:
    service.answers = [version("two", NOW - GRACE_SECONDS)]
    assert accepted(secret) == ["two"]
    assert len(service.requests) == 1


def test_a_first_secret_has_none_before(service: Any, secret: SigningSecret) -> None:
    service.answers = [version("one", NOW - 60), NONE]
    assert accepted(secret) == ["one"]


def test_if_it_cannot_be_read_again_it_is_good_for_as_long_as_an_old_one_may_be(
    service: Any, secret: SigningSecret, clock: Clock
) -> None:
    service.answers = [version("one"), *[DENIED] * 1_000]
    accepted(secret)
    clock.now += GRACE_SECONDS - 1
    assert accepted(secret) == ["one"]
    clock.now += 1
    with pytest.raises(AwsError, match=r"^secretsmanager refused GetSecretValue: 400 AccessDeniedEx"):
        accepted(secret)
    service.answers = [version("two")]
    clock.now += PAUSE_SECONDS
    assert accepted(secret) == ["two"]


def test_a_secret_that_cannot_be_read_is_not_asked_for_at_every_subscription(
    service: Any, secret: SigningSecret, clock: Clock
) -> None:
    service.answers = [DENIED] * 10
    for _ in range(100):
        with pytest.raises(AwsError, match="AccessDeniedException"):
            accepted(secret)
    assert len(service.requests) == 1
    clock.now += PAUSE_SECONDS
    with pytest.raises(AwsError):
        accepted(secret)
    assert len(service.requests) == 2


@pytest.mark.parametrize("value", ["", None, 5])
def test_a_secret_without_text_admits_nobody(service: Any, secret: SigningSecret, value: Any) -> None:
    service.answers = [version(value)]
    with pytest.raises(AwsError, match=r"^the secret has no text in its version AWSCURRENT$"):
        accepted(secret)


def test_a_real_rotation_is_noticed_and_only_the_two_newest_are_good(stand_in: Any) -> None:
    clock = Clock()
    clock.now = time.time()
    secret = SigningSecret(stand_in.arn, clock=clock)
    assert accepted(secret) == [stand_in.SECRET]
    for new in ("second", "third"):
        stand_in.rotate(new)
    clock.now += PAUSE_SECONDS
    assert accepted(secret, anew=True) == ["third", "second"]
    clock.now += GRACE_SECONDS
    assert accepted(secret) == ["third"]
    secret.close()
