"""SDKs and the AWS CLI post, ask and close through the management API, and raise the errors that they know."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

NEVER = "AAAAAAAAAAAAAAA="  # an id that no connection has
TOO_LARGE = "x" * 131_073


@pytest.fixture(autouse=True)
def environment(gateway, monkeypatch):
    gateway.set_environment(monkeypatch)


@pytest.fixture
def boto3_client():
    # In a session of its own: boto3's default one keeps the keys of whoever used it first in this process.
    session = boto3.session.Session()
    client = session.client("apigatewaymanagementapi", config=Config(retries={"total_max_attempts": 1}))
    yield client
    client.close()


def test_boto3(boto3_client, connected):
    client, connection_id = connected
    boto3_client.post_to_connection(ConnectionId=connection_id, Data=b"from boto3")
    assert client.receive() == "from boto3"
    assert boto3_client.get_connection(ConnectionId=connection_id)["Identity"]["SourceIp"] == "127.0.0.1"
    boto3_client.delete_connection(ConnectionId=connection_id)
    assert client.wait_closed() == (1000, "Connection Closed Normally")
    with pytest.raises(boto3_client.exceptions.GoneException):
        boto3_client.post_to_connection(ConnectionId=connection_id, Data=b"")


def test_boto3_raises_the_exceptions_of_its_model(boto3_client, connected, gateway):
    _, connection_id = connected
    with pytest.raises(boto3_client.exceptions.PayloadTooLargeException):
        boto3_client.post_to_connection(ConnectionId=connection_id, Data=TOO_LARGE)
    gateway.faults.throttle_account(0, 0)
    try:
        with pytest.raises(boto3_client.exceptions.LimitExceededException):
            boto3_client.post_to_connection(ConnectionId=connection_id, Data=b"")
    finally:
        gateway.faults.account = None
    wrong = boto3.session.Session().client(
        "apigatewaymanagementapi", aws_secret_access_key="another", aws_access_key_id="LOCAL"
    )
    with pytest.raises(ClientError) as refused:
        wrong.post_to_connection(ConnectionId=connection_id, Data=b"")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    wrong.close()


def aws(*arguments):
    command = shutil.which("aws", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if command is None:
        pytest.skip("the AWS CLI is not installed; it is in requirements.txt")
    arguments = [command, "apigatewaymanagementapi", *arguments]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60)


def test_the_aws_cli(connected, tmp_path):
    client, connection_id = connected
    (tmp_path / "data").write_text("from the command line")
    data = f"fileb://{tmp_path / 'data'}"  # the one form that versions 1 and 2 take alike
    done = aws("post-to-connection", f"--connection-id={connection_id}", "--data", data)
    assert done.returncode == 0, done.stderr
    assert client.receive() == "from the command line"
    done = aws("delete-connection", f"--connection-id={connection_id}")  # which may begin with a -
    assert done.returncode == 0, done.stderr
    assert client.wait_closed().code == 1000
    assert "GoneException" in aws("get-connection", f"--connection-id={connection_id}").stderr


def test_the_sdk_of_javascript(connected, gateway, node_modules):
    client, connection_id = connected
    calls = [
        ["post", connection_id, "from JavaScript"],
        ["get", connection_id],
        ["post", NEVER, ""],
        ["delete", connection_id],
    ]
    post, get, gone, delete = run_javascript(calls)
    assert post == {"status": 200}
    assert client.receive() == "from JavaScript"
    assert get["status"] == 200
    assert get["Identity"]["SourceIp"] == "127.0.0.1"
    assert gone == {"status": 410, "error": "GoneException"}
    assert delete == {"status": 204}
    assert client.wait_closed().code == 1000


def test_the_sdk_of_javascript_raises_the_exceptions_of_its_model(connected, gateway, node_modules, monkeypatch):
    _, connection_id = connected
    too_large = [["post", connection_id, len(TOO_LARGE)]]
    assert run_javascript(too_large) == [{"status": 413, "error": "PayloadTooLargeException"}]
    gateway.faults.throttle_account(0, 0)
    try:
        assert run_javascript([["post", connection_id, ""]]) == [{"status": 429, "error": "LimitExceededException"}]
    finally:
        gateway.faults.account = None
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    assert run_javascript([["post", connection_id, ""]]) == [{"status": 403, "error": "InvalidSignatureException"}]


def run_javascript(calls):
    script = Path(__file__).with_name("management.mjs")
    done = subprocess.run(
        ["node", "--no-warnings", script, json.dumps(calls)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
