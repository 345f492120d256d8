"""The deployment in which the gateway registers connections: the table, the signatures, and what both need."""

from __future__ import annotations

from aws_cdk import Annotations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from ..settings import Settings
from ..settings.values import NO_AUTH
from .registry_table import RegistryTable
from .subscription_secret import SubscriptionSecret


class GatewayRegistration(Construct):
    """Has the function record subscriptions in a table of this stack, and verify their signatures."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        function: lambda_.Function,
        role: iam.IRole,
    ) -> None:
        super().__init__(scope, construct_id)
        self.table = RegistryTable(self, "Registry", settings=settings)
        self.secret = None if settings.auth == NO_AUTH else SubscriptionSecret(self, "Auth", api_name=settings.name)
        iam.Policy(self, "HandlerPolicy", policy_name="RegisterConnections", roles=[role], statements=self.access())
        # lambda_src reads these; without REGISTRY_TABLE the backend registers connections.
        function.add_environment("REGISTRY_TABLE", self.table.table.table_name)
        if self.secret:
            function.add_environment("SUBSCRIPTION_SECRET", self.secret.secret.secret_arn)
            if settings.public_channels:
                # A space, unlike the comma of the setting, is in no channel's name.
                function.add_environment("PUBLIC_CHANNELS", " ".join(settings.public_channels))
        else:
            function.add_environment("SUBSCRIPTION_AUTH", NO_AUTH)
            Annotations.of(self).add_warning_v2(
                "open-to-everyone",
                "auth=none: whoever knows the WebSocket URL can subscribe to every channel and hear every event, and "
                "your backend is not asked; leave the setting out to have it sign subscriptions.",
            )

    def access(self) -> list[iam.PolicyStatement]:
        """What the function may do."""
        return [part.access() for part in (self.table, self.secret) if part]

    def backend_access(self) -> list[iam.PolicyStatement]:
        """What the backend may do."""
        return [self.table.backend_access(), *([self.secret.access()] if self.secret else [])]
