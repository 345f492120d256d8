"""The stage's access log: one line of JSON for each handshake, message and disconnect."""

from __future__ import annotations

import json

import jsii
from aws_cdk import aws_apigateway
from aws_cdk import aws_apigatewayv2 as apigateway
from constructs import Construct

from ..log_groups import log_group_with_retention

# Variables of the API Gateway developer guide, "Monitor WebSocket API execution". The format must have the request id.
# Neither messages nor query strings: a token may be in them.
FIELDS = {
    "requestTime": "$context.requestTime",
    "requestId": "$context.requestId",
    "eventType": "$context.eventType",
    "routeKey": "$context.routeKey",
    "connectionId": "$context.connectionId",
    "sourceIp": "$context.identity.sourceIp",
    "status": "$context.status",
    "error": "$context.error.message",
    "integrationError": "$context.integrationErrorMessage",
}


@jsii.implements(apigateway.IAccessLogSettings)
class AccessLog(Construct):
    """Access log settings for a WebSocket stage.

    They are an object that implements the interface, because in Python the dict of the CDK's own example is refused.

    The account and region need a CloudWatch role in API Gateway's settings, or the deployment fails with "CloudWatch
    Logs role ARN must be set in account settings to enable logging". The stack does not set it: there is one for the
    whole account and region, and others may depend on it.
    """

    def __init__(self, scope: Construct, construct_id: str, *, days: int) -> None:
        super().__init__(scope, construct_id)
        self._destination = apigateway.LogGroupLogDestination(log_group_with_retention(self, "Log", days=days))

    @property
    def destination(self) -> apigateway.IAccessLogDestination:
        return self._destination

    @property
    def format(self) -> aws_apigateway.AccessLogFormat:
        return aws_apigateway.AccessLogFormat.custom(json.dumps(FIELDS))
