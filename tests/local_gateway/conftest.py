"""Cloud assemblies written from scratch, gateways that serve them, and calls to `@connections` as an SDK makes them."""

import asyncio
import io
import json
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from multidict import istr
from yarl import URL

from local_gateway.event_log import EventLog
from local_gateway.faults import Faults
from local_gateway.gateway import Gateway, Settings
from local_gateway.management.sigv4 import Credentials
from local_gateway.template.api import read_api

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"


class Assembly:
    """Writes a cloud assembly as the CDK CLI would: a manifest, a template and an asset folder per function."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.resources: dict[str, Any] = {
            "Api": self.resource(
                "AWS::ApiGatewayV2::Api",
                Name="chat",
                ProtocolType="WEBSOCKET",
                RouteSelectionExpression="$request.body.action",
            ),
            "Stage": self.resource("AWS::ApiGatewayV2::Stage", ApiId={"Ref": "Api"}, StageName="live", AutoDeploy=True),
        }

    @staticmethod
    def resource(resource_type: str, **properties: Any) -> dict[str, Any]:
        return {"Type": resource_type, "Properties": properties}

    def asset(self, function: str) -> Path:
        return self.folder / f"asset.{function.lower()}"

    def function(self, name: str, code: str, **properties: Any) -> None:
        """Add a function whose module `app` holds `code`."""
        self.asset(name).mkdir(parents=True, exist_ok=True)
        (self.asset(name) / "app.py").write_text(textwrap.dedent(code), encoding="utf-8")
        self.resources[name] = self.resource(
            "AWS::Lambda::Function",
            **{
                "Handler": "app.handler",
                "Runtime": RUNTIME,
                "Timeout": 20,
                "MemorySize": 256,
                "Code": {"S3Bucket": "assets", "S3Key": f"{name.lower()}.zip"},
                **properties,
            },
        )
        self.resources[name]["Metadata"] = {"aws:asset:path": self.asset(name).name, "aws:asset:property": "Code"}

    def route(self, key: str, function: str, *, is_two_way: bool = False, **integration: Any) -> None:
        """Add a route to a function, with its integration, its permission and, if two-way, its response."""
        name = f"R{len(self.resources)}"
        self.resources[f"{name}I"] = self.resource(
            "AWS::ApiGatewayV2::Integration",
            **{
                "ApiId": {"Ref": "Api"},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": {
                    "Fn::Join": [
                        "",
                        [
                            "arn:",
                            {"Ref": "AWS::Partition"},
                            ":apigateway:",
                            {"Ref": "AWS::Region"},
                            ":lambda:path/2015-03-31/functions/",
                            {"Fn::GetAtt": [function, "Arn"]},
                            "/invocations",
                        ],
                    ]
                },
                **integration,
            },
        )
        self.resources[f"{name}P"] = self.resource(
            "AWS::Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName={"Fn::GetAtt": [function, "Arn"]},
            Principal="apigateway.amazonaws.com",
            SourceArn={"Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*" + key},
        )
        route = {"RouteKey": key, "Target": {"Fn::Join": ["", ["integrations/", {"Ref": f"{name}I"}]]}}
        if is_two_way:
            route["RouteResponseSelectionExpression"] = "$default"
            self.resources[f"{name}Response"] = self.resource(
                "AWS::ApiGatewayV2::RouteResponse",
                ApiId={"Ref": "Api"},
                RouteId={"Ref": name},
                RouteResponseKey="$default",
            )
        self.resources[name] = self.resource("AWS::ApiGatewayV2::Route", ApiId={"Ref": "Api"}, **route)

    def write(self) -> Path:
        """Write manifest and template; returns the folder, to give as --assembly."""
        self.folder.mkdir(parents=True, exist_ok=True)
        manifest = {
            "artifacts": {
                "Chat.assets": {"type": "cdk:asset-manifest", "properties": {"file": "Chat.assets.json"}},
                "Chat": {
                    "type": "aws:cloudformation:stack",
                    "environment": "aws://unknown-account/eu-west-3",
                    "properties": {"templateFile": "Chat.template.json"},
                },
            }
        }
        (self.folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        (self.folder / "Chat.template.json").write_text(json.dumps({"Resources": self.resources}), encoding="utf-8")
        return self.folder


@pytest.fixture
def assembly(tmp_path: Path) -> Assembly:
    """An assembly with an API and a stage `live`, still without functions and routes."""
    return Assembly(tmp_path / "cdk.out")


def sign(credentials: Credentials, method: str, url: str, body: bytes, region: str) -> dict[str, str]:
    """The headers of a signed request, as botocore makes them."""
    request = AWSRequest(method, url, data=body)
    SigV4Auth(BotocoreCredentials(*credentials), "execute-api", region).add_auth(request)
    return dict(request.headers)


@pytest.fixture
def signed() -> Callable[..., dict[str, str]]:
    """Signs requests that no HTTP library is to make."""
    return sign


RECORD = """
import json

def handler(event, context):
    with open("../events", "a") as file:  # beside the asset, where it is no change of the source
        file.write(json.dumps(event) + "\\n")
    return {"statusCode": 200, "body": event["requestContext"]["connectionId"]}
"""


class Running:
    """A gateway that serves, with an HTTP session and its log."""

    def __init__(self, gateway: Gateway, session: aiohttp.ClientSession, log: io.StringIO) -> None:
        self.gateway = gateway
        self.log = log
        self._session = session

    async def connect(
        self, query: str = "", *, skip_user_agent: bool = False, **options: Any
    ) -> aiohttp.ClientWebSocketResponse:
        if skip_user_agent:
            self._session._skip_auto_headers = frozenset({istr("User-Agent")})
        return await self._session.ws_connect(self.gateway.websocket_url + query, **options)

    async def refused(self, query: str = "", **options: Any) -> aiohttp.WSServerHandshakeError:
        """The error of a handshake that is expected to be refused."""
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await self.connect(query, **options)
        return error.value

    async def call(
        self, method: str, connection_id: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, bytes]:
        """Status, error type and body of a call to `@connections`."""
        url = f"{self.gateway.connections_url}/@connections/{connection_id}"
        if headers is None:
            headers = sign(self.gateway.credentials, method, url, body, self.gateway.api.deployment.region)
        async with self._session.request(
            method, URL(url, encoded=True), data=io.BytesIO(body) if body else None, headers=headers
        ) as response:
            return response.status, response.headers.get("x-amzn-ErrorType", ""), await response.read()

    async def post(self, url: str, body: bytes) -> int:
        """Status of a signed POST to a URL that is sent exactly as it is written."""
        headers = sign(self.gateway.credentials, "POST", url, body, self.gateway.api.deployment.region)
        async with self._session.post(URL(url, encoded=True), data=body, headers=headers) as response:
            return response.status

    async def get(self, path: str) -> tuple[int, str]:
        """Status and error type of a plain HTTP request."""
        url = f"http://127.0.0.1:{self.gateway.port}{path}"
        async with self._session.get(url) as response:
            return response.status, response.headers.get("x-amzn-ErrorType", "")

    async def ask(self, socket: aiohttp.ClientWebSocketResponse, message: str) -> Any:
        """Send a message and return the answer, read as JSON."""
        await socket.send_str(message)
        return await socket.receive_json(timeout=60)


Serve = Callable[..., Awaitable[Running]]


@pytest.fixture
async def serve(assembly: Assembly) -> AsyncIterator[Serve]:
    """Starts gateways for the assembly as it then is; stops them after the test."""
    started: list[tuple[Gateway, aiohttp.ClientSession]] = []

    async def start(faults: Faults | None = None, **settings: Any) -> Running:
        log = io.StringIO()
        folder = assembly.write()
        gateway = Gateway(
            read_api(folder),
            Settings(**settings),
            faults=faults,
            log=EventLog(log),
            read_again=lambda: read_api(folder),
        )
        await gateway.start()
        session = aiohttp.ClientSession()
        started.append((gateway, session))
        return Running(gateway, session, log)

    yield start
    for gateway, session in started:
        await session.close()
        await gateway.stop()


@pytest.fixture
def recorded(assembly: Assembly) -> Callable[..., list[Any]]:
    """Gives $connect, $disconnect and $default a function that answers with the connection's id and keeps its events.

    The value reads them: all, or those of one event type.
    """
    assembly.function("Record", RECORD)
    for key in ("$connect", "$disconnect", "$default"):
        assembly.route(key, "Record", is_two_way=key == "$default")

    def read(event_type: str | None = None) -> list[Any]:
        path = assembly.folder / "events"
        written = path.read_text() if path.exists() else ""
        events = [json.loads(line) for line in written.rpartition("\n")[0].splitlines()]  # the last may be half there
        return [event for event in events if event_type in (None, event["requestContext"]["eventType"])]

    return read


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Awaitable[Any]]:
    """Waits until a condition holds and returns its value; the suite's time limit ends a wait in vain."""

    async def wait(condition: Callable[[], Any]) -> Any:
        while not (value := condition()):  # noqa: ASYNC110 - it happens in other processes, which set no event
            await asyncio.sleep(0.01)
        return value

    return wait
