"""Which sender is made, and with what."""

import urllib.request
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.endpoint import Endpoint
from broadcaster.errors import ConfigurationError
from broadcaster.proxies import is_proxied
from broadcaster.sending.boto3_sender import Boto3Sender
from broadcaster.sending.choose import make_sender

AWS = Endpoint("https", "abc123xyz.execute-api.us-east-1.amazonaws.com", 443, "/production", "us-east-1")
LOCAL = Endpoint("http", "127.0.0.1", 3001, "/production", "us-east-1")
PROXY_VARIABLES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "NO_PROXY", "no_proxy"]


@given(
    st.dictionaries(
        st.sampled_from(PROXY_VARIABLES),
        st.sampled_from(["", "http://proxy:3128", "*", ".amazonaws.com", "amazonaws.com,localhost", "example.com"]),
    )
)
def test_a_proxy_is_in_force_when_the_standard_library_says_so(environment):
    with pytest.MonkeyPatch.context() as patch:
        for name in PROXY_VARIABLES:
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        expected = "https" in urllib.request.getproxies() and not urllib.request.proxy_bypass(AWS.host)
        assert is_proxied(AWS) == expected
        assert not is_proxied(LOCAL)


def test_behind_a_proxy_boto3_does_the_work(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert isinstance(make_sender(AWS), Boto3Sender)


@pytest.mark.parametrize(
    "wrong",
    [
        {"concurrency": 0},
        {"concurrency": 2.5},
        {"concurrency": True},
        {"timeout": 0},
        {"timeout": "3"},
        {"attempts": -1},
        {"deadline": float("nan")},
        {"rate": 0},
        {"verify": "/nowhere/ca.pem"},
        {"verify": None},
        {"verify": 1},
        {"kind": "carrier pigeon"},
    ],
)
def test_a_setting_that_makes_no_sense_is_named_with_its_value(wrong):
    [(name, value)] = wrong.items()
    with pytest.raises(ConfigurationError, match=f"{'sender' if name == 'kind' else name} {value!r}"):
        make_sender(AWS, **wrong)


def test_every_rate_above_nothing_is_allowed():
    make_sender(AWS, rate=inf, kind="boto3").close()
    make_sender(AWS, rate=0.5, kind="boto3").close()
