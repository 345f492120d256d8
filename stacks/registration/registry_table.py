"""The table in which the function records who listens to what, and from which the backend reads it."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from ..findings import accept_finding
from ..settings import Settings

# What the function does for a subscription and the library for a broadcast. Rows are written and removed in batches;
# nothing scans the table or looks at a single row.
ACTIONS = ["dynamodb:BatchWriteItem", "dynamodb:Query"]

# What the library does besides on channels with history: a conditional write, which no batch can have.
BACKEND_ACTIONS = ["dynamodb:PutItem"]


# What publishing for other languages does besides: it marks each request as answered, once, and stores messages of
# channels with history.
PUBLISHER_ACTIONS = [*ACTIONS, "dynamodb:DeleteItem", "dynamodb:PutItem"]


class RegistryTable(Construct):
    """An on-demand table with the keys that the library's registry has. CloudFormation names it."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            time_to_live_attribute="expires",
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            # DynamoDB always encrypts. With the account's own AWS managed key CloudTrail shows its use; callers need no
            # permission for it.
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=settings.point_in_time_recovery
            ),
            removal_policy=RemovalPolicy.RETAIN if settings.keep_table else RemovalPolicy.DESTROY,
        )
        if not settings.point_in_time_recovery:
            accept_finding(
                self.table,
                "AwsSolutions-DDB3",
                "Point-in-time recovery is a setting. What is in the table expires within two hours and five minutes, "
                "and clients that reconnect write it anew: a restored copy would name connections that are gone.",
            )

    def access(self) -> iam.PolicyStatement:
        """A statement that allows what the function does with this table, and with no other."""
        return iam.PolicyStatement(actions=ACTIONS, resources=[self.table.table_arn])

    def backend_access(self) -> iam.PolicyStatement:
        """The same for the backend, which keeps history here, too."""
        return iam.PolicyStatement(actions=ACTIONS + BACKEND_ACTIONS, resources=[self.table.table_arn])

    def publisher_access(self) -> iam.PolicyStatement:
        """A statement that allows what the publisher does with this table, and with no other."""
        return iam.PolicyStatement(actions=PUBLISHER_ACTIONS, resources=[self.table.table_arn])
