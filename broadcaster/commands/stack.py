"""`--stack NAME`: what a deployment's outputs say, in place of arguments that were not given."""

import argparse
from typing import Any

from ..aws.choose import find_region
from ..aws.credentials import missing_profile
from ..errors import ConfigurationError, RefusedError

# Of the outputs that stacks/outputs.py makes: the arguments that they are.
_ARGUMENTS = {
    "ConnectionsUrl": "endpoint_url",
    "Region": "region",
    "RegistryUrl": "registry",
    "SubscriptionSecretArn": "secret",
}


def fill_in(given: argparse.Namespace) -> None:
    """Set the arguments that the stack knows and that were not given, and note in `from_stack` which these are.

    Raises:
        ConfigurationError: there is no such stack, no region, or no credentials; or the stack is none of these.
        RefusedError: CloudFormation refuses to show it, or cannot be reached.
    """
    outputs = _read_outputs(given.stack, given.region or find_region())
    if "ConnectionsUrl" not in outputs:
        raise ConfigurationError(
            f"the stack {given.stack!r} has no output ConnectionsUrl; give the name of the WebSocket API's stack, e.g. "
            "clearstar-websocket"
        )
    names = set()
    for output, argument in _ARGUMENTS.items():
        is_other_api = argument == "endpoint_url" and given.api_id
        if output in outputs and getattr(given, argument) is None and not is_other_api:
            setattr(given, argument, outputs[output])
            names.add(argument)
    given.from_stack = frozenset(names)


def _read_outputs(name: str, region: str | None) -> dict[str, str]:
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound
    from botocore.session import Session

    if region is None:
        raise ConfigurationError(f"no region to look for the stack {name!r} in; give --region or set AWS_REGION")
    config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2, "mode": "standard"})
    try:
        client: Any = Session().create_client("cloudformation", region_name=region, config=config)
        try:
            [stack] = client.describe_stacks(StackName=name)["Stacks"]
        finally:
            client.close()
    except ClientError as error:
        raise _explain(name, region, error.response.get("Error", {})) from error
    except BotoCoreError as error:
        why = missing_profile(error) if isinstance(error, ProfileNotFound) else error
        raise RefusedError(f"the stack {name!r} cannot be looked for in {region}: {why}") from error
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _explain(name: str, region: str, details: dict[str, str]) -> Exception:
    code, message = details.get("Code", "an error"), details.get("Message", "")
    if code == "ValidationError" and "does not exist" in message:
        return ConfigurationError(
            f"there is no stack {name!r} in {region} of this account; check the name, --region, and whose credentials "
            "these are"
        )
    hint = "; the credentials need cloudformation:DescribeStacks" if "Denied" in code else ""
    return RefusedError(f"CloudFormation does not show the stack {name!r}: {code}: {message}{hint}")
