"""A Lambda function of the asset, with its role and its log group: the one behind every route, and the publisher."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from .findings import accept_finding
from .lambda_asset import lambda_code
from .log_groups import log_group_with_retention
from .settings import Settings
from .settings.values import DYNAMODB


class HandlerFunction(Construct):
    """The function; it may write its own log and nothing else until it is granted more.

    Args:
        entry: the module of `lambda_src` that has the handler, and the end of the function's name.
        concurrency: how many invocations at once are reserved for it, and the most that it gets.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        project: Path,
        entry: str = "handler",
        concurrency: int | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.log_group = log_group_with_retention(self, "Log", days=settings.log_retention_days)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            # Instead of AWS's AWSLambdaBasicExecutionRole, which may write to every log group of the account and may
            # create them: then a late log line would bring back the group of a stack that was removed.
            inline_policies={
                "WriteOwnLog": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                            resources=[self.log_group.log_group_arn],
                        )
                    ]
                )
            },
        )
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=f"{settings.name}-{entry}",
            runtime=lambda_.Runtime.PYTHON_3_12,
            architecture=lambda_.Architecture.X86_64,
            handler=f"{entry}.handler",
            code=lambda_code(project, registers=settings.registry == DYNAMODB, publishes=bool(settings.publish)),
            memory_size=settings.memory,
            timeout=Duration.seconds(settings.timeout),
            reserved_concurrent_executions=concurrency,
            role=self.role,
            log_group=self.log_group,
        )
        accept_finding(
            self.function,
            "AwsSolutions-L1",
            "Python 3.12 is the runtime of the guide; Lambda supports it until about October 2028.",
        )
        # cfn-lint finds the dependency on the role redundant. It is, and the CDK writes it for roles whose policies are
        # resources of their own.
        cfn_function = cast(lambda_.CfnFunction, self.function.node.default_child)
        cfn_function.add_metadata("cfn-lint", {"config": {"ignore_checks": ["W3005"]}})
