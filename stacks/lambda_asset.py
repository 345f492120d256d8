"""The Lambda's code: one asset from two folders, put together without Docker."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import jsii
from aws_cdk import AssetHashType, BundlingOptions, DockerImage, ILocalBundling
from aws_cdk import aws_lambda as lambda_

from .errors import AssetError

PROJECT = Path(__file__).resolve().parent.parent

# What the Lambda imports of the library, which is the standard library alone. They are bundled without the package's
# __init__.py: as a namespace package, so that `from broadcaster.signing import …` loads nothing else.
BROADCASTER_MODULES = (
    "aws/address.py",
    "aws/at_once.py",
    "aws/environment.py",
    "aws/kept_connections.py",
    "aws/partitions.py",
    "aws/retries.py",
    "channels.py",
    "errors.py",
    "http1.py",
    "cheap_typing.py",
    "signing.py",
    "transfers.py",
)

# What it has besides, of its own and of the library, where the gateway registers connections.
REGISTERING_SOURCES = (
    "admission.py",
    "aws_services.py",
    "past.py",
    "registry.py",
    "signing_secret.py",
    "subscriptions.py",
)
REGISTERING_MODULES = (
    "authorization.py",
    "aws/json_service.py",
    "compact_json.py",
    "connections.py",
    "history/dynamodb_jobs.py",
    "history/dynamodb_rows.py",
    "history/lifetimes.py",
    "history/positions.py",
    "history/recovery.py",
    "registries/dynamodb_jobs.py",
    "registries/dynamodb_rows.py",
    "registries/lifetime.py",
    "registries/deployments/scope.py",
    "secret_lifetime.py",
)


# What it has besides where it publishes for other languages.
PUBLISHING_SOURCES = ("publisher.py", "publishing/")  # a folder with all that is in it
PUBLISHING_MODULES = (
    "aws/credentials.py",
    "channel_map.py",
    "endpoint.py",
    "forks.py",
    "history/endings.py",
    "history/epochs.py",
    "json_data.py",
    "listeners.py",
    "log.py",
    "messages.py",
    "results.py",
    "sending/defaults.py",
    "sending/engine/addresses.py",
    "sending/engine/clock_skew.py",
    "sending/engine/dialing.py",
    "sending/engine/engine.py",
    "sending/engine/kept.py",
    "sending/engine/link.py",
    "sending/engine/links.py",
    "sending/engine/reactor.py",
    "sending/engine/signatures.py",
    "sending/engine/task.py",
    "sending/fan_out.py",
    "sending/pace.py",
    "sending/refusals.py",
    "sending/sender.py",
    "sending/targets.py",
    "tls.py",
)


def source_files(project: Path = PROJECT, *, registers: bool = True, publishes: bool = False) -> dict[str, Path]:
    """The asset's files: their path in the asset (with slashes), and where they come from.

    Python sources alone, so that neither a `__pycache__` nor an editor's leftovers change the asset's hash.

    Args:
        registers: whether the gateway registers connections.
        publishes: whether there is the function that publishes; only where the gateway registers them.

    Raises:
        AssetError: if the handler or one of the library's modules is missing.
    """
    lambda_src = _lambda_src(project)
    files = {path.relative_to(lambda_src).as_posix(): path for path in sorted(lambda_src.rglob("*.py"))}
    modules: tuple[str, ...] = BROADCASTER_MODULES
    if publishes:
        modules += PUBLISHING_MODULES
    else:
        files = {name: path for name, path in files.items() if not name.startswith(PUBLISHING_SOURCES)}
    if registers:
        modules += REGISTERING_MODULES
    else:
        files = {name: path for name, path in files.items() if name not in REGISTERING_SOURCES}
    files |= {f"broadcaster/{name}": project / "broadcaster" / name for name in modules}
    for path in [lambda_src / "handler.py", *files.values()]:
        if not path.is_file():
            missing = path.relative_to(project).as_posix()
            raise AssetError(f"{missing} is missing, which the Lambda needs; restore it, e.g. git checkout {missing}")
    return files


def _lambda_src(project: Path) -> Path:
    installed = Path(__file__).with_name("lambda_src")  # of the distribution, which has it beside this file
    return installed if installed.is_dir() else project / "lambda_src"


def lambda_code(project: Path = PROJECT, *, registers: bool, publishes: bool = False) -> lambda_.Code:
    """Code for a function whose asset hash depends on the bundled files alone.

    Raises:
        AssetError: see `source_files`.
    """
    return lambda_.Code.from_asset(
        str(_lambda_src(project)),
        asset_hash_type=AssetHashType.OUTPUT,
        bundling=BundlingOptions(
            image=DockerImage.from_registry("unused"),  # required by the CDK, never pulled: bundling locally succeeds
            local=_CopyFiles(source_files(project, registers=registers, publishes=publishes)),
        ),
    )


@jsii.implements(ILocalBundling)
class _CopyFiles:
    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files

    # jsii gives the bundling options by position, while the interface says by name. They do not matter here.
    def try_bundle(self, output_dir: str, *_options: Any, **_named_options: Any) -> bool:
        for name, source in self._files.items():
            target = Path(output_dir, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        return True
