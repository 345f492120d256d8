"""The stand-in for DynamoDB and Secrets Manager holds the signing secret: AWS clients get it, web pages do not."""

import http.client
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from examples.stand_in import one_at_a_time

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow  # moto takes seconds to start

TEMPLATE = {
    "Resources": {
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
                "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
            },
        },
        "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {}},
    }
}
UNSIGNED = {
    "X_Amz_Target": "secretsmanager.GetSecretValue",
    "Content_Type": "application/x-amz-json-1.1",
    # No signature is checked, but this says which service is meant; any page can write it.
    "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/secretsmanager/aws4_request",
}


class StandIn(NamedTuple):
    variables: dict[str, str]

    @property
    def host(self):
        return urlsplit(self.variables["AWS_ENDPOINT_URL_SECRETS_MANAGER"]).netloc

    @property
    def arn(self):
        return self.variables["SUBSCRIPTION_SECRET"]

    def ask(self, method="POST", path="/", **headers):
        """Send a request for the secret; return status, headers and text."""
        connection = http.client.HTTPConnection(self.host, timeout=20)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, json.dumps({"SecretId": self.arn}), names)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    assembly = tmp_path_factory.mktemp("assembly")
    (assembly / "example.template.json").write_text(json.dumps(TEMPLATE))
    command = [sys.executable, "-m", "examples.stand_in", "--assembly", assembly]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline().strip() for _ in range(6)]
        yield StandIn(dict(line.split("=", 1) for line in lines))
        process.terminate()


@pytest.fixture
def secret(stand_in):
    """The secret, as the backend reads it."""
    url = stand_in.variables["AWS_ENDPOINT_URL_SECRETS_MANAGER"]
    client = boto3.Session("local", "local", region_name="us-east-1").client("secretsmanager", endpoint_url=url)
    yield client.get_secret_value(SecretId=stand_in.arn)["SecretString"]
    client.close()


def test_a_client_reads_the_secret_and_the_table(stand_in, secret):
    assert len(secret) == 64
    url = stand_in.variables["AWS_ENDPOINT_URL_DYNAMODB"]
    client = boto3.Session("local", "local", region_name="us-east-1").client("dynamodb", endpoint_url=url)
    table = stand_in.variables["REGISTRY_TABLE"]
    assert client.scan(TableName=table)["Items"] == []
    told = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert told == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    client.close()


def test_a_write_with_a_condition_is_one_step():
    met = threading.Barrier(2)
    alone = []

    def application(environ, start_response):
        try:
            met.wait(0.5)
        except threading.BrokenBarrierError:
            alone.append(environ)
        yield b""

    answer = one_at_a_time(application)
    threads = [threading.Thread(target=answer, args=(number, None)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(alone) == 2


def test_another_client_on_this_machine_is_allowed_no_origin(stand_in, secret):
    status, headers, text = stand_in.ask(**UNSIGNED)
    assert (status, secret in text) == (200, True)
    assert [name for name in headers if name.lower().startswith("access-control")] == []


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "https://evil.example"}, id="a page of another site"),
        pytest.param({"Origin": "null"}, id="a sandboxed frame or a file"),
        pytest.param({"Origin": "http://127.0.0.1:8000"}, id="a page of another port"),
        pytest.param({"Origin": "http://{host}"}, id="a page that claims to be ours"),
        pytest.param({"Host": "evil.example:{port}"}, id="a name that was pointed here later"),
        pytest.param({"Host": "127.0.0.1.evil.example:{port}"}, id="a name that begins with our address"),
        pytest.param({"Host": "127.0.0.1"}, id="another port"),
        pytest.param({"Host": ""}, id="no host"),
        pytest.param({"Sec_Fetch_Site": "same-origin"}, id="a script that was given no Origin"),
    ],
)
def test_a_web_page_gets_nothing(stand_in, secret, headers):
    host = stand_in.host
    headers = {name: value.format(host=host, port=host.split(":")[1]) for name, value in headers.items()}
    status, answered, text = stand_in.ask(**{**UNSIGNED, **headers})
    assert status == 403
    assert secret not in text
    assert [name for name in answered if name.lower().startswith("access-control")] == []


def test_a_page_that_asks_first_is_allowed_nothing(stand_in):
    status, headers, _ = stand_in.ask(
        "OPTIONS",
        Origin="https://evil.example",
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="x-amz-target",
    )
    assert status == 403
    assert [name for name in headers if name.lower().startswith("access-control")] == []


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/moto-api/reset"), ("GET", "/moto-api/data.json"), ("GET", "/?Action=ListUsers")]
)
def test_what_is_no_call_of_the_two_services_is_refused(stand_in, method, path):
    """A form or an image of a foreign page could send these without an Origin, e.g. to empty the table."""
    assert stand_in.ask(method, path)[0] == 403


def test_the_refusal_tells_a_client_what_would_be_right(stand_in):
    client = boto3.Session("local", "local", region_name="us-east-1").client(
        "s3", endpoint_url=f"http://{stand_in.host}"
    )
    with pytest.raises(ClientError, match="403"):
        client.list_buckets()
    client.close()
    assert "POST / with X-Amz-Target" in stand_in.ask("GET")[2]


@pytest.mark.parametrize(("content", "said"), [(None, "no stack with a table"), ("{", "is not JSON")])
def test_a_wrong_assembly_is_one_sentence(tmp_path, content, said):
    if content is not None:
        (tmp_path / "x.template.json").write_text(content)
    command = [sys.executable, "-m", "examples.stand_in", "--assembly", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
