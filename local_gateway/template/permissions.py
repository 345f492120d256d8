"""Whether the template lets API Gateway invoke the functions of its routes.

A route whose function it may not invoke answers every message with "Internal server error", and nothing before the
first message tells. So the gateway says it at start.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from .intrinsics import Resolver

_ACTIONS = {"lambda:InvokeFunction", "lambda:*", "*"}
_PRINCIPALS = {"apigateway.amazonaws.com", "*"}


def missing_permissions(
    resolver: Resolver, *, api_id: str, stage: str, routes: Mapping[str, tuple[str, str]]
) -> list[str]:
    """Write a sentence for each route (key: function's name and ARN) that no `AWS::Lambda::Permission` covers."""
    permissions = [
        properties
        for properties in map(resolver.resolve, resolver.of_type("AWS::Lambda::Permission").values())
        if properties.get("Action") in _ACTIONS and properties.get("Principal") in _PRINCIPALS
    ]
    at = resolver.deployment
    missing = []
    for key, (name, arn) in routes.items():
        source = f"arn:{at.partition}:execute-api:{at.region}:{at.account}:{api_id}/{stage}/{key}"
        if not any(
            _names(str(permission.get("FunctionName")), name, arn)
            # ArnLike: "*" matches slashes too, so "<api id>/*$connect" covers "<api id>/production/$connect".
            and fnmatchcase(source, str(permission.get("SourceArn", "*")).replace("[", "[[]"))
            for permission in permissions
        ):
            missing.append(
                f"route {key} has no AWS::Lambda::Permission to invoke {name}:"
                ' on AWS its events would end in "Internal server error"'
            )
    return missing


def _names(value: str, name: str, arn: str) -> bool:
    """Tell whether a permission's `FunctionName` means the function: its name or ARN, with or without a version."""
    return value in (name, arn) or value.startswith((f"{name}:", f"{arn}:"))
