"""The contract of a deployment with registry=dynamodb: the table, the secret, and who may do what with them."""

from __future__ import annotations

import json

import pytest

REGISTRY, SECRET = "<RegistrationRegistryTable>", "<RegistrationAuthSecret>"
USE_TABLE = {
    "Effect": "Allow",
    "Action": ["dynamodb:BatchWriteItem", "dynamodb:Query"],
    "Resource": "<RegistrationRegistryTable.Arn>",
}
USE_TABLE_WITH_HISTORY = USE_TABLE | {"Action": ["dynamodb:BatchWriteItem", "dynamodb:Query", "dynamodb:PutItem"]}
READ_SECRET = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": SECRET}


def resource(template: dict, resource_type: str) -> dict:
    [found] = [each for each in template["Resources"].values() if each["Type"] == resource_type]
    return found


def environment(template: dict, properties) -> dict[str, str]:
    [function] = properties(template, "AWS::Lambda::Function")
    return function["Environment"]["Variables"]


def test_by_default_there_is_neither_a_table_nor_a_secret_nor_an_environment(default_template, properties):
    types = {each["Type"] for each in default_template["Resources"].values()}
    assert not types & {"AWS::DynamoDB::Table", "AWS::SecretsManager::Secret"}
    [function] = properties(default_template, "AWS::Lambda::Function")
    assert "Environment" not in function


def test_the_table_has_the_keys_of_the_registry_and_its_time_to_live_and_is_on_demand_and_encrypted(
    registering_template, properties
):
    [table] = properties(registering_template, "AWS::DynamoDB::Table")
    assert table == {
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "BillingMode": "PAY_PER_REQUEST",
        "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
        "SSESpecification": {"SSEEnabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False},
    }


def test_table_and_secret_go_with_the_stack(registering_template):
    for resource_type in ("AWS::DynamoDB::Table", "AWS::SecretsManager::Secret"):
        found = resource(registering_template, resource_type)
        assert found["DeletionPolicy"] == found["UpdateReplacePolicy"] == "Delete"


def test_the_table_stays_and_can_be_restored_where_the_settings_say_so(changed_template):
    table = resource(changed_template, "AWS::DynamoDB::Table")
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_the_secret_is_made_up_by_secrets_manager(registering_template, properties):
    [secret] = properties(registering_template, "AWS::SecretsManager::Secret")
    assert secret["GenerateSecretString"] == {"ExcludePunctuation": True, "PasswordLength": 64}
    assert "SecretString" not in secret


def test_the_function_may_use_the_table_and_read_the_secret_and_post_to_nobody(registering_template, properties):
    assert properties(registering_template, "AWS::IAM::Policy") == [
        {
            "PolicyName": "RegisterConnections",
            "Roles": ["<HandlerRole>"],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [USE_TABLE, READ_SECRET]},
        }
    ]


def test_the_backend_may_besides_its_posts_use_the_table_and_read_the_secret(
    default_template, registering_template, properties
):
    [before] = properties(default_template, "AWS::IAM::ManagedPolicy")
    [policy] = properties(registering_template, "AWS::IAM::ManagedPolicy")
    assert policy["PolicyDocument"]["Statement"] == [
        *before["PolicyDocument"]["Statement"],
        USE_TABLE_WITH_HISTORY,
        READ_SECRET,
    ]


def test_the_function_is_told_table_secret_and_public_channels(registering_template, properties):
    assert environment(registering_template, properties) == {
        "REGISTRY_TABLE": REGISTRY,
        "SUBSCRIPTION_SECRET": SECRET,
        "PUBLIC_CHANNELS": "news public-*",
    }


def test_without_signatures_there_is_no_secret_and_the_function_is_told_so(changed_template, properties):
    assert properties(changed_template, "AWS::SecretsManager::Secret") == []
    assert environment(changed_template, properties) == {
        "ALLOWED_ORIGINS": "https://app.example.com,http://localhost:3000",
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": "https://ws.example.com",
        "REGISTRY_TABLE": REGISTRY,
        "SUBSCRIPTION_AUTH": "none",
    }
    [policy] = properties(changed_template, "AWS::IAM::Policy")
    assert policy["PolicyDocument"]["Statement"] == [USE_TABLE]


def test_the_outputs_have_the_arguments_of_init_broadcaster(registering_template, default_template, outputs):
    more = outputs(registering_template)
    for key in outputs(default_template):
        del more[key]
    assert more == {
        "RegistryTable": REGISTRY,
        "RegistryUrl": f"dynamodb://{REGISTRY}?region=<AWS::Region>&scope=<GatewayApi>/production",
        "SubscriptionSecretArn": SECRET,
    }


def test_the_outputs_have_no_secret_where_there_is_none(changed_template, outputs):
    assert "SubscriptionSecretArn" not in outputs(changed_template)


@pytest.mark.parametrize(("settings", "warnings"), [({"auth": "none"}, 1), ({}, 0), ({"public_channels": "news"}, 0)])
def test_whoever_opens_every_channel_is_told_at_synthesis_what_that_means(settings, warnings):
    from aws_cdk import App, cloud_assembly_schema
    from aws_cdk.assertions import Annotations, Match

    from stacks.settings import Settings
    from stacks.websocket_stack import WebSocketStack

    assert (
        cloud_assembly_schema.MetadataEntry
    )  # what is found is of this type, which jsii looks for among what is loaded
    app = App(builtin_cloud_formation_validation=False)
    stack = WebSocketStack(app, "Stack", settings=Settings.from_context({"registry": "dynamodb", **settings}))
    meaning = Match.string_like_regexp("whoever knows the WebSocket URL can subscribe to every channel and hear every")
    assert len(Annotations.from_stack(stack).find_warning("*", meaning)) == warnings


def test_origins_reach_the_function_in_the_guides_mode_too(template_path, properties):
    template = json.loads(template_path(allowed_origins="https://app.example.com").read_text("utf-8"))
    assert environment(template, properties) == {"ALLOWED_ORIGINS": "https://app.example.com"}
