"""The stack: one API, one function, the access to the API's connections, the table if the gateway registers,
the outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aws_cdk import PermissionsBoundary, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from .gateway import Gateway
from .gateway.connection_access import BackendAccess, HandlerAccess
from .handler_function import HandlerFunction
from .lambda_asset import PROJECT
from .monitoring import Monitoring
from .outputs import add_outputs
from .publishing import Publishing
from .registration import GatewayRegistration
from .settings import Settings
from .settings.values import BACKEND


class WebSocketStack(Stack):
    """A deployment as its settings describe it, in an app of this project or of anybody else.

    What else a CDK stack takes (`env`, `tags`, `termination_protection`, …) is passed on. Without `env` it belongs to
    no account or region until it is deployed.

    Attributes:
        gateway: the API and its stage.
        function: the Lambda behind the routes.
        backend_policy: what the backend may do; `role.add_managed_policy(stack.backend_policy)` gives it to a role.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings | None = None,
        project: Path = PROJECT,
        **stack_properties: Any,
    ) -> None:
        settings = settings or Settings()
        # analytics_reporting would add a resource to the template that has nothing to do with this system.
        ours: dict[str, Any] = {"analytics_reporting": False}
        if settings.permissions_boundary:
            ours["permissions_boundary"] = _boundary(settings.permissions_boundary)
        super().__init__(scope, construct_id, **ours | stack_properties)
        handler = HandlerFunction(self, "Handler", settings=settings, project=project, concurrency=settings.concurrency)
        gateway = Gateway(self, "Gateway", settings=settings, function=handler.function)
        backend_access = BackendAccess(self, "BackendAccess", settings=settings, gateway=gateway)
        self.gateway = gateway
        self.function = handler.function
        self.backend_policy: iam.ManagedPolicy = backend_access.policy
        if settings.allowed_origins:
            handler.function.add_environment("ALLOWED_ORIGINS", ",".join(settings.allowed_origins))
        if not settings.default_endpoint:
            # By itself the function posts to the API's own host name, which then no longer answers.
            handler.function.add_environment("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", gateway.connections_url)
        registration = None
        if settings.registry == BACKEND:
            # Here the function tells subscribers their connection id; where it registers them, it posts to nobody.
            HandlerAccess(self, "HandlerAccess", gateway=gateway, role=handler.role)
        else:
            registration = GatewayRegistration(
                self, "Registration", settings=settings, function=handler.function, role=handler.role
            )
            backend_access.policy.add_statements(*registration.backend_access())
        publishing = None
        if registration and settings.publish:
            publishing = Publishing(
                self,
                "Publishing",
                settings=settings,
                project=project,
                gateway=gateway,
                registry=registration.table,
            )
        monitoring = None
        if settings.monitoring:
            table = registration.table.table if registration else None
            monitoring = Monitoring(
                self, "Monitoring", settings=settings, gateway=gateway, function=handler.function, table=table
            )
        add_outputs(
            self,
            gateway=gateway,
            handler=handler,
            backend_access=backend_access,
            registration=registration,
            publishing=publishing,
            monitoring=monitoring,
        )


def _boundary(policy: str) -> PermissionsBoundary:
    """The CDK's own aspect, which every role of the stack gets."""
    if policy.startswith("arn:"):
        return PermissionsBoundary.from_arn(policy)
    return PermissionsBoundary.from_name(policy)
