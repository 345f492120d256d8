"""Reads a cloud assembly (`cdk.out`): which templates it holds and where their assets lie."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import AssemblyError
from .intrinsics import Deployment

# What an environment-agnostic stack is taken to be deployed to, unless AWS's own variables name a region.
DEFAULT_REGION = "us-east-1"
DEFAULT_ACCOUNT = "123456789012"


class StackTemplate(NamedTuple):
    """One synthesized stack."""

    path: Path
    body: Mapping[str, Any]
    deployment: Deployment
    assets: Mapping[str, Path]  # the asset's hash, which is its key in the bucket, and its file or folder

    def asset(self, code: Mapping[str, Any], metadata: Mapping[str, Any]) -> Path | None:
        """Find the file or folder that holds a function's code, `None` when the template names none.

        The CDK CLI writes the folder's name into the resource's metadata; a synthesis without it still lists every
        asset with its key in `*.assets.json`.
        """
        if metadata.get("aws:asset:property", "Code") == "Code" and "aws:asset:path" in metadata:
            return self.path.parent / str(metadata["aws:asset:path"])
        return self.assets.get(str(code.get("S3Key", "")).rsplit("/", 1)[-1].rsplit(".", 1)[0])


def read_stacks(assembly: Path, *, region: str | None = None) -> list[StackTemplate]:
    """Read every stack of a cloud assembly, nested assemblies included, or the one in a single template file.

    Raises:
        AssemblyError: there is nothing there, or it is not JSON.
    """
    default_region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
    if assembly.is_file():
        return [_stack(assembly, Deployment(_stack_name(assembly), region or default_region, DEFAULT_ACCOUNT))]
    if not assembly.is_dir():
        raise AssemblyError(f"{assembly} does not exist; give the folder that 'cdk synth' writes, e.g. cdk.out")
    manifest = assembly / "manifest.json"
    if not manifest.is_file():
        templates = sorted(assembly.glob("*.template.json"))
        if not templates:
            raise AssemblyError(
                f"{assembly} holds neither a manifest.json nor a *.template.json; run 'cdk synth' to write them"
            )
        return [stack for template in templates for stack in read_stacks(template, region=region)]
    stacks = []
    for name, artifact in (_read(manifest).get("artifacts") or {}).items():
        properties = artifact.get("properties") or {}
        if artifact.get("type") == "aws:cloudformation:stack":
            account, _, environment_region = str(artifact.get("environment", "")).removeprefix("aws://").partition("/")
            deployment = Deployment(
                properties.get("stackName") or name,
                region or _known(environment_region) or default_region,
                _known(account) or DEFAULT_ACCOUNT,
            )
            stacks.append(_stack(assembly / properties["templateFile"], deployment))
        elif artifact.get("type") == "cdk:cloud-assembly":
            stacks += read_stacks(assembly / properties["directoryName"], region=region)
    return stacks


def _known(value: str) -> str | None:
    """Return a region or an account, `None` for CDK's `unknown-region` and `unknown-account`."""
    return None if not value or value.startswith("unknown-") else value


def _stack_name(template: Path) -> str:
    return template.name.removesuffix(".json").removesuffix(".template")


def _stack(template: Path, deployment: Deployment) -> StackTemplate:
    assets = {}
    for listing in sorted(template.parent.glob("*.assets.json")):
        for key, asset in (_read(listing).get("files") or {}).items():
            source = (asset.get("source") or {}).get("path")
            if source:
                assets[key] = template.parent / source
    return StackTemplate(template, _read(template), deployment, assets)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AssemblyError(f"{path} is named by the assembly but does not exist; run 'cdk synth' again") from None
    except (OSError, ValueError) as error:
        raise AssemblyError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise AssemblyError(f"{path} holds {type(document).__name__}, not a JSON object")
    return document
