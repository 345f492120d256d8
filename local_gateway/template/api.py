"""What a synthesized template says about its WebSocket API: stage, routes, integrations and functions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import AssemblyError, TemplateError
from ..limits import INTEGRATION_TIMEOUT, LAMBDA_MEMORY, LAMBDA_TIMEOUT
from ..throttle import StageThrottle
from .assembly import StackTemplate, read_stacks
from .intrinsics import API, FUNCTION, FUNCTION_URL, Deployment, Resolver
from .permissions import missing_permissions
from .selection import SelectionExpression

_INVOCATION = re.compile(r"arn:[^:]+:apigateway:[^:]*:lambda:path/2015-03-31/functions/(?P<arn>.+)/invocations")
_FUNCTION_ARN_PARTS = 7  # arn:aws:lambda:region:account:function:name; an eighth is an alias or a version


@dataclass(frozen=True)
class Function:
    """A Lambda function as the template describes it."""

    name: str
    arn: str
    handler: str
    runtime: str
    timeout: float  # seconds
    memory: int  # MB
    environment: Mapping[str, str]
    code: Path | None  # the asset's folder or zip file
    inline_code: str | None = None  # the text of index.py, for a function without an asset
    concurrency: int | None = None  # executions at once, where the template reserves some


@dataclass(frozen=True)
class Route:
    """A route and where its events go."""

    key: str
    function: Function
    is_two_way: bool = False  # has a route response, so what the Lambda returns is sent to the client
    timeout: float = INTEGRATION_TIMEOUT  # seconds


@dataclass(frozen=True)
class WebSocketApi:
    """One stage of one WebSocket API."""

    api_id: str
    name: str
    stage: str
    deployment: Deployment
    selection: SelectionExpression
    routes: Mapping[str, Route]
    urls: Mapping[str, Function] = field(default_factory=dict)  # the functions behind function URLs, by logical id
    throttles: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # see StageThrottle
    warnings: tuple[str, ...] = ()  # sentences about what AWS would refuse
    template: Path | None = None  # the file that all this was read from

    @property
    def host(self) -> str:
        """The name that the API has on AWS."""
        return f"{self.api_id}.execute-api.{self.deployment.region}.{self.deployment.url_suffix}"

    @property
    def functions(self) -> list[Function]:
        """Each function behind a route or a function URL, once."""
        functions = [*(route.function for route in self.routes.values()), *self.urls.values()]
        return list({function.arn: function for function in functions}.values())


def read_api(
    assembly: Path, *, api: str | None = None, stage: str | None = None, region: str | None = None
) -> WebSocketApi:
    """Read the WebSocket API of a cloud assembly or of a single template file.

    `api` (a logical id or a name) chooses among several, `stage` among the stages of one.

    Raises:
        AssemblyError: the assembly or an asset is missing or unreadable.
        TemplateError: there is no such API, several, or something in it cannot be served here.
    """
    found: list[tuple[str, str, StackTemplate, Resolver]] = []
    stacks = read_stacks(assembly, region=region)
    for stack in stacks:
        resolver = Resolver(stack.body, stack.deployment)
        for logical_id, properties in resolver.of_type(API).items():
            if properties.get("ProtocolType") == "WEBSOCKET":
                found.append((logical_id, str(resolver.resolve(properties.get("Name", logical_id))), stack, resolver))
    chosen = [one for one in found if api is None or api in one[:2]]
    names = ", ".join(f"{logical_id} in {stack.path.name}" for logical_id, _, stack, _ in found)
    if not found:
        looked = ", ".join(stack.path.name for stack in stacks) or "no template"
        raise TemplateError(
            f"{assembly} has no WebSocket API (looked in {looked});"
            " it takes an AWS::ApiGatewayV2::Api with ProtocolType WEBSOCKET"
        )
    if not chosen:
        raise TemplateError(f"{assembly} has no WebSocket API {api!r}; it has {names}")
    if len(chosen) > 1:
        raise TemplateError(f"{assembly} has {len(chosen)} WebSocket APIs ({names}); choose one with --api LOGICAL_ID")
    logical_id, name, stack, resolver = chosen[0]
    return _Reader(logical_id, name, stack, resolver).read(stage)


class _Reader:
    """Reads one API out of one template."""

    def __init__(self, logical_id: str, name: str, stack: StackTemplate, resolver: Resolver) -> None:
        self._logical_id = logical_id
        self._name = name
        self._stack = stack
        self._resolver = resolver
        self._api_id = resolver.physical_id(logical_id)
        self._warnings: list[str] = []
        self._functions: dict[str, Function] = {}

    def read(self, stage: str | None) -> WebSocketApi:
        properties = self._resolver.resolve(self._resolver.of_type(API)[self._logical_id])
        routes = self._read_routes()
        urls = self._read_urls()
        stage = self._choose_stage(stage)
        self._warnings += missing_permissions(
            self._resolver,
            api_id=self._api_id,
            stage=stage,
            routes={key: (route.function.name, route.function.arn) for key, route in routes.items()},
        )
        return WebSocketApi(
            api_id=self._api_id,
            name=self._name,
            stage=stage,
            deployment=self._stack.deployment,
            selection=SelectionExpression(properties.get("RouteSelectionExpression", "$request.body.action")),
            routes=routes,
            urls=urls,
            warnings=tuple(self._warnings),
            throttles=_throttles(self._stages()[stage]),
            template=self._stack.path,
        )

    def _of_this_api(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """Logical id and resolved properties of this API's resources of one type."""
        resolved = {
            logical_id: self._resolver.resolve(properties)
            for logical_id, properties in self._resolver.of_type(resource_type).items()
        }
        return {
            logical_id: properties
            for logical_id, properties in resolved.items()
            if properties.get("ApiId") == self._api_id
        }

    def _stages(self) -> dict[str, dict[str, Any]]:
        return {
            str(properties.get("StageName")): properties
            for properties in self._of_this_api("AWS::ApiGatewayV2::Stage").values()
        }

    def _choose_stage(self, wanted: str | None) -> str:
        stages = self._stages()
        if not stages:
            raise TemplateError(f"WebSocket API {self._name} has no stage; it takes an AWS::ApiGatewayV2::Stage")
        if wanted is not None and wanted not in stages:
            raise TemplateError(f"WebSocket API {self._name} has no stage {wanted!r}; it has {', '.join(stages)}")
        if wanted is None and len(stages) > 1:
            raise TemplateError(
                f"WebSocket API {self._name} has {len(stages)} stages ({', '.join(stages)});"
                " choose one with --stage NAME"
            )
        name = wanted or next(iter(stages))
        if not stages[name].get("AutoDeploy") and not stages[name].get("DeploymentId"):
            self._warnings.append(
                f"stage {name} has neither AutoDeploy nor a deployment: on AWS every handshake would be answered 403"
            )
        return name

    def _read_routes(self) -> dict[str, Route]:
        integrations = {
            self._resolver.physical_id(logical_id): properties
            for logical_id, properties in self._of_this_api("AWS::ApiGatewayV2::Integration").items()
        }
        with_response = {
            properties.get("RouteId")
            for properties in self._of_this_api("AWS::ApiGatewayV2::RouteResponse").values()
            if properties.get("RouteResponseKey") == "$default"
        }
        routes = {}
        for logical_id, properties in self._of_this_api("AWS::ApiGatewayV2::Route").items():
            key = str(properties.get("RouteKey"))
            authorization = properties.get("AuthorizationType", "NONE")
            if authorization != "NONE":
                raise TemplateError(
                    f"route {key} has AuthorizationType {authorization}; the gateway serves routes with NONE alone"
                )
            integration = integrations.get(str(properties.get("Target", "")).removeprefix("integrations/"))
            if integration is None:
                raise TemplateError(f"route {key} has no integration in the template; its Target must name one")
            routes[key] = Route(
                key=key,
                function=self._function_of(key, integration),
                # AWS sends what the Lambda returns only if both are there: the expression and the response.
                is_two_way=properties.get("RouteResponseSelectionExpression") == "$default"
                and self._resolver.physical_id(logical_id) in with_response,
                timeout=float(integration.get("TimeoutInMillis", INTEGRATION_TIMEOUT * 1000)) / 1000,
            )
        if not routes:
            raise TemplateError(f"WebSocket API {self._name} has no routes; it takes an AWS::ApiGatewayV2::Route")
        return routes

    def _function_of(self, key: str, integration: Mapping[str, Any]) -> Function:
        kind, uri = integration.get("IntegrationType"), str(integration.get("IntegrationUri", ""))
        match = _INVOCATION.fullmatch(uri)
        if kind != "AWS_PROXY" or match is None:
            raise TemplateError(
                f"route {key} has an integration of type {kind} to {uri or 'nothing'};"
                " the gateway knows AWS_PROXY to a Lambda function alone"
            )
        return self._function_at(match["arn"], f"route {key}")

    def _read_urls(self) -> dict[str, Function]:
        urls = {}
        for logical_id, properties in self._resolver.of_type(FUNCTION_URL).items():
            given = self._resolver.resolve(properties)
            try:
                if given.get("AuthType") != "NONE":
                    raise TemplateError(f"it has AuthType {given.get('AuthType')}; the gateway serves NONE alone")
                urls[logical_id] = self._function_at(str(given.get("TargetFunctionArn", "")), "it")
            except (AssemblyError, TemplateError) as error:  # the API can be served without it
                self._warnings.append(f"function URL {logical_id} is not served: {error}")
        return urls

    def _function_at(self, given: str, who: str) -> Function:
        """Read the function with an ARN or a name."""
        arn = ":".join(given.split(":")[:_FUNCTION_ARN_PARTS])
        for logical_id, properties in self._resolver.of_type(FUNCTION).items():
            if arn in (self._resolver.arn(logical_id), self._resolver.physical_id(logical_id)):
                if arn not in self._functions:
                    self._functions[arn] = self._read_function(logical_id, properties)
                return self._functions[arn]
        raise TemplateError(f"{who} invokes {arn}, which is no function of {self._stack.path.name}")

    def _read_function(self, logical_id: str, properties: Mapping[str, Any]) -> Function:
        name = self._resolver.physical_id(logical_id)
        runtime = str(self._resolver.resolve(properties.get("Runtime", "none (a container image)")))
        if not re.fullmatch(r"python3\.\d+", runtime):
            raise TemplateError(f"function {name} has runtime {runtime}; the gateway runs python3.x alone")
        if properties.get("Layers"):
            self._warnings.append(f"function {name} uses layers, which are not loaded here: its imports may fail")
        environment = self._resolver.resolve((properties.get("Environment") or {}).get("Variables") or {})
        code = self._resolver.resolve(properties.get("Code") or {})
        asset = self._stack.asset(code, self._stack.body["Resources"][logical_id].get("Metadata") or {})
        if asset is None and "ZipFile" not in code:
            raise AssemblyError(
                f"function {name} has its code in {code.get('S3Key', 'no asset')}, which the assembly does not hold;"
                " synthesize with asset metadata"
            )
        if asset is not None and not asset.exists():
            raise AssemblyError(f"function {name} has its code in {asset}, which does not exist; run 'cdk synth' again")
        reserved = self._resolver.resolve(properties.get("ReservedConcurrentExecutions"))
        return Function(
            name=name,
            arn=self._resolver.arn(logical_id),
            handler=str(self._resolver.resolve(properties.get("Handler", ""))),
            runtime=runtime,
            timeout=float(self._resolver.resolve(properties.get("Timeout", LAMBDA_TIMEOUT))),
            memory=int(self._resolver.resolve(properties.get("MemorySize", LAMBDA_MEMORY))),
            environment={key: _environment_text(value) for key, value in environment.items()},
            code=asset,
            inline_code=None if asset is not None else str(code["ZipFile"]),
            concurrency=None if reserved is None else int(reserved),
        )


def _environment_text(value: Any) -> str:
    """Return a variable's value as Lambda gets it; CloudFormation writes a template's `true` as `true`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _throttles(stage: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Rate and burst of each route that the stage throttles."""
    settings = {StageThrottle.ALL: stage.get("DefaultRouteSettings") or {}, **(stage.get("RouteSettings") or {})}
    return {
        key: (float(given.get("ThrottlingRateLimit", 0)), float(given.get("ThrottlingBurstLimit", 0)))
        for key, given in settings.items()
        # With one number alone, AWS takes the other for zero and refuses everything.
        if "ThrottlingRateLimit" in given or "ThrottlingBurstLimit" in given
    }
