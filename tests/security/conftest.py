"""The deployment in which the gateway registers connections, in real processes: gateway, Lambdas, DynamoDB, secrets."""

import contextlib
import json
from types import SimpleNamespace

import boto3
import pytest
from websockets.sync.client import connect

from tests.servers import started

ORIGIN = "https://app.example.com"
KEYS = {
    "AWS_ACCESS_KEY_ID": "LOCALEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="session")
def assembly(synthesized):
    return synthesized(registry="dynamodb", public_channels="news,public-*", allowed_origins=ORIGIN)


@pytest.fixture(scope="session")
def stand_in(assembly):
    """DynamoDB and Secrets Manager with the table and the secret of the stack, and what they printed."""
    with started(["examples.stand_in", "--assembly", assembly], 7, KEYS) as lines:
        variables = dict(line.split("=", 1) for line in lines)
        url = variables["AWS_ENDPOINT_URL_DYNAMODB"]
        session = boto3.Session("local", "local", region_name="us-east-1")
        dynamodb, manager = (session.client(name, endpoint_url=url) for name in ("dynamodb", "secretsmanager"))

        def rows():
            items = dynamodb.scan(TableName=variables["REGISTRY_TABLE"], ConsistentRead=True)["Items"]
            return {(item["pk"]["S"], item["sk"]["S"]) for item in items}

        yield SimpleNamespace(lines=lines, variables=variables, rows=rows, dynamodb=dynamodb, manager=manager)
        dynamodb.close()
        manager.close()


@pytest.fixture(scope="session")
def gateway_with(assembly, stand_in):
    """Starts a gateway whose Lambdas have the stand-in's variables, and others on top of them."""

    @contextlib.contextmanager
    def start(**variables):
        arguments = ["local_gateway", "--assembly", assembly, "--port", "0", "--quiet"]
        for line in [*stand_in.lines, *(f"{name}={value}" for name, value in variables.items())]:
            arguments += ["--env", line]
        with started(arguments, 2, KEYS) as lines:
            yield SimpleNamespace(**dict(line.split() for line in lines))

    return start


@pytest.fixture(scope="session")
def gateway(gateway_with):
    with gateway_with() as urls:
        yield urls


@pytest.fixture
def backend_environment(gateway, stand_in, monkeypatch):
    """What a backend needs: keys, where the services are, and the variables that the stand-in printed for it."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        **KEYS,
        **stand_in.variables,
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": gateway.connections,
    }.items():
        monkeypatch.setenv(name, value)


class Client:
    """A browser, as far as the gateway can tell."""

    def __init__(self, socket):
        self.socket = socket
        self.id = self.ask({"action": "connection_id"})["connection_id"]

    def ask(self, frame):
        self.socket.send(json.dumps(frame))
        return self.hear()

    def hear(self):
        return json.loads(self.socket.recv(timeout=30))

    def subscribe(self, channel, auth=None, **more):
        frame = {"action": "subscribe", "channel": channel, **more}
        return self.ask(frame if auth is None else {**frame, "auth": auth})


@pytest.fixture
def browser(gateway):
    """Connects clients from the page that is allowed to; closes them after the test."""
    with contextlib.ExitStack() as open_clients:

        def open_client(url=None, origin=ORIGIN):
            return Client(open_clients.enter_context(connect(url or gateway.websocket, origin=origin)))

        yield open_client
