"""The template meets CloudFormation, and an event goes through what came of it, in both modes.

With the pinned CDK CLI, as a deployer and a backend who have the rights that the documents give them, against an
emulator. It tries the template and the commands, never the service's behaviour: that is what `local_gateway` is for.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from broadcaster import Broadcaster, RefusedError

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
# The emulator takes any; AWS wants one that exists, for the name of the domain.
CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/12345678-1234-1234-1234-123456789012"


class Deployment:
    """One stack in the account, and the backend that belongs to it."""

    def __init__(self, registry, account, deployer):
        self.account, self.deployer = account, deployer
        self.name = f"try-{registry}"
        # Made before the stack, as a backend's user or role usually is.
        self.backend = account.user(f"{self.name}-backend")
        self.settings = {"name": self.name, "registry": registry, "backend_user": f"{self.name}-backend"}

    def cdk(self, command, *arguments, environment=None):
        context = [part for name, value in self.settings.items() for part in ("--context", f"{name}={value}")]
        return self.account.cdk(command, *context, *arguments, environment=environment or self.deployer)

    def deploy(self, *arguments):
        file = self.account.folder / "outputs.json"
        text = self.cdk("deploy", "--require-approval", "never", "--outputs-file", str(file), *arguments)
        self.outputs = json.loads(file.read_text())[self.name]
        return text

    @property
    def place(self):
        # The emulator serves APIs below a path; AWS under a host name of their own, which the outputs have.
        host = self.account.origin.removeprefix("http://")
        return f"{host}/_aws/execute-api/{self.outputs['ApiId']}/{self.outputs['Stage']}"

    def broadcaster(self):
        return Broadcaster(
            endpoint_url=f"http://{self.place}",
            region=REGION,
            registry=self.outputs.get("RegistryUrl", "memory://"),
            secret=self.outputs.get("SubscriptionSecretArn"),
        )

    def subscribe(self, client, broadcaster):
        """Listen to the channel `admin`, as the mode asks for it; gives the connection's id."""
        is_signed = self.settings["registry"] == "dynamodb"
        subscription = {"action": "subscribe", "channel": "admin"}
        client.send(json.dumps({"action": "connection_id"} if is_signed else subscription))
        connection_id = heard(client)["connection_id"]
        if is_signed:
            signature = broadcaster.authorize_subscription(connection_id, "admin")
            client.send(json.dumps({**subscription, "auth": signature}))
        else:
            broadcaster.register_connection(connection_id)
        assert heard(client) == {"type": "subscription_succeeded", "channel": "admin"}
        return connection_id


def heard(client):
    return json.loads(client.recv(timeout=60))


@pytest.fixture(scope="module", params=["backend", "dynamodb"])
def deployment(request, account, deployer):
    deployment = Deployment(request.param, account, deployer)
    deployment.before = account.inventory()
    deployment.deploy()
    return deployment


@pytest.fixture
def as_backend(deployment, monkeypatch):
    """This process has the backend's credentials, and the policy of the stack is all that they are allowed."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, deployment.backend[name])


@pytest.mark.usefixtures("as_backend")
def test_an_event_goes_through_the_deployed_api_to_whoever_subscribed(deployment):
    with deployment.broadcaster() as broadcaster, connect(f"ws://{deployment.place}") as client:
        connection_id = deployment.subscribe(client, broadcaster)
        result = broadcaster.broadcast_admin_event({"type": "run_started"})
        assert (result.sent, result.failed, result.stale) == (1, 0, 0)
        event = heard(client)
        assert (event["channel"], event["event"], event["data"]) == ("admin", "admin_event", {"type": "run_started"})
        broadcaster.disconnect_connection(connection_id)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=60)


@pytest.mark.usefixtures("as_backend")
def test_whoever_does_not_have_the_policy_of_the_stack_is_refused(deployment, monkeypatch):
    with connect(f"ws://{deployment.place}") as client:
        with deployment.broadcaster() as broadcaster:
            connection_id = deployment.subscribe(client, broadcaster)
        stranger = deployment.account.user(f"{deployment.name}-stranger")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, stranger[name])
        with deployment.broadcaster() as broadcaster, pytest.raises(RefusedError, match="403"):
            broadcaster.send_to_connection(connection_id, "admin", "admin_event", {})


def test_the_lambda_answers_in_its_return_value_through_the_route_response(deployment):
    with connect(f"ws://{deployment.place}") as client:
        client.send('{"action":"ping"}')
        assert heard(client) == {"type": "pong"}


@pytest.mark.usefixtures("as_backend")
def test_the_documents_command_rotates_the_secret_and_nobody_notices(deployment, command_of):
    secret = deployment.outputs.get("SubscriptionSecretArn")
    if secret is None:
        return  # the backend registers, and nothing is signed
    time.sleep(6)  # each process of the Lambda reads again after five seconds at the earliest
    before = deployment.account.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    command_of("aws secretsmanager put-secret-value", SubscriptionSecretArn=secret)
    after = deployment.account.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    assert (len(before), len(after)) == (64, 64)
    assert before != after
    # The Lambda's process still has the secret before; the new one does not fit, so it reads again.
    with deployment.broadcaster() as broadcaster, connect(f"ws://{deployment.place}") as client:
        deployment.subscribe(client, broadcaster)


def test_the_documents_command_looks_into_the_log(deployment, command_of):
    # The emulator writes no lines for WebSocket routes; it does refuse a log group that is not there.
    found = json.loads(command_of("aws logs filter-log-events", LogGroupName=deployment.outputs["LogGroupName"]))
    assert found["events"] == []


def test_a_deployment_of_the_same_changes_nothing(deployment):
    # A deployer of the document may not look: that is one more role.
    found = deployment.cdk("diff", "--fail", environment=deployment.account.root)
    assert "Number of stacks with differences: 0" in found
    assert "(no changes)" in deployment.deploy()


@pytest.mark.usefixtures("as_backend")
def test_a_changed_deployment_serves_events_again_and_has_the_alarms_the_domain_and_the_tags(deployment):
    deployment.settings |= {
        "stage": "live",
        "memory": "512",
        "log_retention_days": "3",
        "allowed_origins": "https://*.preview.example.com",
        "concurrency": "5",
        "monitoring": "ops@example.com",
        "daily_budget": "5",
        "domain": f"{deployment.name}.example.com",
        "certificate": CERTIFICATE,
    }
    deployment.deploy("--tags", "team=web")
    assert deployment.outputs["WebSocketUrl"] == f"wss://{deployment.name}.example.com"
    with (
        deployment.broadcaster() as broadcaster,
        connect(f"ws://{deployment.place}", origin="https://pr-1.preview.example.com") as client,
    ):
        deployment.subscribe(client, broadcaster)
        assert broadcaster.broadcast_admin_event({"type": "ack"}).sent == 1
        assert heard(client)["data"] == {"type": "ack"}
    found = deployment.account.inventory()
    assert len(found["alarms"]) == (8 if deployment.settings["registry"] == "dynamodb" else 6)
    assert (len(found["dashboards"]), len(found["topics"]), found["domains"]) == (
        1,
        1,
        [f"{deployment.name}.example.com"],
    )
    [api] = deployment.account.client("apigatewayv2").get_apis()["Items"]
    assert api["Tags"]["team"] == "web"
    functions = deployment.account.client("lambda")
    [function] = functions.list_functions()["Functions"]
    assert (function["FunctionName"], function["MemorySize"]) == (f"{deployment.name}-handler", 512)


def test_a_removed_deployment_leaves_nothing_behind(deployment, command_of):
    # Somebody attached the policy by hand. On AWS that stops the removal; the emulator would remove it all the same.
    iam, policy = deployment.account.client("iam"), deployment.outputs["BackendPolicyArn"]
    iam.create_role(RoleName="by-hand", AssumeRolePolicyDocument='{"Version":"2012-10-17","Statement":[]}')
    iam.attach_role_policy(RoleName="by-hand", PolicyArn=policy)
    found = json.loads(command_of("aws iam list-entities-for-policy", BackendPolicyArn=policy))
    assert [role["RoleName"] for role in found["PolicyRoles"]] == ["by-hand"]
    assert [user["UserName"] for user in found["PolicyUsers"]] == [deployment.settings["backend_user"]]
    command_of("aws iam detach-role-policy", role="by-hand", BackendPolicyArn=policy)
    iam.delete_role(RoleName="by-hand")
    deployment.cdk("destroy", "--force")
    assert deployment.account.inventory() == deployment.before


@pytest.mark.usefixtures("checkout")
def test_dev_py_deploys_prints_the_lines_to_paste_and_says_what_stops_the_removal(account):
    account.bootstrap()
    before = account.inventory()
    settings = ["-c", "name=from-dev-py", "-c", "domain=ws.example.com", "-c", f"certificate={CERTIFICATE}"]
    done = dev_py(account, "deploy", "--require-approval", "never", *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    [api] = account.client("apigatewayv2").get_apis()["Items"]
    assert {
        "NEXT_PUBLIC_PUSHER_KEY=wss://ws.example.com",
        f"WEBSOCKET_API_ID={api['ApiId']}",
        "WEBSOCKET_STAGE=production",
        "AWS_REGION=us-east-1",
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI=https://ws.example.com",
    } <= set(done.stdout.splitlines())

    iam = account.client("iam")
    [policy] = iam.list_policies(Scope="Local")["Policies"]
    iam.create_user(UserName="by-hand")
    iam.attach_user_policy(UserName="by-hand", PolicyArn=policy["Arn"])
    refused = dev_py(account, "destroy", "--force", *settings)
    assert refused.returncode == 1
    assert f"aws iam detach-user-policy --user-name by-hand --policy-arn {policy['Arn']}" in refused.stderr
    assert account.client("apigatewayv2").get_apis()["Items"] == [api]

    iam.detach_user_policy(UserName="by-hand", PolicyArn=policy["Arn"])
    done = dev_py(account, "destroy", "--force", *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert account.inventory() == before


def dev_py(account, *arguments):
    command = [sys.executable, "dev.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=account.root, capture_output=True, text=True)


def test_a_deployer_without_rights_is_refused(account):
    account.bootstrap()
    nobody = account.user("nobody")
    text = account.cdk("deploy", "--require-approval", "never", environment=nobody, fails=True)
    assert "not authorized" in text or "AccessDenied" in text
