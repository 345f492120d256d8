"""A frame on its way to `@connections`: addressed, signed, answered or not."""

import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import connection_push
from broadcaster.aws.environment import stage_endpoint
from broadcaster.aws.retries import AwsError
from broadcaster.errors import ConfigurationError
from invocation import Invocation

SECRETS = ("example/secret+key", "example//token==", "ASIAEXAMPLEKEY", "Signature=")


@pytest.fixture
def invocation(event_of: Callable[..., dict[str, Any]]) -> Invocation:
    return Invocation(event_of("$default", ""))


def signature_by_botocore(url: str, request: Any) -> str:
    """Sign what the server was asked once more, at the time that the request names."""
    headers = {name: value for name, value in request.headers.items() if name != "Content-Length"}
    given = headers.pop("Authorization")
    again = AWSRequest(request.method, url, headers=headers, data=request.body)
    again.context["timestamp"] = headers["X-Amz-Date"]
    credentials = Credentials("ASIAEXAMPLEKEY", "example/secret+key", "example//token==")
    auth = SigV4Auth(credentials, "execute-api", "eu-west-1")
    signature = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
    return re.sub("Signature=.*", f"Signature={signature}", given)


def test_a_frame_is_posted_to_its_connection_and_signed_as_botocore_signs(
    management_api: Any, invocation: Invocation
) -> None:
    connection_push.send(invocation, '{"type":"pong"}')
    (request,) = management_api.requests
    assert request.method == "POST"
    assert request.path == "/production/@connections/L0SM9cOFvHcCIhw%3D"
    assert request.body == b'{"type":"pong"}'
    assert request.headers["Host"] == f"127.0.0.1:{management_api.port}"
    assert request.headers["X-Amz-Security-Token"] == "example//token=="
    url = f"http://127.0.0.1:{management_api.port}{request.path}"
    assert request.headers["Authorization"] == signature_by_botocore(url, request)


def test_credentials_are_read_at_each_push(
    management_api: Any, invocation: Invocation, lambda_environment: pytest.MonkeyPatch
) -> None:
    connection_push.send(invocation, "1")
    lambda_environment.setenv("AWS_ACCESS_KEY_ID", "ASIAROTATED")
    lambda_environment.delenv("AWS_SESSION_TOKEN")
    connection_push.send(invocation, "2")
    first, second = management_api.requests
    assert "Credential=ASIAEXAMPLEKEY/" in first.headers["Authorization"]
    assert "Credential=ASIAROTATED/" in second.headers["Authorization"]
    assert "X-Amz-Security-Token" not in second.headers


def test_one_connection_serves_many_pushes(management_api: Any, invocation: Invocation) -> None:
    for _ in range(5):
        connection_push.send(invocation, "x")
    assert [request.connection for request in management_api.requests] == [1] * 5


def test_a_push_follows_the_endpoint_when_it_moves(
    management_api: Any, invocation: Invocation, lambda_environment: pytest.MonkeyPatch
) -> None:
    connection_push.send(invocation, "x")
    moved = management_api.url.replace("127.0.0.1", "localhost").replace("/production", "/")
    lambda_environment.setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", moved)
    connection_push.send(invocation, "x")
    assert management_api.requests[1].path == "/@connections/L0SM9cOFvHcCIhw%3D"
    assert management_api.requests[1].headers["Host"] == f"localhost:{management_api.port}"
    assert management_api.connections == 2


@pytest.mark.parametrize(
    ("status", "error_type", "message"),
    [
        (410, "GoneException", "410 GoneException"),
        (410, "", "410"),
        (429, "LimitExceededException:http://internal.amazon.com/coral/", "429 LimitExceededException"),
        (500, "InternalServerErrorException", "500 InternalServerErrorException"),
        (
            403,
            "AccessDeniedException",
            "403 AccessDeniedException; the function's role needs execute-api:ManageConnections on this stage",
        ),
    ],
)
def test_a_refused_push_says_what_api_gateway_said(
    management_api: Any, invocation: Invocation, status: int, error_type: str, message: str
) -> None:
    management_api.answers = [(status, {"x-amzn-ErrorType": error_type} if error_type else {})]
    with pytest.raises(AwsError) as caught:
        connection_push.send(invocation, "x")
    assert str(caught.value) == message
    connection_push.send(invocation, "y")
    assert [(request.body, request.connection) for request in management_api.requests] == [(b"x", 1), (b"y", 1)]


def test_a_push_that_hangs_is_given_up(management_api: Any, invocation: Invocation) -> None:
    management_api.answers = ["hang"]
    with pytest.raises(AwsError, match=r"^127\.0\.0\.1:\d+ did not answer within 0\.1 s$"):
        connection_push.send(invocation, "x", seconds=0.1)


def test_the_longest_push_is_well_inside_the_ten_seconds_of_the_function() -> None:
    assert connection_push.PUSH_SECONDS <= 2


def test_what_is_not_http_is_a_failed_push(management_api: Any, invocation: Invocation) -> None:
    management_api.answers = ["garble"]
    with pytest.raises(AwsError, match="could not be asked: the answer does not begin with a status"):
        connection_push.send(invocation, "x")


def test_an_address_where_nobody_listens_is_a_failed_push(
    invocation: Invocation, lambda_environment: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:  # bound and not listening: the port is refused and cannot be taken by another
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/production"
        lambda_environment.setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", url)
        with pytest.raises(AwsError, match=r"could not be asked: .*refused") as caught:
            connection_push.send(invocation, "x")
    connection_push.close()
    assert not any(secret in str(caught.value) for secret in SECRETS)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:80", "wss://abc/production", "http://127.0.0.1:x/production", "http://[::1"]
)
def test_an_override_that_is_no_url_is_named(
    url: str, invocation: Invocation, lambda_environment: pytest.MonkeyPatch
) -> None:
    lambda_environment.setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", url)
    with pytest.raises(ConfigurationError) as caught:
        connection_push.send(invocation, "x")
    assert str(caught.value).startswith(f"AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI {url!r} is no")


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_variable_that_lambda_did_not_set_is_named(
    name: str, management_api: Any, invocation: Invocation, lambda_environment: pytest.MonkeyPatch
) -> None:
    lambda_environment.delenv(name)
    with pytest.raises(ConfigurationError, match=f"^{name} is not set; Lambda sets it for every function$"):
        connection_push.send(invocation, "x")
    assert management_api.requests == []


def test_on_aws_the_address_is_that_of_the_stage_whatever_domain_the_client_used(
    event_of: Callable[..., dict[str, Any]], lambda_environment: pytest.MonkeyPatch
) -> None:
    invocation = Invocation(event_of("$default", "", domainName="ws.example.com", stage="live"))
    endpoint = stage_endpoint(invocation.api_id, invocation.stage, "cn-north-1")
    assert endpoint.url == "https://abcdef123.execute-api.cn-north-1.amazonaws.com.cn/live"
