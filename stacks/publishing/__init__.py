"""The way in for other languages: a second function behind an HTTPS address, and the key that opens it."""

from __future__ import annotations

import json
from pathlib import Path

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from ..gateway import Gateway
from ..gateway.connection_access import HandlerAccess
from ..handler_function import HandlerFunction
from ..registration.registry_table import RegistryTable
from ..settings import Settings
from ..settings.values import BEARER
from .publish_key import PublishKey, PublishToken


class Publishing(Construct):
    """The function `<name>-publisher` with its URL, its key and, where the settings ask for it, its token.

    Attributes:
        url: where stock SDKs and curl send their requests; ends with a slash.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        project: Path,
        gateway: Gateway,
        registry: RegistryTable,
    ) -> None:
        super().__init__(scope, construct_id)
        self.key = PublishKey(self, "Key", settings=settings, name=gateway.api.api_id)
        self.token = PublishToken(self, "Token", api_name=settings.name) if settings.publish == BEARER else None
        publisher = HandlerFunction(
            self,
            "Publisher",
            settings=settings,
            project=project,
            entry="publisher",
            concurrency=settings.publish_concurrency,
        )
        self.function = publisher.function
        self.log_group = publisher.log_group
        # lambda_src/publisher.py reads these.
        environment = {
            "REGISTRY_TABLE": registry.table.table_name,
            "WEBSOCKET_API_ID": gateway.api.api_id,
            "WEBSOCKET_STAGE": gateway.stage.stage_name,
            "PUBLISH_KEY": self.key.secret.secret_arn,
        }
        if self.token:
            environment["PUBLISH_BEARER"] = self.token.secret.secret_arn
        if settings.history is not None:
            environment["HISTORY"] = json.dumps(settings.history)
            environment["HISTORY_TTL"] = str(settings.history_ttl)
        if not settings.default_endpoint:
            environment["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] = gateway.connections_url
        for name, value in environment.items():
            self.function.add_environment(name, value)
        secrets = [part.secret.secret_arn for part in (self.key, self.token) if part]
        iam.Policy(
            self,
            "Policy",
            policy_name="PublishEvents",
            roles=[publisher.role],
            statements=[
                registry.publisher_access(),
                iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=secrets),
            ],
        )
        HandlerAccess(self, "Access", gateway=gateway, role=publisher.role)
        # Open to the internet, as an API is: the function looks at the signature before anything else. The construct
        # gives both permissions: to use the URL, and since October 2025 to invoke the function by it.
        # https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
        self.url: str = self.function.add_function_url(auth_type=lambda_.FunctionUrlAuthType.NONE).url
