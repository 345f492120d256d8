"""The contract: what a deployment consists of."""

from __future__ import annotations

import json

import pytest

CONNECTIONS = "arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<GatewayApi>/production"
HOST = "<GatewayApi>.execute-api.<AWS::Region>.<AWS::URLSuffix>"


def test_the_api_has_the_names_of_the_guide(default_template, properties):
    assert properties(default_template, "AWS::ApiGatewayV2::Api") == [
        {
            "Name": "clearstar-websocket",
            "Description": "Simple WebSocket for Clearstar Skills",
            "ProtocolType": "WEBSOCKET",
            "RouteSelectionExpression": "$request.body.action",
        }
    ]


def test_three_routes_lead_to_the_function_through_an_integration_each(default_template, properties):
    routes = properties(default_template, "AWS::ApiGatewayV2::Route")
    assert [route["RouteKey"] for route in routes] == ["$connect", "$disconnect", "$default"]
    assert len({route["Target"] for route in routes}) == 3
    integrations = properties(default_template, "AWS::ApiGatewayV2::Integration")
    assert [integration["IntegrationType"] for integration in integrations] == ["AWS_PROXY"] * 3
    assert {integration["IntegrationUri"] for integration in integrations} == {
        "arn:<AWS::Partition>:apigateway:<AWS::Region>:lambda:path/2015-03-31/functions/<HandlerFunction.Arn>/invocations"
    }


def test_each_route_may_invoke_the_function(default_template, properties):
    permissions = properties(default_template, "AWS::Lambda::Permission")
    assert [permission["SourceArn"].rpartition(":")[2] for permission in permissions] == [
        "<GatewayApi>/*$connect",
        "<GatewayApi>/*$disconnect",
        "<GatewayApi>/*$default",
    ]
    for permission in permissions:
        assert permission["Action"] == "lambda:InvokeFunction"
        assert permission["FunctionName"] == "<HandlerFunction.Arn>"
        assert permission["Principal"] == "apigateway.amazonaws.com"


def test_the_default_route_alone_answers(default_template, properties):
    answering = [
        route["RouteKey"]
        for route in properties(default_template, "AWS::ApiGatewayV2::Route")
        if route.get("RouteResponseSelectionExpression") == "$default"
    ]
    assert answering == ["$default"]
    [response] = properties(default_template, "AWS::ApiGatewayV2::RouteResponse")
    assert response["RouteResponseKey"] == "$default"
    assert response["RouteId"].startswith("<GatewayApidefaultRoute")


def test_the_stage_deploys_every_change(default_template, properties):
    assert properties(default_template, "AWS::ApiGatewayV2::Stage") == [
        {"ApiId": "<GatewayApi>", "StageName": "production", "AutoDeploy": True}
    ]


def test_the_function_is_the_one_of_the_guide(default_template, properties):
    [function] = properties(default_template, "AWS::Lambda::Function")
    assert function.pop("Code")["S3Key"].endswith(".zip")
    assert function == {
        "FunctionName": "clearstar-websocket-handler",
        "Runtime": "python3.12",
        "Handler": "handler.handler",
        "Architectures": ["x86_64"],
        "MemorySize": 256,
        "Timeout": 10,
        "Role": "<HandlerRole.Arn>",
        "LoggingConfig": {"LogGroup": "<HandlerLog>"},
    }


def test_the_function_may_post_to_connections_of_this_stage_alone(default_template, properties):
    assert properties(default_template, "AWS::IAM::Policy") == [
        {
            "PolicyName": "ApiGatewayManageConnections",
            "Roles": ["<HandlerRole>"],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "execute-api:ManageConnections",
                        "Resource": f"{CONNECTIONS}/POST/@connections/*",
                    }
                ],
            },
        }
    ]


def test_the_function_may_write_its_own_log_and_nothing_else(default_template, properties):
    [role] = properties(default_template, "AWS::IAM::Role")
    assert "ManagedPolicyArns" not in role
    assert [policy["PolicyDocument"]["Statement"] for policy in role["Policies"]] == [
        [
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": "<HandlerLog.Arn>",
            }
        ]
    ]
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_the_backend_may_send_to_look_at_and_close_connections_of_this_stage(default_template, properties):
    [policy] = properties(default_template, "AWS::IAM::ManagedPolicy")
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Action": "execute-api:ManageConnections",
            "Resource": [f"{CONNECTIONS}/{verb}/@connections/*" for verb in ("POST", "GET", "DELETE")],
        }
    ]
    # Of its own name the second region of an account would have none left.
    assert "ManagedPolicyName" not in policy


def test_logs_are_kept_for_two_weeks_and_go_with_the_stack(default_template):
    [log_group] = [each for each in default_template["Resources"].values() if each["Type"] == "AWS::Logs::LogGroup"]
    assert log_group["Properties"] == {"RetentionInDays": 14}
    assert log_group["DeletionPolicy"] == log_group["UpdateReplacePolicy"] == "Delete"


def test_the_outputs_tell_backend_and_front_end_what_they_need(default_template, outputs):
    assert outputs(default_template) == {
        "WebSocketUrl": f"wss://{HOST}/production",
        "ApiId": "<GatewayApi>",
        "Region": "<AWS::Region>",
        "Stage": "production",
        "ConnectionsUrl": f"https://{HOST}/production",
        "BackendPolicyArn": "<BackendAccessPolicy>",
        "NextPublicPusherKey": f"NEXT_PUBLIC_PUSHER_KEY=wss://{HOST}/production",
        "NextPublicPusherCluster": "NEXT_PUBLIC_PUSHER_CLUSTER=<AWS::Region>",
        "LogGroupName": "<HandlerLog>",
    }


def test_every_setting_arrives(changed_template, properties, outputs):
    [api] = properties(changed_template, "AWS::ApiGatewayV2::Api")
    assert (api["Name"], api["Description"]) == ("other-name", "Another API")
    [function] = properties(changed_template, "AWS::Lambda::Function")
    assert (function["FunctionName"], function["MemorySize"], function["Timeout"]) == ("other-name-handler", 512, 5)
    [stage] = properties(changed_template, "AWS::ApiGatewayV2::Stage")
    assert stage["StageName"] == "test_1"
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": 100.5, "ThrottlingBurstLimit": 200}
    log_groups = properties(changed_template, "AWS::Logs::LogGroup")
    assert [group["RetentionInDays"] for group in log_groups] == [3, 3]
    [policy] = properties(changed_template, "AWS::IAM::ManagedPolicy")
    assert policy["PolicyDocument"]["Statement"][0]["Resource"][0].endswith("<GatewayApi>/test_1/POST/@connections/*")
    assert outputs(changed_template)["Stage"] == "test_1"
    assert function["ReservedConcurrentExecutions"] == 20
    assert api["IpAddressType"] == "dualstack"


def test_named_roles_and_users_are_attached_to_the_policy_by_cloudformation(changed_template, properties):
    # Which detaches them, too: a policy that somebody attached otherwise would stop the removal of the stack.
    [policy] = properties(changed_template, "AWS::IAM::ManagedPolicy")
    assert (policy["Roles"], policy["Users"]) == (["my-backend", "other-backend"], ["windows-server"])


@pytest.mark.parametrize(
    ("given", "arn"),
    [
        ("developer-boundary", "arn:<AWS::Partition>:iam::<AWS::AccountId>:policy/developer-boundary"),
        ("arn:aws:iam::123456789012:policy/a", "arn:aws:iam::123456789012:policy/a"),
    ],
)
def test_every_role_has_the_permissions_boundary(template_path, properties, given, arn):
    template = json.loads(template_path(permissions_boundary=given).read_text("utf-8"))
    assert {role["PermissionsBoundary"] for role in properties(template, "AWS::IAM::Role")} == {arn}


def test_access_logs_go_to_a_group_of_their_own_with_the_request_id(changed_template, properties):
    [stage] = properties(changed_template, "AWS::ApiGatewayV2::Stage")
    assert stage["AccessLogSettings"]["DestinationArn"] == "<GatewayAccessLog.Arn>"
    # API Gateway refuses a format without it.
    assert "$context.requestId" in stage["AccessLogSettings"]["Format"]
