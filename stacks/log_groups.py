"""Log groups that keep their lines for some days and are removed with the stack."""

from __future__ import annotations

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct


def log_group_with_retention(scope: Construct, construct_id: str, *, days: int) -> logs.LogGroup:
    """Make a log group, which CloudFormation names.

    With the customary name /aws/lambda/<function> the first deploy would fail in an account where a function of that
    name, made by hand, once left its log group behind.
    """
    log_group = logs.LogGroup(scope, construct_id, removal_policy=RemovalPolicy.DESTROY)
    # The construct takes the retention as a word from a list; CloudFormation takes the days that the setting has.
    cast(logs.CfnLogGroup, log_group.node.default_child).retention_in_days = days
    return log_group
