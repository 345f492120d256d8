"""CloudFormation's intrinsic functions, as far as a template can be read without deploying it.

What only a deployment decides (ids, generated names, ARNs) gets a stable stand-in in the form that AWS gives it.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..errors import TemplateError

API = "AWS::ApiGatewayV2::Api"
FUNCTION = "AWS::Lambda::Function"
FUNCTION_URL = "AWS::Lambda::Url"

_VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")
_NO_VALUE = object()

# For each type whose name a template may give: the property with the name, and the ARN's part after the account.
_NAMED = {
    FUNCTION: ("FunctionName", "lambda", "function:{}"),
    "AWS::DynamoDB::Table": ("TableName", "dynamodb", "table/{}"),
    "AWS::IAM::Role": ("RoleName", "iam", "role/{}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs", "log-group:{}:*"),
    "AWS::SQS::Queue": ("QueueName", "sqs", "{}"),
    "AWS::SNS::Topic": ("TopicName", "sns", "{}"),
    "AWS::S3::Bucket": ("BucketName", "s3", "{}"),
}
_NAME_IS_REF = {"AWS::ApiGatewayV2::Stage": "StageName"}


class Deployment(NamedTuple):
    """Where the stack is taken to be deployed."""

    stack: str
    region: str
    account: str

    @property
    def partition(self) -> str:
        for prefix, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
            if self.region.startswith(prefix):
                return partition
        return "aws"

    @property
    def url_suffix(self) -> str:
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"


class Resolver:
    """Reads values of one template with their intrinsic functions worked out."""

    def __init__(self, template: Mapping[str, Any], deployment: Deployment) -> None:
        self.resources: Mapping[str, Any] = template.get("Resources") or {}
        self.deployment = deployment
        self._template = template
        self._pseudo = {
            "AWS::AccountId": deployment.account,
            "AWS::Region": deployment.region,
            "AWS::Partition": deployment.partition,
            "AWS::URLSuffix": deployment.url_suffix,
            "AWS::StackName": deployment.stack,
            "AWS::StackId": f"arn:{deployment.partition}:cloudformation:{deployment.region}:{deployment.account}"
            f":stack/{deployment.stack}/local",
            "AWS::NotificationARNs": [],
        }
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Join": lambda given: str(given[0]).join(map(str, self.resolve(given[1]))),
            "Fn::Sub": self._sub,
            "Fn::Select": lambda given: self.resolve(given[1])[int(self.resolve(given[0]))],
            "Fn::Split": lambda given: self.resolve(given[1]).split(given[0]),
            "Fn::If": lambda given: self.resolve(given[1] if self._condition(given[0]) else given[2]),
            "Fn::Equals": lambda given: self.resolve(given[0]) == self.resolve(given[1]),
            "Fn::And": lambda given: all(map(self.resolve, given)),
            "Fn::Or": lambda given: any(map(self.resolve, given)),
            "Fn::Not": lambda given: not self.resolve(given[0]),
            "Condition": self._condition,
            "Fn::FindInMap": self._find_in_map,
        }

    def of_type(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """Logical id and properties, still unresolved, of each resource of one type whose condition holds."""
        return {
            logical_id: resource.get("Properties") or {}
            for logical_id, resource in self.resources.items()
            if resource.get("Type") == resource_type
            and ("Condition" not in resource or self._condition(resource["Condition"]))
        }

    def resolve(self, value: Any) -> Any:
        """`value` with every intrinsic function worked out, members that are `AWS::NoValue` left out.

        Raises:
            TemplateError: a function is unknown, or refers to nothing in the template.
        """
        if isinstance(value, dict):
            if len(value) == 1:
                name, given = next(iter(value.items()))
                if name in self._functions:
                    try:
                        return self._functions[name](given)
                    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
                        raise TemplateError(f"{name} of {given!r} cannot be worked out from the template") from error
                if name.startswith("Fn::"):
                    raise TemplateError(f"{name} is an intrinsic function that only a deployment can work out")
            members = {name: self.resolve(item) for name, item in value.items()}
            return {name: item for name, item in members.items() if item is not _NO_VALUE}
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not _NO_VALUE]
        return value

    def physical_id(self, logical_id: str) -> str:
        """Return what `Ref` to a resource gives: its name or id."""
        resource = self.resources[logical_id]
        resource_type, properties = resource.get("Type", ""), resource.get("Properties") or {}
        if resource_type == API:
            digest = hashlib.sha256(f"{self.deployment.stack}/{logical_id}".encode()).digest()
            return "".join("abcdefghijklmnopqrstuvwxyz0123456789"[byte % 36] for byte in digest[:10])
        if resource_type == "AWS::Lambda::Alias":
            return f"{self.resolve({'Fn::GetAtt': [self._referred(properties['FunctionName']), 'Arn']})}:" + str(
                self.resolve(properties["Name"])
            )
        if resource_type == "AWS::Lambda::Version":
            return f"{self.resolve({'Fn::GetAtt': [self._referred(properties['FunctionName']), 'Arn']})}:1"
        name = properties.get(_NAMED[resource_type][0] if resource_type in _NAMED else _NAME_IS_REF.get(resource_type))
        return str(self.resolve(name)) if name is not None else f"{self.deployment.stack}-{logical_id}"

    def arn(self, logical_id: str) -> str:
        """Return the ARN of a resource, in the form of its type where the type is known."""
        resource_type = self.resources[logical_id].get("Type", "")
        at = self.deployment
        name = self.physical_id(logical_id)
        if resource_type not in _NAMED:
            service = resource_type.split("::")[1].lower() if resource_type.count("::") == 2 else "unknown"
            return f"arn:{at.partition}:{service}:{at.region}:{at.account}:{name}"
        _, service, form = _NAMED[resource_type]
        region = "" if service in ("iam", "s3") else at.region
        account = "" if service == "s3" else at.account
        return f"arn:{at.partition}:{service}:{region}:{account}:{form.format(name)}"

    def _referred(self, value: Any) -> str:
        """Return the logical id inside a `Ref` or the `GetAtt` of an ARN."""
        return str(value["Ref"]) if "Ref" in value else str(value["Fn::GetAtt"][0])

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in self._pseudo:
            return self._pseudo[name]
        parameters = self._template.get("Parameters") or {}
        if name in parameters:
            return parameters[name].get("Default", "")
        if name in self.resources:
            return self.physical_id(name)
        raise TemplateError(f"Ref to {name!r}, which is neither a parameter nor a resource of the template")

    def _get_att(self, given: list[str] | str) -> str:
        logical_id, attribute = given.split(".", 1) if isinstance(given, str) else given
        if logical_id not in self.resources:
            raise TemplateError(f"Fn::GetAtt of {logical_id!r}, which is no resource of the template")
        if attribute == "Arn":
            return self.arn(logical_id)
        at = self.deployment
        if attribute == "ApiEndpoint":
            return f"wss://{self.physical_id(logical_id)}.execute-api.{at.region}.{at.url_suffix}"
        if attribute in ("ApiId", "RoleId"):
            return self.physical_id(logical_id)
        return (
            f"{self.physical_id(logical_id)}.{attribute}"  # known after a deployment only; nothing here depends on it
        )

    def _sub(self, given: str | list[Any]) -> str:
        text, variables = (given, {}) if isinstance(given, str) else (given[0], given[1])

        def value(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in variables:
                return str(self.resolve(variables[name]))
            return str(self._get_att(name) if "." in name else self._ref(name))

        return _VARIABLE.sub(value, text)

    def _condition(self, name: str) -> bool:
        return bool(self.resolve(self._template["Conditions"][name]))

    def _find_in_map(self, given: list[Any]) -> Any:
        name, first, second = (self.resolve(item) for item in given[:3])
        return self._template["Mappings"][name][first][second]
