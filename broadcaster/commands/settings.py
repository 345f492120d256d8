"""Which deployment a command is about: its arguments, else what the backend's environment says."""

import argparse
from typing import Any

from ..aws.environment import endpoint_in_environment
from ..endpoint import Endpoint, resolve_endpoint, scope_of
from ..errors import ConfigurationError, InvalidArgumentError
from ..registries import Registry
from ..registries.choose import VARIABLE, make_registry
from ..registries.memory import MemoryRegistry
from ..sending.choose import make_sender
from ..sending.sender import Sender
from ..sync import Broadcaster


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Let a command take the settings of a broadcaster; without one, the environment says it."""
    group = parser.add_argument_group("the deployment", "without these, what the environment says, as for the backend")
    group.add_argument("--api-id", metavar="ID", help="e.g. abc123xyz; else WEBSOCKET_API_ID")
    group.add_argument("--region", metavar="REGION", help="e.g. us-east-1; else AWS_REGION")
    group.add_argument("--stage", metavar="STAGE", help="else WEBSOCKET_STAGE, else production")
    group.add_argument("--endpoint-url", metavar="URL", help="of a domain of your own, or of a local gateway")
    group.add_argument("--registry", metavar="URL", help=f"where the list of connections is; else {VARIABLE}")
    group.add_argument("--stack", metavar="NAME", help="take all of these from the outputs of a deployed stack")
    parser.set_defaults(secret=None, from_stack=frozenset())


def check_settings(given: argparse.Namespace) -> None:
    """Refuse arguments that the environment would override without a word.

    Raises:
        InvalidArgumentError: an address in the environment wins over them.
    """
    in_environment = endpoint_in_environment("execute-api")
    if in_environment and not given.endpoint_url and (given.api_id or given.stage):
        _, variable = in_environment
        name = "--api-id" if given.api_id else "--stage"
        raise InvalidArgumentError(f"{name} means nothing while {variable} is set; unset that, or give --endpoint-url")


def open_broadcaster(given: argparse.Namespace, **options: Any) -> Broadcaster:
    """Return a broadcaster of the deployment.

    Raises:
        ConfigurationError: a setting is missing or malformed.
    """
    return Broadcaster(
        given.api_id,
        region=given.region,
        stage=given.stage,
        endpoint_url=given.endpoint_url,
        **{"registry": given.registry, **options},
    )


def open_registry(given: argparse.Namespace) -> Registry:
    """Return the deployment's list of connections, which the backend has to share with other processes.

    Raises:
        ConfigurationError: a setting is missing or malformed, or the list is in the backend's memory.
    """
    registry, _ = make_registry(given.registry, scope=scope_of(find_endpoint(given)))
    if isinstance(registry, MemoryRegistry):
        raise ConfigurationError(
            "the list of connections is in the memory of your backend (memory://), which no other process sees; "
            f"give the backend and this command one list in Redis or DynamoDB: --registry, or {VARIABLE}"
        )
    return registry


def open_sender(given: argparse.Namespace) -> Sender:
    """Return what asks API Gateway about single connections.

    Raises:
        ConfigurationError: a setting is missing or malformed.
    """
    return make_sender(find_endpoint(given))


def find_endpoint(given: argparse.Namespace) -> Endpoint:
    """Return where the deployment's `@connections` are.

    Raises:
        ConfigurationError: a setting is missing or malformed.
    """
    return resolve_endpoint(given.api_id, region=given.region, stage=given.stage, endpoint_url=given.endpoint_url)
