"""Who may post to, look at and close the open connections: of the deployed API and stage, and of no other."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct

from ..findings import accept_wildcard
from ..settings import Settings
from . import Gateway


class HandlerAccess(Construct):
    """The function's inline policy: it pushes to connections (POST), and neither looks at them nor closes them."""

    def __init__(self, scope: Construct, construct_id: str, *, gateway: Gateway, role: iam.IRole) -> None:
        super().__init__(scope, construct_id)
        arns = [_connections_arn(gateway, "POST")]
        policy = iam.Policy(
            self, "Policy", policy_name="ApiGatewayManageConnections", roles=[role], statements=[_grant(arns)]
        )
        _accept_wildcards(policy, arns)


class BackendAccess(Construct):
    """A managed policy to attach to whatever role or user the backend has.

    It allows what the library does with one connection: send to it (POST), look at it (GET) and close it (DELETE).

    Roles and users in the settings are attached to it by CloudFormation, which detaches them before it removes the
    policy. It cannot remove one that anybody else has attached.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, gateway: Gateway) -> None:
        super().__init__(scope, construct_id)
        arns = [_connections_arn(gateway, verb) for verb in ("POST", "GET", "DELETE")]
        # Without a name of its own, so that two regions of one account, which share IAM, can both have the stack.
        self.policy = iam.ManagedPolicy(
            self,
            "Policy",
            description=f"Send to, look at and close connections of {gateway.api.web_socket_api_name}",
            statements=[_grant(arns)],
            roles=[iam.Role.from_role_name(self, f"Role-{name}", name) for name in settings.backend_role],
            users=[iam.User.from_user_name(self, f"User-{name}", name) for name in settings.backend_user],
        )
        _accept_wildcards(self.policy, arns)


def _connections_arn(gateway: Gateway, verb: str) -> str:
    # No slash before the verb: with one, the ARN has two in a row and matches nothing.
    arn: str = gateway.api.arn_for_execute_api_v2(f"{verb}/@connections/*", gateway.stage.stage_name)
    return arn


def _grant(arns: list[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=["execute-api:ManageConnections"], resources=arns)


def _accept_wildcards(policy: Construct, arns: list[str]) -> None:
    for arn in arns:
        accept_wildcard(
            policy,
            arn,
            "The star is the connection id, which API Gateway makes up for each connection; the API, the stage and the "
            "verb are named.",
        )
