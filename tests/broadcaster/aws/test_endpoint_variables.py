"""AWS's variables for addresses mean the same to every client of this project, and the same as to boto3."""

import json

import boto3
import pytest

import admission
import connection_push
import registry
from broadcaster import Broadcaster
from broadcaster.aws.environment import ENDPOINT_VARIABLES, service_endpoint, stage_endpoint
from broadcaster.endpoint import resolve_endpoint
from broadcaster.registries.dynamodb import DynamoDBRegistry
from broadcaster.subscription_secret import SubscriptionSecret
from invocation import Invocation
from signing_secret import SigningSecret
from tests.scripted_server import ScriptedServer

ID = "L0SM9cOFvHcCIhw="
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:clearstar-a1b2c3"
BOTO3_NAMES = {"execute-api": "apigatewaymanagementapi", "dynamodb": "dynamodb", "secretsmanager": "secretsmanager"}
EVENT = {"requestContext": {"connectionId": ID, "apiId": "abc123xyz", "stage": "production"}}


def broadcast(sender):
    with Broadcaster("abc123xyz", region="us-east-1", sender=sender) as caster:
        caster.send_to_connection(ID, "admin", "event", {})


def registry_of_the_library():
    made = DynamoDBRegistry("connections", region="us-east-1")
    made.add(ID)
    made.close()


def secret_of_the_lambda():
    made = SigningSecret(ARN)
    made.accepted(deadline=float("inf"))
    made.close()


CLIENTS = {
    "the engine's posts": ("execute-api", lambda: broadcast("engine")),
    "boto3's posts": ("execute-api", lambda: broadcast("boto3")),
    "the Lambda's push": ("execute-api", lambda: connection_push.send(Invocation(EVENT), "{}")),
    "the registry": ("dynamodb", registry_of_the_library),
    "the Lambda's registry": ("dynamodb", lambda: registry.add(Invocation(EVENT), "admin", deadline=float("inf"))),
    "the secret": ("secretsmanager", lambda: SubscriptionSecret(ARN).read()),
    "the Lambda's secret": ("secretsmanager", secret_of_the_lambda),
}


@pytest.fixture
def variables(monkeypatch, aws_keys):
    for variable in ("AWS_ENDPOINT_URL", *ENDPOINT_VARIABLES.values(), "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("REGISTRY_TABLE", "connections")
    yield monkeypatch
    for module in (connection_push, registry, admission):
        module.close()


@pytest.fixture
def servers():
    made = ScriptedServer(), ScriptedServer()
    for server in made:
        body = json.dumps({"Items": [], "UnprocessedItems": {}, "SecretString": "first", "CreatedDate": 0}).encode()
        server.answers = [(200, {}, body)] * 5
    yield made
    for server in made:
        server.close()


@pytest.mark.parametrize("has_own", [True, False], ids=["its own variable", "the one for all services"])
@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_asks_where_the_variables_say(client, has_own, variables, servers):
    own, general = servers
    service, ask = CLIENTS[client]
    variables.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{general.port}")
    if has_own:
        variables.setenv(ENDPOINT_VARIABLES[service], f"http://127.0.0.1:{own.port}")
    ask()
    assert (bool(own.requests), bool(general.requests)) == (has_own, not has_own)


@pytest.mark.slow
@pytest.mark.parametrize("ignored", ["true", "True", "false", "1", ""])
@pytest.mark.parametrize("general", ["http://general.example.com", "", None])
@pytest.mark.parametrize("own", ["http://own.example.com/x", "", None])
def test_they_mean_what_they_mean_to_boto3(variables, own, general, ignored):
    variables.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", ignored)
    for variable, value in [("AWS_ENDPOINT_URL", general), *((name, own) for name in ENDPOINT_VARIABLES.values())]:
        if value is not None:
            variables.setenv(variable, value)
    session = boto3.Session()
    for service, name in BOTO3_NAMES.items():
        client = session.client(name, region_name="us-east-1")
        theirs = client.meta.endpoint_url
        client.close()
        if service != "execute-api":
            assert service_endpoint(service, "us-east-1").url == theirs
            continue
        # Where no variable is in force, boto3 has to be told the API.
        ours = "https://abc123xyz.execute-api.us-east-1.amazonaws.com/production"
        expected = ours if theirs == "https://execute-api.us-east-1.amazonaws.com" else theirs
        assert resolve_endpoint("abc123xyz", region="us-east-1").url == expected
        assert stage_endpoint("abc123xyz", "production", "us-east-1").url == expected
