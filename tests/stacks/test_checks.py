"""What cfn-lint, cdk-nag and the CDK's own validation say about the template."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow

CONNECTIONS = "arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<GatewayApi4EDF2151>"


@pytest.fixture
def lint_file():
    from cfnlint.api import lint_file  # not above, where whoever collects the tests would wait for it

    return lint_file


@pytest.mark.parametrize(
    "which",
    [
        "default_template_path",
        "registering_template_path",
        "publishing_template_path",
        "changed_template_path",
    ],
)
def test_cfn_lint_finds_nothing(which, lint_file, request):
    assert lint_file(request.getfixturevalue(which)) == []


def test_cfn_lint_would_find_something(default_template, lint_file, tmp_path):
    template = json.loads(json.dumps(default_template))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"]["MemorySize"] = 100
    changed = tmp_path / "changed.template.json"
    changed.write_text(json.dumps(template), encoding="utf-8")
    assert [match.rule.id for match in lint_file(changed)] == ["E3034"]


@pytest.fixture
def nag_report(cdk_context, tmp_path):
    """Synthesizes with cdk-nag's AwsSolutions rules and the CDK's own; gives the report of the former."""
    from aws_cdk import App, Validations
    from cdk_nag import AwsSolutionsChecks

    from stacks.settings import Settings
    from stacks.websocket_stack import WebSocketStack

    def check(**settings: str) -> dict:
        context = cdk_context | {"@aws-cdk/core:validateAgainstDefaultRules": True}  # else they only warn
        app = App(outdir=str(tmp_path), context=context)
        settings_read = Settings.from_context(settings)
        WebSocketStack(app, settings_read.name, settings=settings_read)
        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        app.synth()  # raises if a finding is not accepted
        [report] = json.loads((tmp_path / "validation-report.json").read_text("utf-8"))["pluginReports"]
        return report

    return check


def accepted(report: dict) -> set[tuple[str, str]]:
    """Rule and construct of each finding that the stack accepts, all of which have a reason."""
    findings = report["suppressedViolations"]
    assert all(len(finding["reason"]) > 40 for finding in findings)
    return {(finding["ruleName"].removeprefix("AwsSolutions-"), finding["acknowledgedAt"]) for finding in findings}


def test_cdk_nag_finds_what_the_stack_accepts_with_a_reason_and_nothing_else(nag_report):
    report = nag_report()
    assert report["pluginName"] == "AwsSolutions"
    assert report["violations"] == []
    assert accepted(report) == {
        ("L1", "clearstar-websocket/Handler/Function"),
        ("APIG1", "clearstar-websocket/Gateway/Stage"),
        ("APIG4", "clearstar-websocket/Gateway/Api/$connect-Route"),
        ("APIG4", "clearstar-websocket/Gateway/Api/$disconnect-Route"),
        ("APIG4", "clearstar-websocket/Gateway/Api/$default-Route"),
        (f"IAM5[Resource::{CONNECTIONS}/production/POST/@connections/*]", "clearstar-websocket/HandlerAccess/Policy"),
        (f"IAM5[Resource::{CONNECTIONS}/production/POST/@connections/*]", "clearstar-websocket/BackendAccess/Policy"),
        (f"IAM5[Resource::{CONNECTIONS}/production/GET/@connections/*]", "clearstar-websocket/BackendAccess/Policy"),
        (f"IAM5[Resource::{CONNECTIONS}/production/DELETE/@connections/*]", "clearstar-websocket/BackendAccess/Policy"),
    }


def test_where_the_gateway_registers_two_more_are_accepted_and_the_function_has_no_star(nag_report):
    report = nag_report(registry="dynamodb")
    assert report["violations"] == []
    found = accepted(report)
    assert {("DDB3", "Table"), ("SMG4", "Secret")} <= {(rule, path.rpartition("/")[2]) for rule, path in found}
    assert {path for rule, path in found if rule.startswith("IAM5")} == {"clearstar-websocket/BackendAccess/Policy"}
    reasons = {finding["reason"] for finding in report["suppressedViolations"] if "APIG4" in finding["ruleName"]}
    assert len(reasons) == 1
    assert "signed" in reasons.pop()


def test_publishing_brings_its_function_its_secrets_and_the_star_of_connection_ids(nag_report):
    report = nag_report(registry="dynamodb", publish="bearer")
    assert report["violations"] == []
    found = {(rule, path) for rule, path in accepted(report) if "/Publishing/" in path}
    assert found == {
        ("L1", "clearstar-websocket/Publishing/Publisher/Function"),
        ("SMG4", "clearstar-websocket/Publishing/Key/Secret"),
        ("SMG4", "clearstar-websocket/Publishing/Token/Secret"),
        (
            f"IAM5[Resource::{CONNECTIONS}/production/POST/@connections/*]",
            "clearstar-websocket/Publishing/Access/Policy",
        ),
    }


def test_with_point_in_time_recovery_and_without_signatures_there_is_nothing_more_to_accept(nag_report):
    report = nag_report(registry="dynamodb", auth="none", point_in_time_recovery="true")
    assert report["violations"] == []
    assert not {"DDB3", "SMG4"} & {rule for rule, _construct in accepted(report)}


def test_with_access_logs_there_is_one_finding_less(nag_report):
    report = nag_report(access_logs="true", stage="other", name="other")
    assert report["violations"] == []
    assert "APIG1" not in {rule for rule, _construct in accepted(report)}


def test_monitoring_and_a_custom_domain_bring_nothing_more_to_accept(nag_report):
    certificate = "arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    report = nag_report(
        monitoring="ops@example.com",
        daily_budget="5",
        domain="ws.example.com",
        certificate=certificate,
        zone="Z0123456789ABCDEFGHIJ",
        backend_role="my-backend",
        permissions_boundary="developer-boundary",
        concurrency="20",
    )
    assert report["violations"] == []
    assert {path.split("/")[1] for _rule, path in accepted(report)} == {
        "Handler",
        "Gateway",
        "HandlerAccess",
        "BackendAccess",
    }
