"""The contract of a deployment with publish=https or bearer: a second function, its address, secrets and rights."""

from __future__ import annotations

import json
import re

import pytest

from commands.deployment import lines_to_paste
from stacks.errors import SettingsError
from stacks.settings import Settings

TABLE, KEY, TOKEN = "<RegistrationRegistryTable>", "<PublishingKeySecret>", "<PublishingTokenSecret>"
FUNCTION = "<PublishingPublisherFunction.Arn>"
ARN = "arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<GatewayApi>"


@pytest.fixture(scope="module")
def signed_only_template(template_path) -> dict:
    return json.loads(
        template_path(registry="dynamodb", publish="https", default_endpoint="false", **DOMAIN).read_text()
    )


DOMAIN = {
    "domain": "ws.example.com",
    "certificate": "arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
}


def publisher(template: dict, properties) -> dict:
    functions = properties(template, "AWS::Lambda::Function")
    [found] = [each for each in functions if each["Handler"] == "publisher.handler"]
    return found


def policies(template: dict, properties) -> dict[str, list]:
    return {
        policy["PolicyName"]: policy["PolicyDocument"]["Statement"]
        for policy in properties(template, "AWS::IAM::Policy")
        if policy["Roles"] == ["<PublishingPublisherRole>"]
    }


def test_without_the_setting_there_is_one_function_and_no_url(registering_template, properties):
    assert len(properties(registering_template, "AWS::Lambda::Function")) == 1
    assert properties(registering_template, "AWS::Lambda::Url") == []


def test_the_second_function_is_of_the_same_asset_and_has_its_own_bound(publishing_template, properties):
    functions = properties(publishing_template, "AWS::Lambda::Function")
    assert {each["FunctionName"] for each in functions} == {
        "clearstar-websocket-handler",
        "clearstar-websocket-publisher",
    }
    assert len({each["Code"]["S3Key"] for each in functions}) == 1
    assert [each.get("ReservedConcurrentExecutions") for each in functions].count(5) == 1
    assert publisher(publishing_template, properties)["ReservedConcurrentExecutions"] == 5


def test_the_function_is_told_table_api_stage_and_secrets(publishing_template, signed_only_template, properties):
    variables = {
        "REGISTRY_TABLE": TABLE,
        "WEBSOCKET_API_ID": "<GatewayApi>",
        "WEBSOCKET_STAGE": "production",
        "PUBLISH_KEY": KEY,
    }
    found = publisher(publishing_template, properties)["Environment"]["Variables"]
    assert found == {**variables, "PUBLISH_BEARER": TOKEN}
    found = publisher(signed_only_template, properties)["Environment"]["Variables"]
    assert found == {**variables, "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": "https://ws.example.com"}


@pytest.fixture(scope="module")
def with_history_template(template_path) -> dict:
    history = {"history": '{"admin": 200, "run-*": 500}', "history_ttl": "7200"}
    return json.loads(
        template_path(registry="dynamodb", publish="bearer", publish_concurrency="5", **history).read_text()
    )


def test_which_channels_have_a_history_is_told_to_the_publisher_and_changes_nothing_else(
    publishing_template, with_history_template
):
    variables = [
        each["Properties"]["Environment"]["Variables"]
        for each in with_history_template["Resources"].values()
        if each["Type"] == "AWS::Lambda::Function" and each["Properties"]["Handler"] == "publisher.handler"
    ]
    assert json.loads(variables[0].pop("HISTORY")) == {"admin": 200, "run-*": 500}
    assert variables[0].pop("HISTORY_TTL") == "7200"
    assert with_history_template == publishing_template  # its rights included: the table's are those that it had


def test_both_permissions_are_there_that_a_function_url_needs(publishing_template, properties):
    assert properties(publishing_template, "AWS::Lambda::Url") == [{"AuthType": "NONE", "TargetFunctionArn": FUNCTION}]
    given = [each for each in properties(publishing_template, "AWS::Lambda::Permission") if each["Principal"] == "*"]
    assert given == [
        {
            "Action": "lambda:InvokeFunctionUrl",
            "FunctionName": FUNCTION,
            "FunctionUrlAuthType": "NONE",
            "Principal": "*",
        },
        {"Action": "lambda:InvokeFunction", "FunctionName": FUNCTION, "InvokedViaFunctionUrl": True, "Principal": "*"},
    ]


def test_the_function_may_use_the_table_read_its_secrets_and_post_and_nothing_else(
    publishing_template, signed_only_template, properties
):
    use_table = {
        "Effect": "Allow",
        "Action": ["dynamodb:BatchWriteItem", "dynamodb:Query", "dynamodb:DeleteItem", "dynamodb:PutItem"],
        "Resource": "<RegistrationRegistryTable.Arn>",
    }
    post = {
        "Effect": "Allow",
        "Action": "execute-api:ManageConnections",
        "Resource": f"{ARN}/production/POST/@connections/*",
    }
    for template, secrets in ((publishing_template, [KEY, TOKEN]), (signed_only_template, KEY)):
        read = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secrets}
        assert policies(template, properties) == {
            "PublishEvents": [use_table, read],
            "ApiGatewayManageConnections": [post],
        }
    [role] = [
        each
        for name, each in publishing_template["Resources"].items()
        if each["Type"] == "AWS::IAM::Role" and name.startswith("PublishingPublisherRole")
    ]
    assert "ManagedPolicyArns" not in role["Properties"]


def test_the_other_function_gets_nothing_of_it(publishing_template, registering_template, properties):
    def others(template: dict) -> list:
        found = properties(template, "AWS::IAM::Policy")
        return [each["PolicyDocument"] for each in found if each["Roles"] == ["<HandlerRole>"]]

    assert others(publishing_template) == others(registering_template)


def test_the_key_is_made_up_at_deployment_with_digits_as_app_id(publishing_template, properties):
    [key] = [
        each["GenerateSecretString"]
        for each in properties(publishing_template, "AWS::SecretsManager::Secret")
        if "SecretStringTemplate" in each["GenerateSecretString"]
    ]
    assert (key["GenerateStringKey"], key["PasswordLength"], key["ExcludePunctuation"]) == ("secret", 64, True)
    members = json.loads(key["SecretStringTemplate"])
    assert members["key"] == "<GatewayApi>"
    assert re.fullmatch("[0-9]+", members["app_id"])


def test_the_token_is_there_only_where_it_is_asked_for(signed_only_template, outputs, properties):
    assert "PublishTokenArn" not in outputs(signed_only_template)
    assert len(properties(signed_only_template, "AWS::SecretsManager::Secret")) == 2  # with that of subscriptions


def test_the_outputs_say_where_and_with_which_secrets_and_are_lines_to_paste(publishing_template, outputs):
    found = outputs(publishing_template)
    assert found["PublishUrl"] == "<PublishingPublisherFunctionFunctionUrl.FunctionUrl>"
    assert (found["PublishKeyArn"], found["PublishTokenArn"]) == (KEY, TOKEN)
    lines = lines_to_paste(found).splitlines()
    assert lines[-3:] == [f"PUBLISH_URL={found['PublishUrl']}", f"PUBLISH_KEY_ARN={KEY}", f"PUBLISH_TOKEN_ARN={TOKEN}"]
    assert any("get-secret-value" in line for line in lines)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"publish": "https"}, "means nothing with registry=backend"),
        ({"publish": "http", "registry": "dynamodb"}, "give https .* or bearer"),
        ({"publish_concurrency": "5", "registry": "dynamodb"}, "give publish=https too"),
        ({"publish": "https", "registry": "dynamodb", "name": "a" * 55}, "55 characters.*54 at most"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, words):
    with pytest.raises(SettingsError, match=words):
        Settings.from_context(settings)
