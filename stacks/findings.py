"""Findings of cdk-nag's AwsSolutions rules that are accepted, each beside its resource and with its reason."""

from __future__ import annotations

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import Construct


def accept_finding(construct: Construct, rule: str, reason: str) -> None:
    """Accept what `rule` finds in this construct and in no other."""
    Validations.of(construct).acknowledge(Acknowledgment(id=f"AwsSolutions::{rule}", reason=reason))


def accept_wildcard(construct: Construct, arn: str, reason: str) -> None:
    """Accept a star in one resource of a policy; other stars in the same policy are still found."""
    # cdk-nag puts the ARN into the finding's id, with each reference in angle brackets: arn:<AWS::Partition>:…
    _separator, parts = Stack.of(construct).resolve(arn)["Fn::Join"]
    written = "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in parts)
    accept_finding(construct, f"AwsSolutions-IAM5[Resource::{written}]", reason)
