"""A stack in CloudFormation whose outputs lead to the local gateway, a real table and a secret."""

import json
from uuid import uuid4

import boto3
import pytest

from tests.registries.conftest import REGION, _aws_keys, dynamodb_client, dynamodb_url, table  # noqa: F401 - fixtures

pytestmark = pytest.mark.slow

SECRET = "0123456789abcdef" * 4


@pytest.fixture
def aws(environment, dynamodb_url, monkeypatch):  # noqa: F811 - fixtures
    """What a developer's environment has: credentials, a region, and where this AWS is; nothing of the backend's."""
    for name in ("BROADCASTER_REGISTRY", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"):
        monkeypatch.delenv(name)
    for service in ("CLOUDFORMATION", "DYNAMODB", "SECRETS_MANAGER"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", dynamodb_url)
    clients = {}

    def client(service):
        clients[service] = boto3.session.Session().client(service, region_name=REGION, endpoint_url=dynamodb_url)
        return clients[service]

    yield client
    for each in clients.values():
        each.close()


@pytest.fixture
def deploy(aws):
    """Makes a stack with these outputs; returns its name."""
    cloudformation = aws("cloudformation")

    def deploy(**outputs):
        name = f"stack-{uuid4().hex}"
        template = {
            "Resources": {"Group": {"Type": "AWS::Logs::LogGroup"}},
            "Outputs": {key: {"Value": value} for key, value in outputs.items()},
        }
        cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
        return name

    return deploy


@pytest.fixture
def stack(deploy, aws, gateway, table, dynamodb_client):  # noqa: F811 - fixtures
    dynamodb_client.update_time_to_live(
        TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    arn = aws("secretsmanager").create_secret(Name=f"secret-{uuid4().hex}", SecretString=SECRET)["ARN"]
    return deploy(
        ConnectionsUrl=gateway.connections_url,
        Region=REGION,
        RegistryUrl=f"dynamodb://{table}?region={REGION}&scope=abc123xyz/production",
        SubscriptionSecretArn=arn,
    )


def test_the_doctor_finds_everything_by_the_name_of_the_stack(run, stack):
    done = run("doctor", "--stack", stack)
    assert done.code == 0, done.out
    assert f"(the stack {stack})" in done.out
    assert "secret: given by its ARN in Secrets Manager, and readable (the stack)" in done.out


def test_a_secret_that_is_not_the_stacks_is_found_out(run, stack, monkeypatch):
    monkeypatch.setenv("BROADCASTER_SECRET", SECRET)
    assert run("doctor", "--stack", stack).code == 0
    monkeypatch.setenv("BROADCASTER_SECRET", SECRET[::-1])
    done = run("doctor", "--stack", stack)
    assert done.code == 1
    assert "✗ secret: BROADCASTER_SECRET is another secret than the stack's" in done.out
    assert SECRET[::-1] not in done.out


def test_the_other_commands_do_too_and_arguments_win(run, stack, registry_url):
    done = run("connections", "--stack", stack)
    assert (done.code, done.err) == (0, "nobody is registered\n")
    done = run("send", "admin", "admin_event", "--stack", stack)
    assert (done.code, done.out) == (1, '{"sent": 0, "failed": 0, "stale": 0}\n')
    done = run("disconnect", "AAAAAAAAAAAAAAA=", "--stack", stack)
    assert (done.code, done.out) == (1, "AAAAAAAAAAAAAAA= was not there\n")
    assert "(--registry)" in run("doctor", "--stack", stack, "--registry", registry_url).out


def test_a_stack_that_is_not_there_or_is_another(run, deploy, monkeypatch):
    done = run("doctor", "--stack", "nobody")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"broadcaster: there is no stack 'nobody' in {REGION} of this account; check the name")
    name = deploy(Bucket="files")
    assert "has no output ConnectionsUrl" in run("connections", "--stack", name).err
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", "http://127.0.0.1:9")
    done = run("connections", "--stack", name)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "cannot be looked for" in done.err
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "AWS_PROFILE names the profile 'nobody'" in run("connections", "--stack", name).err
