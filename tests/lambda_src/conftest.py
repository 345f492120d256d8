"""Events as API Gateway sends them, and an `@connections` API on loopback that answers as it is told."""

import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest

import admission
import connection_push
import registry
from tests.scripted_server import ScriptedServer

CONNECTION_ID = "L0SM9cOFvHcCIhw="


@pytest.fixture(scope="session")
def event_of() -> Callable[..., dict[str, Any]]:
    """Makes an event of a route; the members are those of captured ones."""

    def make(route: str, body: Any = None, **context: Any) -> dict[str, Any]:
        kind = {"$connect": "CONNECT", "$disconnect": "DISCONNECT"}.get(route, "MESSAGE")
        event: dict[str, Any] = {
            "requestContext": {
                "routeKey": route,
                "eventType": kind,
                "extendedRequestId": "BFaVtH2HoAMFZEQ=",
                "requestTime": "11/Nov/2024:13:45:46 +0000",
                "messageDirection": "IN",
                "stage": "production",
                "connectedAt": 1731332735513,
                "requestTimeEpoch": 1731332746514,
                "identity": {"sourceIp": "166.90.225.1"},
                "requestId": "BFaVtH2HoAMFZEQ=",
                "domainName": "abcdef123.execute-api.us-east-1.amazonaws.com",
                "connectionId": CONNECTION_ID,
                "apiId": "abcdef123",
                **context,
            },
            "isBase64Encoded": False,
        }
        if body is not None:
            event["body"] = body
        return event

    return make


@pytest.fixture(scope="module")
def management_api_of() -> Iterator[Callable[..., ScriptedServer]]:
    """Makes `@connections` APIs on loopback, over TLS if given a context."""
    made: list[ScriptedServer] = []

    def make(tls: ssl.SSLContext | None = None) -> ScriptedServer:
        made.append(ScriptedServer(tls))
        return made[-1]

    yield make
    for api in made:
        api.close()


@pytest.fixture
def management_api(
    management_api_of: Callable[..., ScriptedServer], lambda_environment: pytest.MonkeyPatch
) -> Iterator[ScriptedServer]:
    """An `@connections` API to which the environment points, as that of the local gateway does."""
    api = management_api_of()
    lambda_environment.setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", api.url)
    yield api
    connection_push.close()


@pytest.fixture
def lambda_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The variables that Lambda sets for every function."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example/secret+key")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "example//token==")
    for variable in ("", "_APIGATEWAYMANAGEMENTAPI", "_DYNAMODB", "_SECRETS_MANAGER"):
        monkeypatch.delenv(f"AWS_ENDPOINT_URL{variable}", raising=False)
    return monkeypatch


@pytest.fixture(scope="session")
def aws_url(slow: None) -> Iterator[str]:
    """A process that speaks the protocols of DynamoDB and Secrets Manager over HTTP."""
    code = (
        "import sys; from moto.server import ThreadedMotoServer\n"
        "server = ThreadedMotoServer('127.0.0.1', 0, verbose=False); server.start()\n"
        "print(server.get_host_and_port()[1], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


class StandIn:
    """A table and a secret, as the stack makes them; `table` and `arn` name them."""

    SECRET = "first-secret-of-the-backend"

    def __init__(self, dynamodb: Any, manager: Any) -> None:
        self.dynamodb = dynamodb
        self.manager = manager
        name = uuid4().hex
        self.table = f"connections-{name}"
        self.dynamodb.create_table(
            TableName=self.table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("pk", "sk")],
        )
        self.arn: str = self.manager.create_secret(Name=name, SecretString=self.SECRET)["ARN"]

    def rotate(self, secret: str) -> None:
        self.manager.put_secret_value(SecretId=self.arn, SecretString=secret)

    def rows(self) -> set[tuple[str, str]]:
        """The keys of all rows."""
        items = self.dynamodb.scan(TableName=self.table, ConsistentRead=True)["Items"]
        return {(item["pk"]["S"], item["sk"]["S"]) for item in items}


@pytest.fixture(scope="session")
def aws_clients(aws_url: str) -> Iterator[tuple[Any, Any]]:
    """Clients of boto3 for both services; making them takes longer than most tests."""
    session = boto3.Session("local", "local", region_name="eu-west-1")
    clients = tuple(session.client(name, endpoint_url=aws_url) for name in ("dynamodb", "secretsmanager"))
    yield clients[0], clients[1]
    for client in clients:
        client.close()


@pytest.fixture
def stand_in(aws_url: str, aws_clients: tuple[Any, Any], lambda_environment: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The environment of a function where the gateway registers connections, with a table and a secret of its own."""
    made = StandIn(*aws_clients)
    lambda_environment.setenv("REGISTRY_TABLE", made.table)
    lambda_environment.setenv("SUBSCRIPTION_SECRET", made.arn)
    for service in ("DYNAMODB", "SECRETS_MANAGER"):
        lambda_environment.setenv(f"AWS_ENDPOINT_URL_{service}", aws_url)
    yield made
    registry.close()
    admission.close()


@pytest.fixture
def service(
    management_api_of: Callable[..., ScriptedServer], lambda_environment: pytest.MonkeyPatch
) -> Iterator[ScriptedServer]:
    """A server that both services lead to, and that answers what it is told to; else with an empty 200."""
    api = management_api_of()
    for name in ("DYNAMODB", "SECRETS_MANAGER"):
        lambda_environment.setenv(f"AWS_ENDPOINT_URL_{name}", f"http://127.0.0.1:{api.port}")
    lambda_environment.setenv("REGISTRY_TABLE", "connections")
    lambda_environment.setenv("SUBSCRIPTION_SECRET", "arn:of-the-secret")
    yield api
    registry.close()
    admission.close()
