"""What the commands ask AWS themselves. Run in `.venv`, for boto3; each prints what its user should know, or nothing.

python -m commands.aws_account credentials PROFILE        whether there are any
python -m commands.aws_account bootstrap PROFILE          whether account and region have been prepared for the CDK
python -m commands.aws_account attached PROFILE STACK …   who stops the removal of the stacks

PROFILE may be empty.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

HOW_TO_LOG_IN = (
    "Log in, e.g. `aws sso login`, or `aws configure` for keys; AWS_PROFILE or --profile names another profile"
)


def credentials(session: Any) -> str:
    """Return what is wrong if there are no credentials. They are found, not tried: the CDK CLI tries them."""
    if session.get_credentials() is None:
        return f"no AWS credentials were found. {HOW_TO_LOG_IN}"
    return ""


def bootstrap(session: Any) -> str:
    """Return what to type if the stack is missing that the CDK CLI keeps its files in."""
    try:
        session.client("cloudformation").describe_stacks(StackName="CDKToolkit")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":  # "does not exist"; who may not look may still deploy
            return ""
        account = session.client("sts").get_caller_identity()["Account"]
        return (
            f"account {account} has not been prepared for the CDK in {session.region_name}, which it needs once. "
            "Type: python3 dev.py bootstrap"
        )
    return ""


def attached(session: Any, *stacks: str) -> str:
    """Return who stops the removal of the stacks: somebody whom their policies are attached to, and how to detach it.

    CloudFormation detaches whom it has attached itself, which are those in the template.
    """
    lines = []
    cloudformation, iam = session.client("cloudformation"), session.client("iam")
    for stack in stacks:
        for arn, ours in _policies(cloudformation, stack):
            for page in iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn):
                for kind in ("Role", "User", "Group"):
                    names = {each[f"{kind}Name"] for each in page[f"Policy{kind}s"]} - ours
                    option = f"--{kind.lower()}-name"
                    lines += [
                        f"  aws iam detach-{kind.lower()}-policy {option} {name} --policy-arn {arn}"
                        for name in sorted(names)
                    ]
    if not lines:
        return ""
    head = "a policy of the stack is still attached, and CloudFormation cannot remove it. Detach it, then try again:"
    return "\n".join([head, *lines])


def _policies(cloudformation: Any, stack: str) -> Iterator[tuple[str, set[str]]]:
    """Yield the stack's managed policies: ARN, and the names that its template attaches it to."""
    try:
        resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # never deployed
            return
        raise
    template = cloudformation.get_template(StackName=stack)["TemplateBody"]
    for resource in resources:
        if resource["ResourceType"] == "AWS::IAM::ManagedPolicy":
            properties = template["Resources"][resource["LogicalResourceId"]]["Properties"]
            attached_to = [properties.get(key, []) for key in ("Roles", "Users", "Groups")]
            yield resource["PhysicalResourceId"], {name for names in attached_to for name in names}


def main(arguments: Sequence[str]) -> int:
    question, profile, *rest = arguments
    answer = {"credentials": credentials, "bootstrap": bootstrap, "attached": attached}[question]
    try:
        session = boto3.Session(profile_name=profile or None)
        # The region as the CDK CLI finds it: boto3 by itself does not read AWS_REGION.
        region = os.environ.get("AWS_REGION") or session.region_name or "us-east-1"
        complaint = answer(boto3.Session(profile_name=profile or None, region_name=region), *rest)
    except ClientError as error:
        complaint = str(error)
    except BotoCoreError as error:
        complaint = f"{str(error).rstrip('.')}. {HOW_TO_LOG_IN}"
    print(complaint, end="")
    return 1 if complaint else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
