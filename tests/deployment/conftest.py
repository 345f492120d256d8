"""AWS as far as a deployment needs it: ministack, an emulator, on loopback, and an account in it.

It asks IAM about every request and checks every signature. So what a deployer, the backend and the Lambda may do is
tried too.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import boto3
import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
ACCOUNT, REGION = "000000000000", "us-east-1"


def pytest_collection_modifyitems(items):
    # Every command of the CDK starts Node and synthesizes: seconds each, more on a busy machine.
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def emulator_python():
    """The Python of the emulator's environment, which is made once and kept; other test processes wait for it."""
    folder = ROOT / ".dev" / "emulator"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    mark = folder / ".made-from"
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not mark.is_file() or mark.read_text() != digest:
            uv = [sys.executable, "-m", "uv"]
            subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
            install = [*uv, "pip", "install", "--quiet", "--python", python, "-r", REQUIREMENTS]
            subprocess.run(install, check=True)
            mark.write_text(digest)
    return python


class Account:
    """The emulated account: its root, its users, and the CDK's command line in it."""

    def __init__(self, origin, folder):
        self.origin, self.folder = origin, folder
        self.root = self.environment("test", "test")  # the emulator's root
        self.bootstrapped = False

    def environment(self, key, secret):
        """Variables for a process that is to see this account and no other, with these credentials."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
        return kept | {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.origin,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        }

    def client(self, service):
        return boto3.client(
            service, REGION, endpoint_url=self.origin, aws_access_key_id="test", aws_secret_access_key="test"
        )

    def user(self, name, statements=()):
        """Make a user with these statements and say what its environment is."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return self.environment(key["AccessKeyId"], key["SecretAccessKey"])

    def cdk(self, command, *arguments, environment=None, fails=False):
        """Run the pinned CLI as in a checkout where nothing is activated; its output, both streams in one."""
        out = self.folder / "cdk.out"
        cli = ["node", ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"]
        done = subprocess.run(
            [*cli, command, "--no-notices", "--output", out, *arguments],
            cwd=ROOT,
            env=environment or self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def bootstrap(self):
        if not self.bootstrapped:
            self.cdk("bootstrap")
            self.bootstrapped = True

    def inventory(self):
        """Everything that a stack could have left behind, beside what `cdk bootstrap` made."""
        iam, alarms = self.client("iam"), self.client("cloudwatch")
        stacks = self.client("cloudformation").list_stacks()["StackSummaries"]
        secrets = self.client("secretsmanager").list_secrets(IncludePlannedDeletion=True)["SecretList"]
        return {
            "stacks": [each["StackName"] for each in stacks if each["StackStatus"] != "DELETE_COMPLETE"],
            "apis": [each["Name"] for each in self.client("apigatewayv2").get_apis()["Items"]],
            "domains": [each["DomainName"] for each in self.client("apigatewayv2").get_domain_names()["Items"]],
            "functions": [each["FunctionName"] for each in self.client("lambda").list_functions()["Functions"]],
            "logs": [each["logGroupName"] for each in self.client("logs").describe_log_groups()["logGroups"]],
            "roles": [each["RoleName"] for each in iam.list_roles()["Roles"]],
            "policies": [each["PolicyName"] for each in iam.list_policies(Scope="Local")["Policies"]],
            "tables": self.client("dynamodb").list_tables()["TableNames"],
            "secrets": [each["Name"] for each in secrets],
            "alarms": [each["AlarmName"] for each in alarms.describe_alarms()["MetricAlarms"]],
            "dashboards": [each["DashboardName"] for each in alarms.list_dashboards()["DashboardEntries"]],
            "topics": [each["TopicArn"] for each in self.client("sns").list_topics()["Topics"]],
        }


@pytest.fixture(scope="session")
def account(emulator_python, tmp_path_factory):
    """A fresh account."""
    folder = tmp_path_factory.mktemp("emulator")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "TMPDIR": str(folder),
        # Lambdas inherit these: AWS's own variables, by which the function finds its table and its secret here.
        "AWS_ENDPOINT_URL_DYNAMODB": origin,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": origin,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [emulator_python, Path(__file__).with_name("emulator.py")],
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(f"{origin}/_ministack/health", process, folder / "log")
        yield Account(origin, folder)
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url, process, log):
    for _ in range(600):
        assert process.poll() is None, log.read_text(errors="replace")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError(log.read_text(errors="replace"))


@pytest.fixture(scope="session")
def operating():
    """docs/operating.md, for this account and region."""
    return (ROOT / "docs" / "operating.md").read_text("utf-8").replace("123456789012", ACCOUNT)


@pytest.fixture(scope="session")
def deployer(account, operating):
    """Somebody with the rights that the document gives to a pipeline, and no others."""
    account.bootstrap()
    [rights] = [block for block in re.findall(r"```json\n(.*?)```", operating, re.DOTALL) if "cdk-hnb659fds" in block]
    return account.user("deployer", json.loads(rights)["Statement"])


@pytest.fixture
def command_of(account, operating):
    """Runs a command of the document that begins so, as it stands but for what is in angle brackets."""

    def run(beginning, **values):
        [line] = [line.strip() for line in operating.splitlines() if line.startswith(f"    {beginning}")]
        for name, value in values.items():
            line = line.replace(f"<{name}>", value)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(line, shell=True, env={**account.root, "PATH": path}, capture_output=True, text=True)  # noqa: S602
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
