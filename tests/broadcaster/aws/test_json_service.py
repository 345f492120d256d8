"""Services asked by ourselves and through boto3: the same answers, errors and repetitions."""

import json
import ssl
from itertools import count

import pytest
import trustme

from broadcaster.aws.choose import make_service
from broadcaster.aws.environment import service_endpoint
from broadcaster.aws.json_service import Ask, JsonService, once
from broadcaster.aws.retries import AwsError, Patience, Time
from broadcaster.registries.dynamodb import DynamoDBRegistry
from broadcaster.signing import Credentials
from broadcaster.subscription_secret import SubscriptionSecret
from tests.scripted_server import ScriptedServer

PATIENT = Patience(attempt=60, total=60)
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:clearstar-a1b2c3"


@pytest.fixture
def server():
    made = ScriptedServer()
    yield made
    made.close()


def answer(members, status=200):
    return status, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(members).encode()


@pytest.fixture
def patience():
    return PATIENT


@pytest.fixture(params=["own", "boto3"])
def service(request, server, patience, monkeypatch, aws_keys):
    """DynamoDB, asked over connections of our own, or by boto3 through a proxy."""
    url = f"http://127.0.0.1:{server.port}"
    if request.param == "boto3":
        monkeypatch.setenv("HTTP_PROXY", url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        url = "http://dynamodb.example.com:8000"
    made = make_service("dynamodb", region="us-east-1", endpoint_url=url, patience=patience)
    yield made
    made.close()


def test_jobs_get_their_answers_in_turn_and_results_are_in_order(service, server):
    server.answers = [answer({"Items": [{"sk": {"S": "a"}}]}), answer({"Items": []})]

    def job():
        first = yield Ask("Query", {"TableName": "table"})
        second = yield Ask("Query", {"TableName": "table"})
        return first["Items"], second["Items"]

    assert service.run([job()]) == [([{"sk": {"S": "a"}}], [])]
    assert service.run([]) == []
    assert {request.headers["X-Amz-Target"] for request in server.requests} == {"DynamoDB_20120810.Query"}


def test_many_jobs_each_get_their_own_answer(service, server):
    server.answers = [answer({"Items": []})] * 40
    assert [got["Items"] for got in service.run([once(Ask("Query", {"TableName": "table"})) for _ in range(40)])] == [
        []
    ] * 40
    assert len(server.requests) == 40


@pytest.mark.parametrize("trouble", [answer({"__type": "x#ThrottlingException"}, 400), answer({}, 503)])
def test_what_is_retryable_is_asked_again(service, server, trouble):
    server.answers = [trouble, trouble, answer({"Items": []})]
    assert service.run([once(Ask("Query", {"TableName": "table"}))])[0]["Items"] == []
    assert len(server.requests) == 3


def slow_clock():
    """Make a clock that is a second later each time it is read, as on a machine that is held up in between."""
    return Time(clock=count().__next__, chance=lambda: 0.0)


@pytest.mark.parametrize("patience", [Patience(attempt=1e6, total=1e6, time=slow_clock())])
def test_a_pause_that_is_over_before_it_begins_is_no_pause(service, server):
    server.answers = [answer({}, 503), answer({"Items": []})]
    assert service.run([once(Ask("Query", {"TableName": "table"}))])[0]["Items"] == []


@pytest.mark.parametrize("members", [{}, {"Items": None}, {"hello": "world"}])
def test_what_answers_a_query_without_rows_is_not_believed(service, server, members):
    server.answers = [answer(members), answer({"Items": []})]
    assert service.run([once(Ask("Query", {"TableName": "table"}))])[0]["Items"] == []


def test_a_refusal_has_its_code_and_the_words_of_aws(service, server):
    server.answers = [answer({"__type": "x#ValidationException", "message": "no such thing"}, 400)]
    with pytest.raises(AwsError) as caught:
        service.run([once(Ask("Query", {"TableName": "table"}))])
    assert (caught.value.code, caught.value.message, caught.value.is_retryable) == (
        "ValidationException",
        "no such thing",
        False,
    )
    assert len(server.requests) == 1


def test_one_that_is_refused_does_not_keep_the_others_from_being_asked(service, server):
    server.answers = [answer({"__type": "x#ValidationException"}, 400)] + [answer({"Items": []})] * 20
    with pytest.raises(AwsError):
        service.run([once(Ask("Query", {"TableName": "table"})) for _ in range(20)])
    assert len(server.requests) == 20


def test_keys_that_were_replaced_meanwhile_are_read_anew_once(server):
    endpoint = service_endpoint("dynamodb", "us-east-1", f"http://127.0.0.1:{server.port}")
    reads = []

    def credentials(*, anew=False):
        reads.append(anew)
        return Credentials("AKIANEW" if anew else "AKIAOLD", "secret")

    service = JsonService("dynamodb", endpoint, credentials=credentials, tls=ssl.create_default_context)
    expired = answer({"__type": "x#ExpiredTokenException"}, 400)
    server.answers = [expired, answer({"Items": []})]
    assert service.run([once(Ask("Query", {"TableName": "table"}))])[0]["Items"] == []
    assert ["AKIANEW" in request.headers["Authorization"] for request in server.requests] == [False, True]
    server.answers = [expired, expired]
    with pytest.raises(AwsError, match="ExpiredTokenException"):
        service.run([once(Ask("Query", {"TableName": "table"}))])
    assert reads == [False, True, False, True]
    service.close()


def test_what_is_asked_again_is_signed_anew_with_other_keys_and_after_a_minute_and_else_the_same(server):
    endpoint = service_endpoint("dynamodb", "us-east-1", f"http://127.0.0.1:{server.port}")
    keys, now = [Credentials("AKIAOLD", "secret")], [1_764_000_000.0]
    patience = PATIENT._replace(time=Time(now=lambda: now[0]))
    service = JsonService(
        "dynamodb", endpoint, credentials=lambda **_: keys[-1], tls=ssl.create_default_context, patience=patience
    )
    server.answers = [answer({"Items": []})] * 6
    asks = [Ask("Query", {"TableName": name}, is_kept=True) for name in ("one", "other")]
    for _ in range(2):
        service.run([once(asks[0]), once(asks[1])])
    keys.append(Credentials("AKIANEW", "secret"))
    service.run([once(asks[0])])
    now[0] += 61
    service.run([once(asks[0])])
    service.close()
    signed = [request.headers["Authorization"] for request in server.requests]
    assert len(set(signed[:4])) == 2
    assert len(set(signed)) == 4
    assert ["AKIANEW" in each for each in signed] == [False] * 4 + [True] * 2
    assert len({request.headers["X-Amz-Date"] for request in server.requests}) == 2
    assert sorted(request.body for request in server.requests)[-2:] == [b'{"TableName":"other"}'] * 2


def test_what_is_kept_of_requests_is_bounded(server):
    endpoint = service_endpoint("dynamodb", "us-east-1", f"http://127.0.0.1:{server.port}")
    keys = Credentials("AKIA", "secret")
    service = JsonService(
        "dynamodb", endpoint, credentials=lambda **_: keys, tls=ssl.create_default_context, patience=PATIENT
    )
    server.answers = [answer({"Items": []})] * 110
    for number in range(110):
        service.run([once(Ask("Query", {"TableName": str(number)}, is_kept=True))])
    service.close()
    assert len(service._wires) <= 100
    assert [json.loads(request.body)["TableName"] for request in server.requests] == [str(n) for n in range(110)]


def test_a_certificate_that_is_not_trusted_is_not_tried_again(aws_keys):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    server = ScriptedServer(context)
    service = make_service(
        "dynamodb", region="us-east-1", endpoint_url=f"https://localhost:{server.port}", patience=PATIENT
    )
    with pytest.raises(AwsError, match="certificate verify failed"):
        service.run([once(Ask("Query", {"TableName": "table"}))])
    assert server.connections == 1
    server.close()


def test_where_a_proxy_is_in_force_the_registry_and_the_secret_go_through_it(server, monkeypatch, aws_keys):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://services.example.com")
    registry = DynamoDBRegistry("connections", region="us-east-1", patience=PATIENT)
    server.answers = [answer({"UnprocessedItems": {}}), answer({"SecretString": "first"})]
    registry.add("L0SM9cOFvHcCIhw=")
    registry.close()
    assert SubscriptionSecret(ARN).read() == "first"
    assert {request.path for request in server.requests} == {"http://services.example.com/"}
