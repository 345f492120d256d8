"""The function as it is deployed: its own modules and a few of the library's, with nothing installed beside them."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from broadcaster.authorization import subscription_signature

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
