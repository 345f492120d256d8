"""Synthesizing takes seconds, most of them to start Node: the templates are made once and shared."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Before anything imports the CDK; app.py says why.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

PROJECT = Path(__file__).resolve().parents[2]

Template = dict[str, Any]


@pytest.fixture(scope="session")
def project() -> Path:
    return PROJECT


@pytest.fixture(scope="session")
def cdk_context() -> dict[str, Any]:
    """What cdk.json gives to the app. `App()` reads it only when the command line runs it."""
    context: dict[str, Any] = json.loads((PROJECT / "cdk.json").read_text("utf-8")).get("context", {})
    return context


@pytest.fixture(scope="session")
def template_path(cdk_context: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Synthesizes the stack with the given settings (as with `-c`) and says where its template is."""
    from aws_cdk import App

    from stacks.settings import Settings
    from stacks.websocket_stack import WebSocketStack

    def synthesize(project: Path = PROJECT, **settings: str) -> Path:
        app = App(
            outdir=str(tmp_path_factory.mktemp("cdk")),
            context=cdk_context | settings,
            builtin_cloud_formation_validation=False,
        )
        settings_read = Settings.from_context(app.node.get_all_context())
        stack = WebSocketStack(app, settings_read.name, settings=settings_read, project=project)
        return Path(app.synth().get_stack_artifact(stack.artifact_id).template_full_path)

    return synthesize


@pytest.fixture(scope="session")
def default_template_path(template_path: Callable[..., Path]) -> Path:
    return template_path()


@pytest.fixture(scope="session")
def default_template(default_template_path: Path) -> Template:
    template: Template = json.loads(default_template_path.read_text("utf-8"))
    return template


@pytest.fixture(scope="session")
def changed_template_path(template_path: Callable[..., Path]) -> Path:
    """The template where every setting differs from its default, but the public channels, which go with signatures."""
    return template_path(
        name="other-name",
        description="Another API",
        stage="test_1",
        memory="512",
        timeout="5",
        log_retention_days="3",
        access_logs="true",
        throttle="100.5/200",
        allowed_origins="https://app.example.com,http://localhost:3000",
        registry="dynamodb",
        auth="none",
        point_in_time_recovery="true",
        keep_table="true",
        concurrency="20",
        backend_role="my-backend,other-backend",
        backend_user="windows-server",
        permissions_boundary="developer-boundary",
        ipv6="true",
        domain="ws.example.com",
        certificate="arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012",
        zone="Z0123456789ABCDEFGHIJ",
        default_endpoint="false",
        monitoring="ops@example.com",
        daily_budget="5",
        quotas="2500/400",
    )


@pytest.fixture(scope="session")
def changed_template(changed_template_path: Path) -> Template:
    template: Template = json.loads(changed_template_path.read_text("utf-8"))
    return template


@pytest.fixture(scope="session")
def registering_template_path(template_path: Callable[..., Path]) -> Path:
    """The template where the gateway registers connections, and the rest is as it is by default."""
    return template_path(registry="dynamodb", public_channels="news,public-*")


@pytest.fixture(scope="session")
def registering_template(registering_template_path: Path) -> Template:
    template: Template = json.loads(registering_template_path.read_text("utf-8"))
    return template


@pytest.fixture(scope="session")
def publishing_template_path(template_path: Callable[..., Path]) -> Path:
    """The template where other languages publish, in both forms."""
    return template_path(registry="dynamodb", publish="bearer", publish_concurrency="5")


@pytest.fixture(scope="session")
def publishing_template(publishing_template_path: Path) -> Template:
    template: Template = json.loads(publishing_template_path.read_text("utf-8"))
    return template


@pytest.fixture(scope="session")
def properties() -> Callable[[Template, str], list[dict[str, Any]]]:
    """The properties of a template's resources of one type, as CloudFormation would see them, without their names."""

    def find(template: Template, resource_type: str) -> list[dict[str, Any]]:
        return [
            _written_out(resource["Properties"])
            for resource in template["Resources"].values()
            if resource["Type"] == resource_type
        ]

    return find


@pytest.fixture(scope="session")
def outputs() -> Callable[[Template], dict[str, str]]:
    """A template's outputs, by key."""

    def find(template: Template) -> dict[str, str]:
        return {key: _written_out(output["Value"]) for key, output in template["Outputs"].items()}

    return find


def _written_out(value: Any) -> Any:
    """The value with references as text: `arn:<AWS::Partition>:…`, `<Function.Arn>`."""
    if isinstance(value, list):
        return [_written_out(item) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Ref": name}:
            return f"<{name.rstrip('0123456789ABCDEF')}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name.rstrip('0123456789ABCDEF')}.{attribute}>"
        case {"Fn::Join": [separator, parts]}:
            return separator.join(_written_out(part) for part in parts)
    return {key: _written_out(item) for key, item in value.items()}
