"""Signatures are botocore's, byte for byte, whatever is signed."""

import datetime
from unittest.mock import patch

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from broadcaster import http1
from broadcaster.signing import BodySigner, ConnectionSigner, Credentials, _kept_states, percent_encode, sign_request

PRINTABLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
TOKENS = st.none() | st.text(st.sampled_from("ABCabc019+/="), min_size=1, max_size=1200)
CREDENTIALS = st.builds(Credentials, st.text(st.sampled_from("AKIZ09"), min_size=1), st.text(PRINTABLE), TOKENS)
HOSTS = st.sampled_from(
    ["abc123xyz.execute-api.us-east-1.amazonaws.com", "127.0.0.1:8080", "[::1]:9000", "ws.example.com"]
)
REGIONS = st.sampled_from(["us-east-1", "ap-southeast-2", "cn-north-1"])
TIMES = st.floats(0, 4_000_000_000)
# A path as it is sent: percent-encoded text between slashes, with what normalisation might stumble over.
SEGMENTS = st.text().map(percent_encode) | st.sampled_from(["", ".", "..", "@connections", "~a", "a=b", "%3D", "%2540"])
PATHS = st.lists(SEGMENTS, max_size=6).map(lambda segments: "/" + "/".join(segments))
QUERY_PARTS = st.text(max_size=5).map(percent_encode)
QUERIES = st.lists(st.tuples(QUERY_PARTS, st.sampled_from(["=", "", "=="]), QUERY_PARTS).map("".join), max_size=4).map(
    "&".join
)
HEADER_NAMES = st.sampled_from(
    ["Content-Type", "X-Amz-Target", "x-amz-a", "X-Amz-B", "User-Agent", "Accept", "Connection", "TE", "A-B"]
)
HEADERS = st.dictionaries(HEADER_NAMES, st.text(PRINTABLE | st.sampled_from(" \t"), min_size=1))
IDS = st.text(st.sampled_from("ABCxyz019_-="), min_size=1, max_size=128)
METHODS = st.sampled_from(["POST", "GET", "DELETE"])
PLAIN = {"service": "dynamodb", "region": "us-east-1", "method": "POST", "host": "h", "path": "/", "body": b"{}"}
PLAIN |= {"now": 0.0, "headers": {}, "query": ""}


def botocore_authorization(credentials, *, service, region, method, host, path, body, now, headers, query):
    """Return the Authorization header that botocore computes, its clock set to `now`."""
    url = f"https://{host}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=method, url=url, headers={"Host": host, **headers}, data=body)
    moment = datetime.datetime.fromtimestamp(int(now), tz=datetime.UTC)
    signer = botocore.auth.SigV4Auth(BotocoreCredentials(*credentials), service, region)
    with patch.object(botocore.auth, "get_current_datetime", lambda: moment):
        signer.add_auth(request)
    return request.headers


@given(
    CREDENTIALS,
    st.sampled_from(["execute-api", "dynamodb"]),
    REGIONS,
    METHODS,
    HOSTS,
    PATHS,
    st.binary(),
    TIMES,
    HEADERS,
    QUERIES,
)
def test_any_request_is_signed_as_botocore_signs_it(
    credentials, service, region, method, host, path, body, now, headers, query
):
    request = {
        "service": service,
        "region": region,
        "method": method,
        "host": host,
        "path": path,
        "body": body,
        "now": now,
        "headers": headers,
        "query": query,
    }
    ours = sign_request(credentials, **request)
    theirs = botocore_authorization(credentials, **request)
    assert ours == dict(theirs.items())


@pytest.mark.parametrize("length", [59, 60, 61, 200])  # the key is of four characters more, a block of SHA-256 of 64
def test_a_secret_of_any_length_signs_as_with_botocore(length):
    credentials = Credentials("AKID", "s" * length)
    assert sign_request(credentials, **PLAIN) == dict(botocore_authorization(credentials, **PLAIN).items())


@pytest.mark.parametrize("path", ["", "/", "/a/b/../c", "/a/b/..", "/a/../../b/", "//a//b"])
def test_a_path_with_dots_and_repeated_slashes_is_signed_as_with_botocore(path):
    request = PLAIN | {"path": path}
    credentials = Credentials("AKID", "secret")
    assert sign_request(credentials, **request) == dict(botocore_authorization(credentials, **request).items())


def test_what_is_kept_for_secrets_is_bounded():
    """A process may see a new secret each hour for months."""
    sizes = []
    for number in range(20):
        sign_request(Credentials("AKID", f"secret {number}"), **PLAIN)
        sizes.append(len(_kept_states))
    assert max(sizes) == 8


@given(CREDENTIALS, HOSTS, PATHS, HEADERS, TIMES, st.lists(st.binary(), min_size=1, max_size=3))
def test_one_signer_signs_any_number_of_bodies(credentials, host, path, headers, now, bodies):
    request = {"service": "dynamodb", "region": "us-east-1", "method": "POST", "host": host, "path": path, "now": now}
    signer = BodySigner(credentials, **request, headers=headers)
    for body in bodies:
        expected = sign_request(credentials, **request, headers=headers, body=body)
        assert {**signer.headers, "Authorization": signer.authorization + signer.signature(body)} == expected


@given(
    CREDENTIALS,
    REGIONS,
    METHODS,
    HOSTS,
    st.sampled_from(["", "/production", "/a/b", "/caf%C3%A9"]),
    IDS,
    st.binary(),
    TIMES,
)
def test_the_fast_signer_makes_the_same_bytes(credentials, region, method, host, base_path, connection_id, body, now):
    signer = ConnectionSigner(
        credentials, host=host, region=region, base_path=base_path, method=method, body=body, now=now
    )
    path = f"{base_path}/@connections/{connection_id.replace('=', '%3D')}"
    headers = sign_request(
        credentials, service="execute-api", region=region, method=method, host=host, path=path, body=body, now=now
    )
    assert signer.head(connection_id) + body == http1.request(method, path, headers, body)


@given(st.text(min_size=1).filter(lambda text: text not in (".", "..")))
def test_no_connection_id_can_name_another_path(connection_id):
    keys = Credentials("AKID", "secret")
    place = {"host": "h", "region": "us-east-1", "body": b"", "now": 0.0}
    signer = ConnectionSigner(keys, base_path="/production", method="GET", **place)
    path = f"/production/@connections/{percent_encode(connection_id)}"
    headers = sign_request(keys, service="execute-api", method="GET", path=path, **place)
    assert signer.head(connection_id) == http1.request("GET", path, headers)
    assert signer.head(connection_id).split(b" ")[1].count(b"/") == 3


@pytest.mark.parametrize("connection_id", ["", ".", ".."])
def test_an_id_that_would_name_another_path_is_refused(connection_id):
    signer = ConnectionSigner(
        Credentials("AKID", "secret"), host="h", region="us-east-1", base_path="", method="GET", body=b"", now=0.0
    )
    with pytest.raises(ValueError, match="no connection id"):
        signer.head(connection_id)


def test_the_id_is_sent_as_it_is_signed():
    """The bytes on the wire have `%3D`; the canonical request that botocore logs has `%253D` and `%40`."""
    signer = ConnectionSigner(
        Credentials("AKID", "secret"),
        host="abc123xyz.execute-api.us-east-1.amazonaws.com",
        region="us-east-1",
        base_path="/production",
        method="POST",
        body=b"{}",
        now=1_795_000_000,
    )
    head = signer.head("L0SM9cOFvHcCIhw=")
    assert head.startswith(b"POST /production/@connections/L0SM9cOFvHcCIhw%3D HTTP/1.1\r\nHost: abc123xyz.execute-api.")
    assert head.endswith(b"\r\nContent-Length: 2\r\n\r\n")


def test_credentials_do_not_print_their_secret():
    printed = repr(Credentials("AKID", "very-secret", "very-temporary"))
    assert "AKID" in printed
    assert "very" not in printed
