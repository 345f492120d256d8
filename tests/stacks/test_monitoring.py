"""The dashboard and the alarms."""

from __future__ import annotations

import json
import os

import pytest

from tests.stacks import dashboard_picture


def alarms(template, properties):
    """The alarms by the last part of their construct's path, which their CloudFormation names begin with."""
    return {
        name.removeprefix("MonitoringAlarms")[:-8]: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }


def widgets(template, properties):
    [dashboard] = properties(template, "AWS::CloudWatch::Dashboard")
    return json.loads(dashboard["DashboardBody"])["widgets"]


@pytest.fixture(scope="session")
def template(template_path):
    return json.loads(template_path(monitoring="true").read_text("utf-8"))


def test_by_default_there_is_neither(default_template):
    types = {resource["Type"] for resource in default_template["Resources"].values()}
    assert not any(kind.startswith(("AWS::CloudWatch", "AWS::SNS")) for kind in types)


def test_the_usual_deployment_has_five_alarms_and_mails_nobody(template, properties):
    found = alarms(template, properties)
    assert set(found) == {
        "ExecutionErrors",
        "LambdaErrors",
        "LambdaThrottles",
        "ConnectionsNearQuota",
        "MessagesNearQuota",
    }
    assert not any("AlarmActions" in alarm for alarm in found.values())
    assert properties(template, "AWS::SNS::Topic") == []


def test_every_alarm_is_mailed_when_it_begins_and_when_it_ends_and_says_why(changed_template, properties):
    found = alarms(changed_template, properties)
    assert set(found) >= {"TableReadThrottles", "TableWriteThrottles", "Budget"}
    for alarm in found.values():
        assert len(alarm["AlarmActions"]) == len(alarm["OKActions"]) == 1
        assert len(alarm["AlarmDescription"]) > 60
        assert "MetricName" in alarm  # one metric, no expression
        assert alarm["TreatMissingData"] == "notBreaching"
    [subscription] = properties(changed_template, "AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ops@example.com")


def test_cloudwatch_of_this_account_may_publish_to_the_topic(changed_template, properties):
    [policy] = properties(changed_template, "AWS::SNS::TopicPolicy")
    assert [
        {key: value for key, value in statement.items() if key not in ("Sid", "Resource")}
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ] == [
        {
            "Action": "sns:Publish",
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Condition": {"StringEquals": {"aws:SourceAccount": "<AWS::AccountId>"}},
        }
    ]


@pytest.mark.parametrize(
    ("which", "connections", "messages"),
    [("template", 500 * 60 * 0.8, 10_000 * 60 * 0.8), ("changed_template", 400 * 60 * 0.8, 2_500 * 60 * 0.8)],
)
def test_the_alarms_before_the_quotas_count_a_minute_against_what_the_account_has(
    which, connections, messages, request, properties
):
    found = alarms(request.getfixturevalue(which), properties)
    for name, metric, threshold in (
        ("ConnectionsNearQuota", "ConnectCount", connections),
        ("MessagesNearQuota", "MessageCount", messages),
    ):
        alarm = found[name]
        assert (alarm["MetricName"], alarm["Statistic"], alarm["Period"]) == (metric, "Sum", 60)
        assert alarm["Threshold"] == threshold


def test_the_bill_alarm_is_the_days_messages_at_their_price(changed_template, properties):
    alarm = alarms(changed_template, properties)["Budget"]
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Period"]) == ("MessageCount", "Sum", 86_400)
    assert alarm["Threshold"] == 5_000_000  # $5 at $1 a million
    assert "5,000,000 messages in a day, which cost 5 US dollars" in alarm["AlarmDescription"]


def test_metrics_of_the_api_are_those_of_this_stage(changed_template, properties):
    metrics = [
        metric
        for widget in widgets(changed_template, properties)
        for metric in widget["properties"].get("metrics", [])
        if metric[0] == "AWS/ApiGateway"
    ]
    assert {metric[1] for metric in metrics} == {
        "ConnectCount",
        "MessageCount",
        "ExecutionError",
        "IntegrationError",
        "ClientError",
        "IntegrationLatency",
    }
    assert all(metric[2:6] == ["ApiId", "<GatewayApi>", "Stage", "test_1"] for metric in metrics)


def test_the_table_is_on_the_dashboard_where_there_is_one(template, changed_template, properties):
    assert "ReadThrottleEvents" not in json.dumps(widgets(template, properties))
    assert {"ReadThrottleEvents", "WriteThrottleEvents"} <= {
        metric[1]
        for widget in widgets(changed_template, properties)
        for metric in widget["properties"].get("metrics", [])
        if metric[0] == "AWS/DynamoDB"
    }


def test_the_widgets_fill_the_grid_and_none_covers_another(template, properties):
    cells = [
        (x, y)
        for widget in widgets(template, properties)
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert len(cells) == len(set(cells)) == 24 * 18


def test_the_dashboards_address_is_an_output(template, outputs):
    assert "#dashboards/dashboard/<MonitoringDashboardPage" in outputs(template)["DashboardUrl"]


def test_the_picture_in_the_documents_is_of_this_dashboard(template_path, project, properties):
    template = json.loads(template_path(monitoring="true", registry="dynamodb").read_text("utf-8"))
    drawn = dashboard_picture.draw(widgets(template, properties))
    picture = project / "docs" / "images" / "cloudwatch.svg"
    if os.environ.get("UPDATE_SNAPSHOT"):  # as the template's: tests/stacks/test_snapshot.py
        picture.write_text(drawn, encoding="utf-8", newline="\n")
    assert picture.read_text("utf-8") == drawn
