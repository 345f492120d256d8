"""Calls to `@connections` are verified, and refused in AWS's words."""

import asyncio
import itertools
import json
import time
from urllib.parse import quote

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from local_gateway.management.sigv4 import Credentials, SignatureError, Verifier

PAIR = Credentials("AKIDEXAMPLE", "secret")
ROLE = Credentials("ASIAEXAMPLE", "other secret", "token")
HOST = "http://127.0.0.1:8080"
PATH = "/live/@connections/L0SM9cOFvHcCIhw%3D"


def signed(credentials=PAIR, *, path=PATH, body=b"hello", service="execute-api", region="us-east-1", method="POST"):
    """Headers of a request, signed by botocore."""
    request = AWSRequest(method, HOST + path, data=body, headers={"Host": "127.0.0.1:8080"})
    SigV4Auth(BotocoreCredentials(*credentials), service, region).add_auth(request)
    return CIMultiDict(request.headers.items())


def verify(headers, *, path=PATH, body=b"hello", method="POST", now=time.time):
    verifier = Verifier([PAIR, ROLE], region="us-east-1", now=now)
    verifier.verify(method, path, CIMultiDictProxy(headers), body)


def refusal(headers, **request):
    with pytest.raises(SignatureError) as error:
        verify(headers, **request)
    return error.value


@given(
    # without slashes and dots, which botocore takes out of a path where they stand for nothing
    path=st.text("abcXYZ019-_~=@%+ :éñ", max_size=40).map(
        lambda text: quote(f"/live/@connections/{text}", safe="/@=%")
    ),
    body=st.binary(max_size=100),
    credentials=st.sampled_from([PAIR, ROLE]),
    method=st.sampled_from(["GET", "POST", "DELETE"]),
)
def test_what_botocore_signs_is_accepted(path, body, credentials, method):
    verify(signed(credentials, path=path, body=body, method=method), path=path, body=body, method=method)


@given(position=st.integers(0, 63), digit=st.sampled_from("0123456789abcdef"))
def test_no_other_signature_is(position, digit):
    headers = signed()
    start = headers["Authorization"].index("Signature=") + len("Signature=")
    authorization = headers["Authorization"]
    changed = authorization[: start + position] + digit + authorization[start + position + 1 :]
    headers["Authorization"] = changed
    if changed != authorization:
        assert refusal(headers).error_type == "InvalidSignatureException"


@pytest.mark.parametrize(
    "request_", [{"body": b"other"}, {"method": "DELETE"}, {"path": PATH.replace("%3D", "=")}, {"path": "/live/x"}]
)
def test_a_request_other_than_the_signed_one_is_refused(request_):
    assert refusal(signed(), **request_).error_type == "InvalidSignatureException"


def test_a_mismatch_is_explained_with_the_strings_that_should_have_been_signed():
    said = refusal(signed(Credentials(PAIR.access_key, "wrong"))).message
    assert said.startswith("The request signature we calculated does not match the signature you provided.")
    assert "'POST\n/live/%40connections/L0SM9cOFvHcCIhw%253D\n\nhost:127.0.0.1:8080\nx-amz-date:" in said
    assert "The String-to-Sign should have been\n'AWS4-HMAC-SHA256\n" in said


def test_a_path_that_is_not_encoded_twice_is_refused():
    class Once(SigV4Auth):
        def _normalize_url_path(self, path):
            return path.replace("@", "%40")

    request = AWSRequest("POST", HOST + PATH, data=b"hello", headers={"Host": "127.0.0.1:8080"})
    Once(BotocoreCredentials(*PAIR), "execute-api", "us-east-1").add_auth(request)
    assert refusal(CIMultiDict(request.headers.items())).error_type == "InvalidSignatureException"


def test_the_members_of_the_header_may_come_in_any_order():
    headers = signed()
    algorithm, _, members = headers["Authorization"].partition(" ")
    for order in itertools.permutations(members.split(", ")):
        headers["Authorization"] = f"{algorithm} {', '.join(order)}"
        verify(headers)


@pytest.mark.parametrize(
    ("headers", "error_type", "said"),
    [
        ({}, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ({"Authorization": "Bearer x"}, "IncompleteSignatureException", "Unsupported AWS 'algorithm': 'Bearer'"),
        (
            {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b"},
            "IncompleteSignatureException",
            "requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter.",
        ),
        (
            {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0"},
            "IncompleteSignatureException",
            "Credential must have exactly 5 slash-delimited elements",
        ),
    ],
)
def test_a_header_that_is_not_whole_is_told_what_it_lacks(headers, error_type, said):
    error = refusal(CIMultiDict(headers))
    assert error.error_type == error_type
    assert said in error.message


def test_a_date_that_is_none_is_refused():
    headers = signed()
    headers["X-Amz-Date"] = "20261399T999999Z"
    assert "ISO-8601 'basic format'" in refusal(headers).message
    del headers["X-Amz-Date"]
    assert "requires existence of either a 'X-Amz-Date'" in refusal(headers).message


@pytest.mark.parametrize("day", ["", "2026", "20261", "{day}T", "99990101"])
def test_the_scope_is_for_the_day_of_the_time_stamp(day):
    headers = signed()
    today = headers["X-Amz-Date"][:8]
    headers["Authorization"] = headers["Authorization"].replace(f"/{today}/", f"/{day.format(day=today)}/")
    assert "Date in Credential scope does not match" in refusal(headers).message


@pytest.mark.parametrize("name", ["Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Signed"])
@given(
    text=st.binary(min_size=1).map(lambda data: (data.replace(b",", b"") + b"\xff").decode("utf-8", "surrogateescape"))
)
def test_bytes_that_are_no_ascii_are_refused_and_no_fault(name, text):
    # Without a comma: what stands behind one is another member of the header, which counts for nothing.
    headers = signed()
    if name == "X-Signed":
        headers["Authorization"] = headers["Authorization"].replace("SignedHeaders=", "SignedHeaders=x-signed;")
    headers[name] = headers.get(name, "") + text
    assert refusal(headers).error_type.endswith("Exception")


@given(path=st.binary().map(lambda data: "/" + data.decode("utf-8", "surrogateescape")))
def test_a_path_that_is_no_utf_8_is_refused_and_no_fault(path):
    assert refusal(signed(), path=path).error_type == "InvalidSignatureException"


@pytest.mark.parametrize("where", ["Authorization", "X-Amz-Date"])
async def test_a_signature_with_a_byte_beyond_ascii_is_403(serve, recorded, where):
    running = await serve()
    target = "/live/@connections/AAAAAAAAAAAAAAA%3D"
    headers = signed(running.gateway.credentials, path=target, body=b"", region="eu-west-3")
    headers[where] += "\u00ff"
    reader, writer = await asyncio.open_connection("127.0.0.1", running.gateway.port)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"POST {target} HTTP/1.1\r\n{lines}Content-Length: 0\r\n\r\n".encode("latin-1"))
    assert (await reader.readline()).split()[1] == b"403"
    writer.close()


def test_digits_of_other_scripts_are_no_date():
    headers = signed()
    headers["X-Amz-Date"] = headers["X-Amz-Date"].translate({ord("2"): "\u0662"})
    assert "ISO-8601 'basic format'" in refusal(headers).message


@pytest.mark.parametrize(("skew", "said"), [(301, "Signature expired"), (-301, "Signature not yet current")])
def test_a_signature_of_another_time_is_refused(skew, said):
    assert said in refusal(signed(), now=lambda: time.time() + skew).message
    verify(signed(), now=lambda: time.time() + skew - (2 if skew > 0 else -2))


def test_another_region_and_another_service_are_refused():
    assert "valid region, not 'eu-west-1'" in refusal(signed(region="eu-west-1")).message
    assert "correct service: 'execute-api'" in refusal(signed(service="lambda")).message


@pytest.mark.parametrize(
    "credentials", [Credentials("AKIDSTRANGER", "x"), ROLE._replace(token=None), PAIR._replace(token="x")]
)
def test_an_unknown_key_or_token_is_refused(credentials):
    assert refusal(signed(credentials)).error_type == "UnrecognizedClientException"


async def test_the_gateway_takes_its_own_pair_and_that_of_its_functions_alone(serve, assembly, recorded):
    assembly.function(
        "Push",
        """
        import os, boto3

        def handler(event, context):
            url = os.environ["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"]
            client = boto3.session.Session().client("apigatewaymanagementapi")
            assert client.meta.endpoint_url == url
            connection = event["requestContext"]["connectionId"]
            client.post_to_connection(ConnectionId=connection, Data=b"from the function")
            return {"statusCode": 200}
        """,
        Timeout=20,
    )
    assembly.route("push", "Push")
    running = await serve(credentials=PAIR)
    socket = await running.connect()
    await socket.send_str("hello")
    connection_id = await socket.receive_str(timeout=60)
    assert (await running.call("POST", connection_id, b"x"))[0] == 200
    assert await socket.receive_str(timeout=60) == "x"
    await socket.send_str('{"action":"push"}')
    assert await socket.receive_str(timeout=20) == "from the function", running.log.getvalue()
    status, error_type, body = await running.call("POST", connection_id, b"x", headers={})
    assert (status, error_type) == (403, "MissingAuthenticationTokenException")
    assert json.loads(body) == {"message": "Missing Authentication Token"}


async def test_an_unsigned_gateway_takes_anything(serve, recorded):
    running = await serve(is_unsigned=True)
    socket = await running.connect()
    await socket.send_str("hello")
    assert (await running.call("POST", await socket.receive_str(timeout=60), b"x", headers={}))[0] == 200


async def test_boto3_raises_its_own_exceptions(serve, recorded):
    running = await serve()
    socket = await running.connect()
    await socket.send_str("hello")
    connection_id = await socket.receive_str(timeout=60)
    client = boto3.session.Session().client(
        "apigatewaymanagementapi",
        endpoint_url=running.gateway.connections_url,
        region_name="eu-west-3",
        aws_access_key_id=running.gateway.credentials.access_key,
        aws_secret_access_key=running.gateway.credentials.secret_key,
        config=Config(retries={"total_max_attempts": 1}),
    )

    def use():
        assert (
            client.post_to_connection(ConnectionId=connection_id, Data=b"hi")["ResponseMetadata"]["HTTPStatusCode"]
            == 200
        )
        assert client.get_connection(ConnectionId=connection_id)["Identity"]["SourceIp"] == "127.0.0.1"
        with pytest.raises(client.exceptions.PayloadTooLargeException):
            client.post_to_connection(ConnectionId=connection_id, Data=b"x" * 131_073)
        client.delete_connection(ConnectionId=connection_id)
        with pytest.raises(client.exceptions.GoneException):
            client.post_to_connection(ConnectionId=connection_id, Data=b"late")
        client.close()

    await asyncio.to_thread(use)
    assert await socket.receive_str(timeout=60) == "hi"
