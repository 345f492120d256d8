"""The function as it is deployed: its own modules and a few of the library's, with nothing installed beside them."""

import json
import os
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from broadcaster.authorization import subscription_signature
from broadcaster.registries.dynamodb_rows import puts, start_of
from publishing.signature import Key
from tests.lambda_src.publishing.conftest import event_of, query_of, sign

HEAVY = {"asyncio", "boto3", "botocore", "dataclasses", "email", "http.client", "inspect", "logging", "ssl"}
# Wanted by the first push or subscription; a cold start need not wait for them.
FOR_AWS = {"broadcaster.http1", "broadcaster.signing", "hashlib", "socket", "typing", "urllib.parse"}

SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
import handler
imported = set(sys.modules) - before
context = {"routeKey": "$default", "connectionId": "L0SM9cOFvHcCIhw=", "apiId": "abc", "stage": "production"}
event = {"requestContext": context, "body": '{"action":"subscribe","channel":"admin","auth":"%s"}' % sys.argv[2]}
response = handler.handler(event, None)
pushed = set(sys.modules) - before - imported
print(json.dumps({"imported": sorted(imported), "pushed": sorted(pushed), "response": response}))
"""


def pythons() -> list[str]:
    """Return this Python and, where there is one, the Lambda's: 3.12."""
    found = [sys.executable]
    if sys.version_info[:2] != (3, 12):
        installed = [*map(str, Path.home().glob(".pyenv/versions/3.12.*/bin/python")), shutil.which("python3.12")]
        found += [python for python in installed if python and answers(python)][:1]
    return found


def answers(python: str) -> bool:
    """Say whether it runs: a version manager leaves a `python3.12` that only says how to install one."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    script = runpy.run_path(str(Path(__file__).with_name("import_cost.py")))
    folder: Path = script["lay_out_bundle"](tmp_path_factory.mktemp("bundle"))
    return folder


def subscribe_in_a_fresh_process(python: str, bundle: Path, auth: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the line that was logged and the result of the script."""
    # Isolated and without site-packages: nothing that is installed here can stand in for what the bundle lacks.
    run = subprocess.run(
        [python, "-I", "-S", "-c", SCRIPT, str(bundle), auth],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert run.stderr == ""
    logged, result = map(json.loads, run.stdout.splitlines())
    assert result["response"]["body"] == '{"type":"subscription_succeeded","channel":"admin"}'
    return logged, result


each_python = pytest.mark.parametrize("python", pythons(), ids=lambda python: Path(python).parent.parent.name)


@each_python
def test_a_cold_start_imports_little_and_the_first_push_not_much_more(
    python: str, bundle: Path, management_api: Any
) -> None:
    logged, result = subscribe_in_a_fresh_process(python, bundle)
    assert logged["push"] == "sent"
    assert len(management_api.requests) == 1

    imported, pushed = set(result["imported"]), set(result["pushed"])
    assert {"handler", "frames", "invocation", "log_line"} <= imported
    assert {"connection_push", "broadcaster.aws.kept_connections", "broadcaster.signing", "broadcaster.http1"} <= pushed
    assert not HEAVY & (imported | pushed)
    assert not FOR_AWS & imported
    assert not {"subscriptions", "registry", "admission", "past"} & (imported | pushed)


@each_python
def test_where_the_gateway_registers_it_imports_no_more_and_the_first_subscription_not_much(
    python: str, bundle: Path, stand_in: Any
) -> None:
    auth = subscription_signature(stand_in.SECRET, "L0SM9cOFvHcCIhw=", "admin")
    logged, result = subscribe_in_a_fresh_process(python, bundle, auth)
    assert logged["outcome"] == "ok"
    assert ("abc/production#channel#admin", "L0SM9cOFvHcCIhw=") in stand_in.rows()

    imported, subscribed = set(result["imported"]), set(result["pushed"])
    assert {"subscriptions", "registry", "admission", "signing_secret", "broadcaster.aws.json_service"} <= subscribed
    assert not HEAVY & (imported | subscribed)
    assert not FOR_AWS & imported
    assert not {"connection_push", "past", "broadcaster.history.dynamodb_rows"} & (imported | subscribed)


PUBLISH = """
import json, sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
import publisher
imported = set(sys.modules) - before
unsigned = publisher.handler({}, None)
refused = set(sys.modules) - before
event = json.loads(sys.argv[2])
response = publisher.handler(event, None)
published = set(sys.modules) - before
print(json.dumps({"imported": sorted(imported), "refused": sorted(refused), "published": sorted(published),
                  "statuses": [unsigned["statusCode"], response["statusCode"]]}))
"""


@each_python
def test_the_publisher_imports_its_engine_with_the_first_event_that_somebody_listens_to_and_never_boto3(
    python: str, bundle: Path, stand_in: Any, management_api: Any, lambda_environment: pytest.MonkeyPatch
) -> None:
    key = Key("1", "key", "secret" * 8)
    text = json.dumps({"app_id": key.app_id, "key": key.name, "secret": key.secret})
    arn = stand_in.manager.create_secret(Name=f"key-{stand_in.table}", SecretString=text)["ARN"]
    for name, value in (("PUBLISH_KEY", arn), ("WEBSOCKET_API_ID", "abc"), ("WEBSOCKET_STAGE", "production")):
        lambda_environment.setenv(name, value)
    for row in puts("L0SM9cOFvHcCIhw=", ["a"], now=time.time(), lifetime=60, start=start_of("abc/production")):
        stand_in.dynamodb.put_item(TableName=stand_in.table, Item=row["PutRequest"]["Item"])
    body = b'{"name":"e","channel":"a","data":"{}"}'
    query = query_of(sign("POST", "/apps/1/events", body, key=key, at=int(time.time())))
    event = json.dumps(event_of("POST", "/apps/1/events", query, body))
    run = subprocess.run(
        [python, "-I", "-S", "-c", PUBLISH, str(bundle), event],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    *_, result = map(json.loads, run.stdout.splitlines())
    assert (run.stderr, result["statuses"]) == ("", [401, 200])
    assert len(management_api.requests) == 1
    assert not HEAVY & set(result["published"])
    for few in (result["imported"], result["refused"]):  # a cold start, and one that an unsigned request has caused
        assert not {"publishing.keys", "publishing.table", "broadcaster.http1", "socket"} & set(few)
    assert "broadcaster.sending.engine.engine" in result["published"]
