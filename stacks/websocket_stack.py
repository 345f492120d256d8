"""The stack: one API, one function, the access to the API's connections, the table if the gateway registers,
the outputs."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import Stack
from constructs import Construct

from stacks.connection_access import BackendAccess, HandlerAccess
from stacks.gateway import Gateway
from stacks.gateway_registration import GatewayRegistration
from stacks.handler_function import HandlerFunction
from stacks.lambda_asset import PROJECT
from stacks.outputs import add_outputs
from stacks.settings import Settings
from stacks.values import BACKEND


class WebSocketStack(Stack):
    """A deployment, named by its settings. It belongs to no account or region until it is deployed."""

    def __init__(self, scope: Construct, settings: Settings, *, project: Path = PROJECT) -> None:
        # analytics_reporting would add a resource to the template that has nothing to do with this system.
        super().__init__(scope, settings.name, analytics_reporting=False)
        handler = HandlerFunction(self, "Handler", settings=settings, project=project)
        gateway = Gateway(self, "Gateway", settings=settings, function=handler.function)
        backend_access = BackendAccess(self, "BackendAccess", gateway=gateway)
        if settings.allowed_origins:
            handler.function.add_environment("ALLOWED_ORIGINS", ",".join(settings.allowed_origins))
        registration = None
        if settings.registry == BACKEND:
            # Here the function tells subscribers their connection id; where it registers them, it posts to nobody.
            HandlerAccess(self, "HandlerAccess", gateway=gateway, role=handler.role)
        else:
            registration = GatewayRegistration(
                self, "Registration", settings=settings, function=handler.function, role=handler.role
            )
            backend_access.policy.add_statements(*registration.access())
        add_outputs(self, gateway=gateway, backend_access=backend_access, registration=registration)
