"""docs/operating.md: its commands have settings that exist, its tables are those of the code, its bill adds up."""

from __future__ import annotations

import itertools
import json
import re
import shlex

import pytest
import yaml

from stacks.settings import Settings


@pytest.fixture(scope="session")
def document(project) -> str:
    return (project / "docs" / "operating.md").read_text("utf-8")


def rows(document: str, heading: str) -> list[list[str]]:
    """The cells of the table whose heading begins so, row by row."""
    table = document.split(f"\n| {heading} |", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_every_command_has_settings_that_exist_and_go_together(document):
    certificate = re.search(r"CERTIFICATE=(\S+)", document)[1]
    text = document.replace("\\\n", " ").replace("$CERTIFICATE", certificate)
    found = 0
    for command in re.findall(r"(?:npx cdk|python3 dev\.py) [^`\n]*", text):
        words = shlex.split(command)
        settings = dict(value.split("=", 1) for flag, value in itertools.pairwise(words) if flag == "-c")
        Settings.from_context(settings)
        found += bool(settings)
    assert found >= 8


def test_the_settings_have_the_defaults_of_the_table(document):
    for name, default, _text in rows(document, "setting"):
        value = getattr(Settings(), name.strip("`"))
        if default == "none":
            assert value in ("", (), None)
        else:
            assert default.strip("`") == ("/".join(map(str, value)) if isinstance(value, tuple) else str(value).lower())


def test_every_alarm_is_in_the_table(document, template_path):
    template = json.loads(template_path(monitoring="true", daily_budget="5", registry="dynamodb").read_text("utf-8"))
    alarms = {
        name.removeprefix("MonitoringAlarms")[:-8]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert {name for row in rows(document, "alarm") for name in re.findall(r"`(\w+)`", row[0])} == alarms


def test_every_output_that_a_command_asks_for_exists(document, template_path):
    template = json.loads(template_path(registry="dynamodb", monitoring="true").read_text("utf-8"))
    named = set(re.findall(r"<([A-Z]\w+)>", document))
    assert named == {"SubscriptionSecretArn", "LogGroupName", "BackendPolicyArn"}
    assert named <= set(template["Outputs"])


def test_the_bill_adds_up(document):
    prices = {what: text for what, text, _for in rows(document, "what | price in US dollars")}
    total = 0.0
    for what, number, dollars in rows(document, "a month | how many")[:-1]:
        price = float(re.match(r"[\d.]+", prices[what])[0])
        per = 1_000_000 if "a million" in prices[what] else 1
        cost = float(number.replace(",", "")) * price / per
        assert dollars == f"{cost:.2f}", what
        total += cost
    assert document.count(f"| together | | {total:.2f} |") == 1


def test_the_python_of_the_domain_points_the_library_there(document):
    from broadcaster import Broadcaster, close_broadcaster, init_broadcaster

    [code] = re.findall(r"```python\n(init_broadcaster.*?)```", document, re.DOTALL)
    try:
        broadcaster = eval(code, {"init_broadcaster": init_broadcaster})  # noqa: S307
        assert isinstance(broadcaster, Broadcaster)
    finally:
        close_broadcaster()


def test_the_pipeline_is_yaml_that_deploys_with_the_role_and_its_trust(document):
    [text] = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)
    job = yaml.safe_load(text)["jobs"]["deploy"]
    assert yaml.safe_load(text)["permissions"]["id-token"] == "write"
    assert job["steps"][-1]["run"].startswith("python3 dev.py deploy --require-approval never")
    [trust] = [
        json.loads(block)
        for block in re.findall(r"```json\n(.*?)```", document, re.DOTALL)
        if "AssumeRoleWithWebIdentity" in block
    ]
    [subject] = [
        value for key, value in trust["Statement"][0]["Condition"]["StringEquals"].items() if key.endswith(":sub")
    ]
    assert subject.endswith(f":environment:{job['environment']}")
