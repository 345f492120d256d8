"""Where each setting was found: in an argument, in a variable of the environment, or nowhere."""

import argparse
import os

from ...aws.environment import REGION_VARIABLES, endpoint_in_environment
from ...endpoint import API_ID_VARIABLE, STAGE_VARIABLE, Endpoint, resolve_endpoint
from ...errors import ConfigurationError
from ...registries.choose import VARIABLE
from .finding import Finding, good, shorten, split_advice

_NAMES = (API_ID_VARIABLE, STAGE_VARIABLE, REGION_VARIABLES[0])


def find_settings(given: argparse.Namespace) -> tuple[Endpoint | None, Finding]:
    """Return where the deployment is, if that is known, and the finding that says where that was found."""
    try:
        endpoint = resolve_endpoint(
            given.api_id, region=given.region, stage=given.stage, endpoint_url=given.endpoint_url
        )
    except ConfigurationError as error:
        found = split_advice("settings", error)
        return None, found._replace(advice=f"{found.advice}; in the environment {', '.join(_NAMES)}")
    in_environment = endpoint_in_environment("execute-api")
    if given.endpoint_url:
        parts = [f"{endpoint.url} ({_place_of(given, 'endpoint_url')})"]
    elif in_environment:
        parts = [f"{endpoint.url} ({in_environment[1]})"]
    else:
        api_id = given.api_id or os.environ[API_ID_VARIABLE]
        parts = [
            f"API {shorten(api_id)} ({'--api-id' if given.api_id else API_ID_VARIABLE})",
            f"stage {endpoint.base_path.strip('/')} ({_place_of_stage(given)})",
        ]
    parts.append(f"region {endpoint.region} ({_place_of_region(given, endpoint)})")
    return endpoint, good("settings", ", ".join(parts))


def place_of_registry(given: argparse.Namespace) -> str:
    """Return where it was said which registry to use."""
    if given.registry:
        return _place_of(given, "registry")
    return VARIABLE if os.environ.get(VARIABLE) else "the default"


def _place_of(given: argparse.Namespace, argument: str) -> str:
    return f"the stack {given.stack}" if argument in given.from_stack else f"--{argument.replace('_', '-')}"


def _place_of_stage(given: argparse.Namespace) -> str:
    if given.stage is not None:
        return "--stage"
    return STAGE_VARIABLE if os.environ.get(STAGE_VARIABLE) else "the default"


def _place_of_region(given: argparse.Namespace, endpoint: Endpoint) -> str:
    if given.region:
        return _place_of(given, "region")
    if f".{endpoint.region}." in endpoint.host:
        return "the host's name" if given.endpoint_url or endpoint_in_environment("execute-api") else _variable()
    return _variable()


def _variable() -> str:
    return next((name for name in REGION_VARIABLES if os.environ.get(name)), REGION_VARIABLES[0])
