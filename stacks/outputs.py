"""What a deployment tells: the values that a backend and a front end are configured with."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack

from .connection_access import BackendAccess
from .gateway import Gateway
from .gateway_registration import GatewayRegistration


def add_outputs(
    stack: Stack, *, gateway: Gateway, backend_access: BackendAccess, registration: GatewayRegistration | None
) -> None:
    """Add the stack's outputs. Their keys are read by programs (`cdk deploy --outputs-file`): do not rename them."""
    url = gateway.stage.url
    outputs = {
        "WebSocketUrl": (url, "Where browsers connect"),
        "ApiId": (gateway.api.api_id, "init_broadcaster(api_id=...)"),
        "Region": (stack.region, "init_broadcaster(region=...)"),
        "Stage": (gateway.stage.stage_name, "init_broadcaster(stage=...)"),
        "ConnectionsUrl": (gateway.stage.callback_url, "Where the backend posts: @connections below this URL"),
        "BackendPolicyArn": (backend_access.policy.managed_policy_arn, "Attach it to the role or user of the backend"),
        "NextPublicPusherKey": (f"NEXT_PUBLIC_PUSHER_KEY={url}", "A line for the .env.local of the front end"),
        "NextPublicPusherCluster": (
            f"NEXT_PUBLIC_PUSHER_CLUSTER={stack.region}",
            "A line for the .env.local of the front end",
        ),
    }
    if registration:
        table = registration.table.table.table_name
        outputs["RegistryTable"] = (table, "The DynamoDB table of who listens to what")
        outputs["RegistryUrl"] = (f"dynamodb://{table}?region={stack.region}", "init_broadcaster(registry=...)")
        if registration.secret:
            arn = registration.secret.secret.secret_arn
            outputs["SubscriptionSecretArn"] = (arn, "init_broadcaster(secret=...)")
    for key, (value, description) in outputs.items():
        CfnOutput(stack, key, value=value, description=description)
