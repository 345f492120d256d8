"""What a deployment tells: the values that a backend and a front end are configured with."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack

from .gateway import Gateway
from .gateway.connection_access import BackendAccess
from .handler_function import HandlerFunction
from .monitoring import Monitoring
from .publishing import Publishing
from .registration import GatewayRegistration


def add_outputs(
    stack: Stack,
    *,
    gateway: Gateway,
    handler: HandlerFunction,
    backend_access: BackendAccess,
    registration: GatewayRegistration | None,
    publishing: Publishing | None,
    monitoring: Monitoring | None,
) -> None:
    """Add the stack's outputs. Their keys are read by programs (`cdk deploy --outputs-file`): do not rename them."""
    url, api_id, stage = gateway.url, gateway.api.api_id, gateway.stage.stage_name
    outputs = {
        "WebSocketUrl": (url, "Where browsers connect"),
        "ApiId": (api_id, "init_broadcaster(api_id=...)"),
        "Region": (stack.region, "init_broadcaster(region=...)"),
        "Stage": (stage, "init_broadcaster(stage=...)"),
        "ConnectionsUrl": (gateway.connections_url, "Where the backend posts: @connections below this URL"),
        "BackendPolicyArn": (backend_access.policy.managed_policy_arn, "Attach it to the role or user of the backend"),
        "NextPublicPusherKey": (f"NEXT_PUBLIC_PUSHER_KEY={url}", "A line for the .env.local of the front end"),
        "NextPublicPusherCluster": (
            f"NEXT_PUBLIC_PUSHER_CLUSTER={stack.region}",
            "A line for the .env.local of the front end",
        ),
        "LogGroupName": (handler.log_group.log_group_name, "Where the Lambda writes a line for each event"),
    }
    if gateway.domain:
        outputs["DomainTarget"] = (gateway.domain.target, "What the DNS record of the domain has to lead to")
    if registration:
        table = registration.table.table.table_name
        outputs["RegistryTable"] = (table, "The DynamoDB table of who listens to what")
        # With the name under which the function keeps this API and stage, which a custom domain does not tell.
        url = f"dynamodb://{table}?region={stack.region}&scope={api_id}/{stage}"
        outputs["RegistryUrl"] = (url, "init_broadcaster(registry=...)")
        if registration.secret:
            arn = registration.secret.secret.secret_arn
            outputs["SubscriptionSecretArn"] = (arn, "init_broadcaster(secret=...)")
    if publishing:
        outputs["PublishUrl"] = (publishing.url, "Where backends in other languages publish")
        outputs["PublishKeyArn"] = (publishing.key.secret.secret_arn, "The secret with their app id, key and secret")
        if publishing.token:
            outputs["PublishTokenArn"] = (publishing.token.secret.secret_arn, "The secret for Authorization: Bearer")
    if monitoring:
        console = f"https://{stack.region}.console.aws.amazon.com/cloudwatch/home?region={stack.region}"
        dashboard = f"{console}#dashboards/dashboard/{monitoring.dashboard.dashboard_name}"
        outputs["DashboardUrl"] = (dashboard, "Who comes, what is sent, what fails, and what it costs")
    for key, (value, description) in outputs.items():
        CfnOutput(stack, key, value=value, description=description)
