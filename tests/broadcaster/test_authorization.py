"""Signatures of subscriptions: their form, and that nothing but the right one is taken for one."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.authorization import has_form_of_signature, is_authentic, subscription_signature
from broadcaster.channels import check_channel
from broadcaster.connections import check_connection_id
from broadcaster.errors import InvalidArgumentError

SECRET, ID, CHANNEL = "a-secret", "L0SM9cOFvHcCIhw=", "private-a"
SIGNATURE = subscription_signature(SECRET, ID, CHANNEL)

connection_ids = st.text(st.sampled_from("ABab09_-="), min_size=1, max_size=20)
channels = st.text(st.sampled_from("ABab09_-=@,.;:/"), min_size=1, max_size=20)


def test_a_signature_is_the_hmac_of_id_and_channel_in_hexadecimal_digits():
    assert hmac.new(b"a-secret", b"L0SM9cOFvHcCIhw=:private-a", hashlib.sha256).hexdigest() == SIGNATURE


def test_it_is_the_signature_in_the_example_of_pushers_documentation():
    # https://pusher.com/docs/channels/library_auth_reference/auth-signatures/
    signature = subscription_signature("7ad3773142a6692b25b8", "1234.1234", "private-foobar")
    assert signature == "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"


@pytest.mark.parametrize("auth", [SIGNATURE, f"key:{SIGNATURE}", f"wss://host:443/production:{SIGNATURE}"])
def test_it_is_authentic_with_or_without_a_key(auth):
    assert is_authentic(auth, [SECRET], ID, CHANNEL)


def test_any_of_the_secrets_will_do_and_none_will_not():
    assert is_authentic(SIGNATURE, ["another", SECRET], ID, CHANNEL)
    assert is_authentic(SIGNATURE, [SECRET, "another"], ID, CHANNEL)
    assert not is_authentic(SIGNATURE, ["another"], ID, CHANNEL)
    assert not is_authentic(SIGNATURE, [], ID, CHANNEL)


@pytest.mark.parametrize(
    "auth",
    [
        "",
        ":",
        SIGNATURE[:-1],
        SIGNATURE[1:],
        SIGNATURE + "0",
        SIGNATURE.upper(),
        f" {SIGNATURE}",
        f"{SIGNATURE}\n",
        f"{SIGNATURE}:",
        f"{SIGNATURE}:key",
        "\u0430" * 64,
        "\ud800" * 64,
        "\uff10" * 64,  # a digit, but not one of ours
        "0" * 64,
    ],
)
def test_nothing_else_is(auth):
    assert not is_authentic(auth, [SECRET], ID, CHANNEL)


@given(auth=st.text(st.characters()) | st.text(st.sampled_from("0123456789abcdef"), min_size=60, max_size=68))
def test_no_text_raises_and_none_is_authentic(auth):
    assert not is_authentic(auth, [SECRET], ID, CHANNEL)
    assert has_form_of_signature(auth) in (True, False)


@given(connection_ids, channels, connection_ids, channels)
def test_a_signature_is_good_for_one_connection_and_one_channel(one_id, one_channel, other_id, other_channel):
    for value, check in ((one_id, check_connection_id), (one_channel, check_channel)):
        try:
            assert check(value) == value
        except InvalidArgumentError:
            return
    signature = subscription_signature(SECRET, one_id, one_channel)
    is_same = (one_id, one_channel) == (other_id, other_channel)
    assert is_authentic(signature, [SECRET], other_id, other_channel) == is_same
