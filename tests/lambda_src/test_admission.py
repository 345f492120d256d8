"""Who may listen to what, as far as no secret is needed to say so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import admission
from broadcaster.aws.retries import AwsError

NAMES = st.text("ab:", min_size=1, max_size=4)


def is_admitted(channel: str) -> bool:
    try:
        admission.check("L0SM9cOFvHcCIhw=", channel, "", deadline=0.0)
    except admission.RefusedError:
        return False
    return True


@pytest.fixture
def public(monkeypatch):
    return lambda names: monkeypatch.setenv(admission.PUBLIC_VARIABLE, names)


@given(channel=NAMES, names=st.lists(NAMES, max_size=3), prefixes=st.lists(st.just("") | NAMES, max_size=2))
def test_public_is_what_is_named_and_what_begins_with_a_prefix(channel, names, prefixes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(admission.PUBLIC_VARIABLE, " ".join([*names, *(f"{prefix}*" for prefix in prefixes)]))
        assert is_admitted(channel) == (channel in names or channel.startswith(tuple(prefixes)))


def test_nothing_is_public_by_itself(public):
    public("")
    assert not is_admitted("logs")


def test_with_signatures_off_every_channel_is_admitted(monkeypatch, public):
    public("")
    monkeypatch.setenv(admission.AUTH_VARIABLE, "none")
    assert is_admitted("logs")
    monkeypatch.setenv(admission.AUTH_VARIABLE, "signature")
    assert not is_admitted("logs")


def test_a_malformed_signature_is_refused_without_a_look_at_the_secret(public):
    public("")
    with pytest.raises(admission.RefusedError, match="not one that the backend gave"):
        admission.check("L0SM9cOFvHcCIhw=", "logs", "no signature", deadline=0.0)


def test_another_secret_is_read_where_the_setting_has_changed(monkeypatch, public):
    public("")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    monkeypatch.setattr(admission, "_secret", None)
    for arn in ("arn:b", "arn:a", "arn:c"):
        monkeypatch.setenv(admission.SECRET_VARIABLE, arn)
        with pytest.raises(AwsError):  # no time is left to read it in
            admission.check("L0SM9cOFvHcCIhw=", "logs", "0" * 64, deadline=0.0)
        assert admission._secret.arn == arn
