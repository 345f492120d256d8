"""The WebSocket API: three routes to one function, and the stage that publishes them."""

from __future__ import annotations

from typing import cast

from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_lambda as lambda_
from aws_cdk.aws_apigatewayv2_integrations import WebSocketLambdaIntegration
from constructs import Construct

from ..findings import accept_finding
from ..settings import Settings
from ..settings.values import BACKEND, DYNAMODB, NO_AUTH, SIGNATURE, Throttle
from .access_log import AccessLog
from .custom_domain import CustomDomain

# Why the routes need no authorizer, by how connections are registered and subscriptions authorized.
_LOCKS = {
    (BACKEND, SIGNATURE): (
        "Anyone may connect, as in the guide, and hears nothing: only connections that the backend has registered "
        "under the application's own login receive events."
    ),
    (DYNAMODB, SIGNATURE): (
        "Anyone may connect and hears nothing: to channels that are not listed as public the function admits only "
        "subscriptions that the backend has signed under the application's own login."
    ),
    (DYNAMODB, NO_AUTH): "Whoever deployed this chose auth=none, and was warned: every event is public.",
}


class Gateway(Construct):
    """The API and its stage, and the custom domain if there is one. Every change is deployed at once.

    Attributes:
        url: where browsers connect.
        connections_url: where the backend posts: `@connections` below this URL.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, function: lambda_.IFunction) -> None:
        super().__init__(scope, construct_id)
        self.api = apigateway.WebSocketApi(
            self,
            "Api",
            api_name=settings.name,
            description=settings.description,
            route_selection_expression="$request.body.action",
            ip_address_type=apigateway.IpAddressType.DUAL_STACK if settings.ipv6 else None,
        )
        if not settings.default_endpoint:
            # The construct has no property for it.
            cast(apigateway.CfnApi, self.api.node.default_child).disable_execute_api_endpoint = True
        lock = _LOCKS[settings.registry, settings.auth]
        self._add_route("$connect", function, lock)
        self._add_route("$disconnect", function, lock)
        # With a route response the Lambda answers a client by returning; without one what it returns is dropped.
        self._add_route("$default", function, lock, return_response=True)
        self.stage = apigateway.WebSocketStage(
            self,
            "Stage",
            web_socket_api=self.api,
            stage_name=settings.stage,
            auto_deploy=True,
            throttle=_throttle_settings(settings.throttle),
            access_log_settings=self._access_log(settings),
        )
        if not settings.access_logs:
            accept_finding(
                self.stage,
                "AwsSolutions-APIG1",
                "Access logs are a setting, because in an account without a CloudWatch role for API Gateway they make "
                "the deployment fail. The function logs every event itself.",
            )
        self.url: str = self.stage.url
        self.connections_url: str = self.stage.callback_url
        self.domain = None
        if settings.domain:
            self.domain = CustomDomain(self, "Domain", settings=settings, api=self.api, stage=self.stage)
            self.url, self.connections_url = f"wss://{settings.domain}", f"https://{settings.domain}"

    def _add_route(self, key: str, function: lambda_.IFunction, lock: str, *, return_response: bool = False) -> None:
        # An integration object of its own for each route: up to aws-cdk-lib 2.269 a shared one gave only the first
        # route permission to invoke the function.
        word = key.removeprefix("$").capitalize()
        route = self.api.add_route(
            key,
            integration=WebSocketLambdaIntegration(f"{word}Integration", function),
            return_response=return_response or None,
        )
        accept_finding(route, "AwsSolutions-APIG4", lock)

    def _access_log(self, settings: Settings) -> apigateway.IAccessLogSettings | None:
        if not settings.access_logs:
            return None
        return cast(apigateway.IAccessLogSettings, AccessLog(self, "AccessLog", days=settings.log_retention_days))


def _throttle_settings(throttle: Throttle | None) -> apigateway.ThrottleSettings | None:
    if throttle is None:
        return None
    return apigateway.ThrottleSettings(rate_limit=throttle.rate, burst_limit=throttle.burst)
