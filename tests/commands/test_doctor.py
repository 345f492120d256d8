"""A healthy system, and broken ones: what the doctor finds, what it says to do, and what it keeps to itself."""

import json
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

import boto3
import pytest

from tests.registries.conftest import REGION, _aws_keys, dynamodb_client, dynamodb_url, gate, table  # noqa: F401

DOCUMENT = (Path(__file__).parents[2] / "docs" / "operating.md").read_text("utf-8")
SECRET = "0123456789abcdef" * 4
DENIED = {
    "message": "User: arn:aws:sts::123456781111:assumed-role/backend/i-0a is not authorized to perform: "
    "execute-api:ManageConnections on resource: arn:aws:execute-api:us-east-1:********1111:abc123xyz/production/GET"
}


@pytest.fixture
def examine(run, environment, folder_of_no_server):
    """Runs the doctor; returns its exit code and its findings by name."""

    def call(*arguments):
        done = run("doctor", "--json", *arguments)
        assert done.err == ""
        return done.code, {finding["check"]: finding for finding in done.json()}

    return call


def only_failure(code, findings):
    failed = [finding for finding in findings.values() if not finding["ok"]]
    assert code == 1
    assert len(failed) == 1, failed
    return failed[0]


def test_a_healthy_system(examine, listen, registry):
    _, connection_id = listen("admin")
    gone, _ = listen("admin")
    gone.close()
    code, findings = examine()
    assert code == 0
    assert all(finding["ok"] and "advice" not in finding for finding in findings.values())
    assert list(findings) == [
        *("settings", "name", "clock", "credentials", "access"),
        *("registry", "Redis", "eviction", "persistence", "secret", "connections"),
    ]
    assert findings["connections"]["text"] == "2 registered; of a sample of 2 still there: 1"
    assert registry.count() == 2  # it changes nothing
    assert connection_id not in json.dumps(findings)


def test_the_settings_are_shown_with_where_they_were_found(examine, monkeypatch, gateway):
    variable = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"
    assert f"{gateway.connections_url} ({variable}), region us-east-1 (AWS_REGION)" in examine()[1]["settings"]["text"]
    finding = examine("--endpoint-url", gateway.connections_url, "--region", "eu-west-3")[1]["settings"]
    assert finding["text"].endswith("(--endpoint-url), region eu-west-3 (--region)")
    monkeypatch.delenv(variable)
    finding = examine()[1]["settings"]
    assert not finding["ok"]
    assert "WEBSOCKET_API_ID" in finding["advice"]


def test_a_wrong_stage(examine, gateway):
    url = gateway.connections_url.replace("/production", "/staging")
    finding = only_failure(*examine("--endpoint-url", url))
    assert finding["check"] == "access"
    assert finding["text"] == "HTTP 403 (ForbiddenException: Forbidden): there is no such stage here, staging"
    assert f"✗ access: {finding['text']}\n        {finding['advice']}\n" in DOCUMENT


def deny(server, content):
    server.script = lambda connection_id, attempt: "403"
    server.headers = b"x-amzn-ErrorType: AccessDeniedException\r\n"
    server.body = json.dumps(content).encode()


def test_a_missing_policy(examine, server):
    deny(server, DENIED)
    finding = only_failure(*examine("--endpoint-url", server.endpoint.url))
    assert finding["check"] == "access"
    assert "execute-api:ManageConnections" in finding["text"]
    assert "BackendPolicyArn" in finding["advice"]
    for hidden in ("123456781111", "abc123xyz", "i-0a"):
        assert hidden not in finding["text"]
    assert {method for method, *_ in server.requests} == {"GET"}


def test_credentials_of_another_account(examine, server):
    deny(server, {"message": DENIED["message"].replace("********1111", "********2222")})
    finding = only_failure(*examine("--endpoint-url", server.endpoint.url))
    assert finding["text"].endswith("the credentials are of account …1111, the API of account …2222")


@pytest.mark.parametrize(("hours", "words"), [(1, "1 h 0 min behind"), (-1, "1 h 0 min ahead of")])
def test_a_clock_that_is_off_by_an_hour(examine, server, hours, words):
    server.script = lambda connection_id, attempt: "410"
    server.headers = f"Date: {formatdate(time.time() + hours * 3600, usegmt=True)}\r\n".encode()
    finding = only_failure(*examine("--endpoint-url", server.endpoint.url))
    assert finding["check"] == "clock"
    assert words in finding["text"]
    assert "NTP" in finding["advice"]


def test_access_is_judged_with_the_right_time(examine, server):
    server.script = lambda connection_id, attempt: "410"
    server.headers = f"Date: {formatdate(time.time() + 86_400, usegmt=True)}\r\n".encode()
    assert examine("--endpoint-url", server.endpoint.url)[1]["access"]["ok"]
    signed = server.requests[-1][2]["X-Amz-Date"]
    assert signed[:8] == time.strftime("%Y%m%d", time.gmtime(time.time() + 86_400))


def test_redis_with_eviction(examine, make_redis):
    redis = make_redis("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    finding = only_failure(*examine("--registry", redis.url))
    assert finding["check"] == "eviction"
    assert finding["text"].startswith("allkeys-lru at 104,857,600 bytes")
    assert "noeviction" in finding["advice"]


def test_a_redis_that_is_a_replica_or_down(examine, make_redis, redis_server):
    redis = make_redis("--replicaof", "127.0.0.1", str(redis_server.port))
    finding = only_failure(*examine("--registry", redis.url))
    assert (finding["check"], finding["text"]) == ("Redis", "is a replica, which takes no registrations")
    redis.kill()
    finding = only_failure(*examine("--registry", redis.url.replace("redis://", "redis://:PASSWORD-of-it@")))
    assert finding["check"] == "registry"
    assert "PASSWORD" not in json.dumps(finding)


def test_memory_with_four_workers(examine, monkeypatch):
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    monkeypatch.delenv("BROADCASTER_REGISTRY")
    finding = only_failure(*examine())
    assert finding["check"] == "registry"
    assert finding["text"].startswith("memory, and WEB_CONCURRENCY is 4")
    assert "BROADCASTER_REGISTRY=redis://" in finding["advice"]


@pytest.fixture
def gunicorn(tmp_path):
    """Starts a server whose number of workers stands in its configuration alone."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells of other processes")
    (tmp_path / "gunicorn.conf.py").write_text("workers = 3\nbind = '127.0.0.1:0'\n")
    # In one write: the workers share the pipe, and `print` may let another one's line in before its line break.
    (tmp_path / "app.py").write_text("import os\nos.write(1, b'started\\n')\ndef app(environ, start): ...\n")
    command = [sys.executable, "-m", "gunicorn", "app:app"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        for _ in range(3):
            assert process.stdout.readline() == b"started\n"
        yield process
        process.terminate()


def test_memory_beside_a_server_of_several_workers(examine, monkeypatch, gunicorn, tmp_path):
    assert examine("--registry", "memory://")[1]["registry"]["ok"]  # its folder is another
    monkeypatch.chdir(tmp_path)
    finding = only_failure(*examine("--registry", "memory://"))
    assert f"gunicorn (process {gunicorn.pid}) runs 3 workers" in finding["text"]


def test_memory_beside_a_server_that_was_started_with_several_workers(examine, monkeypatch, tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells of other processes")
    (tmp_path / "uvicorn").write_text("print('started', flush=True); input()")
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "uvicorn", "app:app", "--workers", "4"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        finding = only_failure(*examine("--registry", "memory://"))
        process.communicate(b"\n")
    assert "uvicorn was started with 4 workers" in finding["text"]


@pytest.mark.parametrize("secret", ["hunter2-is-too-short", "clearstar-websocket-secret", "arn:aws:s3:::bucket"])
def test_a_wrong_secret(examine, monkeypatch, secret):
    monkeypatch.setenv("BROADCASTER_SECRET", secret)
    finding = only_failure(*examine())
    assert finding["check"] == "secret"
    assert finding["advice"]
    assert "hunter2" not in json.dumps(finding)


@pytest.fixture
def secrets_manager(monkeypatch, dynamodb_url, examine):  # noqa: F811 - one process speaks both protocols
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", dynamodb_url)
    client = boto3.session.Session().client("secretsmanager", region_name=REGION, endpoint_url=dynamodb_url)
    yield client
    client.close()


@pytest.mark.slow
def test_a_secret_that_is_not_there(examine, monkeypatch, secrets_manager):
    arn = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:none-a1b2c3"
    monkeypatch.setenv("BROADCASTER_SECRET", arn)
    finding = only_failure(*examine())
    assert finding["check"] == "secret"
    assert "ResourceNotFoundException" in finding["text"]
    assert "123456789012" not in json.dumps(finding)
    arn = secrets_manager.create_secret(Name="signing", SecretString=SECRET)["ARN"]
    monkeypatch.setenv("BROADCASTER_SECRET", arn)
    code, findings = examine()
    assert (code, findings["secret"]["ok"]) == (0, True)
    assert SECRET not in json.dumps(findings)


@pytest.mark.slow
def test_a_table(examine, table, dynamodb_url, dynamodb_client, monkeypatch):  # noqa: F811 - fixtures
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_url)
    url = f"dynamodb://{table}?region={REGION}"
    code, findings = examine("--registry", url)
    assert code == 1
    assert [name for name, finding in findings.items() if not finding["ok"]] == ["time to live", "secret"]
    assert "update-time-to-live" in findings["time to live"]["advice"]
    dynamodb_client.update_time_to_live(
        TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    monkeypatch.setenv("BROADCASTER_SECRET", SECRET)
    code, findings = examine("--registry", url)
    assert code == 0
    finding = only_failure(*examine("--registry", "dynamodb://another-table?region=us-east-1"))
    assert "Is the table's name right" in finding["advice"]


@pytest.mark.slow
def test_a_table_that_may_be_used_and_not_be_described(examine, table, gate, monkeypatch):  # noqa: F811 - fixtures
    def answer(operation, request):
        return (400, {"__type": "x#AccessDeniedException"}) if operation.startswith("Describe") else None

    gate.answer = answer
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", gate.url)
    monkeypatch.setenv("BROADCASTER_SECRET", SECRET)
    code, findings = examine("--registry", f"dynamodb://{table}?region={REGION}")
    assert code == 0
    assert findings["table"]["text"].startswith("not looked at: that takes dynamodb:DescribeTable")


def test_no_credentials_and_keys_that_are_half_there(examine, monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    finding = only_failure(*examine())
    assert finding["check"] == "credentials"
    assert finding["advice"] == "set both or neither"


def test_a_gateway_that_is_down(examine, server):
    url = server.endpoint.url
    server.greet = lambda number: "reset"
    finding = only_failure(*examine("--endpoint-url", url))
    assert finding["check"] == "connection"
    assert finding["text"].startswith(f"{url} cannot be reached")
    assert "local gateway" in finding["advice"]


def test_tls_is_looked_at(examine, tls_server, authority, monkeypatch):
    tls_server.script = lambda connection_id, attempt: "410"
    finding = only_failure(*examine("--endpoint-url", tls_server.endpoint.url))
    assert finding["check"] == "TLS"
    assert "AWS_CA_BUNDLE" in finding["advice"]
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.path)
    code, findings = examine("--endpoint-url", tls_server.endpoint.url)
    assert code == 0
    assert findings["TLS"]["text"].startswith("TLSv1.")


@pytest.mark.parametrize("host", ["ws.example.invalid", "ws..example.com", f"{'a' * 64}.example.com"])
def test_a_host_that_is_not_known(examine, host):
    finding = only_failure(*examine("--endpoint-url", f"https://{host}"))
    assert finding["check"] == "name"


def test_nothing_of_what_is_secret_is_printed(run, environment, monkeypatch, server):
    key, token, api_id = "AKIAIOSFODNN7EXAMPLE", "a-session-token-of-temporary-keys", "abc123wxyz"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    monkeypatch.setenv("BROADCASTER_SECRET", SECRET[::-1])
    monkeypatch.setenv("WEBSOCKET_API_ID", api_id)
    deny(server, {"message": f"not authorized: {key} {token} {SECRET} {SECRET[::-1]} {api_id} L0SM9cOFvHcCIhw="})
    done = run("doctor", "--endpoint-url", server.endpoint.url)
    assert done.code == 1
    for value in (key, token, SECRET, SECRET[::-1], api_id, "L0SM9cOFvHcCIhw"):
        assert value not in done.out
    assert "not authorized: AKIA… … … … abc1… L0SM…" in done.out


def test_the_report_is_a_line_for_each_check_and_below_what_to_do(run, environment, monkeypatch):
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    monkeypatch.setenv("BROADCASTER_REGISTRY", "memory://")
    lines = run("doctor").out.splitlines()
    assert [line[0] for line in lines] == list("✓✓✓✓✓✗ ✓")
    assert lines[6].startswith("    give all workers one list")
