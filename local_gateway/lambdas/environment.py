"""The variables of a Lambda's process: the function's own and Lambda's standard ones."""

import importlib.util
import os
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ..template.api import Function

# What Lambda's Python runtimes bring along: boto3 and what it imports.
_PROVIDED = ("boto3", "botocore", "jmespath", "s3transfer", "dateutil", "six", "urllib3")
_COVERAGE = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")
# Windows cannot start a process without these.
_SYSTEM = ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP") if os.name == "nt" else ()


class GatewayAddress(NamedTuple):
    """Where a function finds the gateway."""

    connections_url: str
    host: str
    port: int
    trusted: Path  # bundle of the certificate authorities to trust, the gateway's among them


class RoleCredentials(NamedTuple):
    """The temporary credentials of the function's role."""

    access_key: str
    secret_key: str
    token: str


def lambda_environment(
    function: Function,
    *,
    root: Path,
    region: str,
    address: GatewayAddress,
    credentials: RoleCredentials,
    extra: Mapping[str, str],
) -> dict[str, str]:
    """Return every variable of one execution environment; `extra` are those that the gateway was told to add."""
    today = datetime.now(UTC).strftime("%Y/%m/%d")
    return {
        **{name: os.environ[name] for name in _SYSTEM if name in os.environ},
        **coverage_variables(),
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        # lambda/latest/dg/configuration-envvars.html, "Defined runtime environment variables"
        "_HANDLER": function.handler,
        "_X_AMZN_TRACE_ID": "",
        "LAMBDA_TASK_ROOT": str(root),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{today}/[$LATEST]{uuid.uuid4().hex}",
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_SESSION_TOKEN": credentials.token,
        # botocore, Python's ssl with what builds on it, and requests.
        **dict.fromkeys(("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(address.trusted)),
        **function.environment,
        # sdkref/latest/guide/feature-ss-endpoints.html: AWS's own way to send one service's calls elsewhere. Also where
        # the function has been told of a custom domain: here its connections are behind this address.
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": address.connections_url,
        **extra,
    }


def coverage_variables() -> dict[str, str]:
    """Return the variables by which coverage.py asks a subprocess to count its lines, if it does."""
    return {name: os.environ[name] for name in _COVERAGE if name in os.environ}


def bytecode_cache() -> Path:
    """Return the folder for the bytecode of the provided packages, for every Python that functions run on."""
    home = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    try:
        return (Path(home) if home else Path.home() / ".cache") / "apigw-broadcaster" / "bytecode"
    except RuntimeError:  # a user without a home
        return Path(os.devnull)  # where nothing is kept


def provided_packages() -> dict[str, str]:
    """Return the folders of the packages that Lambda's runtime provides, as far as this environment has them."""
    folders = {}
    for name in (*_PROVIDED, *(["coverage"] if coverage_variables() else [])):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin)
            folders[name] = str(origin.parent.parent if origin.stem == "__init__" else origin.parent)
    return folders
