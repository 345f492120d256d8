"""The metrics that AWS keeps of a WebSocket API, its Lambda and its table, without being asked and free of charge."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_

# Dollars for a message of up to 32 KB in us-east-1, for the first thousand million of a month.
# https://aws.amazon.com/api-gateway/pricing/ as transcribed on 20 September 2026; other regions take up to twice that.
DOLLARS_A_MESSAGE = 1.00 / 1_000_000

_FIVE_MINUTES = Duration.minutes(5)


class Metrics:
    """Metrics of one deployment.

    Names and dimensions are those of the API Gateway developer guide, "Monitor WebSocket API execution with CloudWatch
    metrics", of the Lambda developer guide and of the DynamoDB developer guide. There is none for connections that are
    open, nor for the answers to the backend's posts.
    """

    def __init__(self, api_id: str, stage: str, function: lambda_.IFunction, table: dynamodb.ITable | None) -> None:
        self._dimensions = {"ApiId": api_id, "Stage": stage}
        self._function = function
        self._table = table

    def api(
        self, name: str, statistic: str, label: str | None = None, *, period: Duration = _FIVE_MINUTES
    ) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/ApiGateway",
            metric_name=name,
            dimensions_map=self._dimensions,
            statistic=statistic,
            label=label,
            period=period,
        )

    def function(self, name: str, statistic: str, label: str | None = None) -> cloudwatch.Metric:
        metric: cloudwatch.Metric = self._function.metric(name, statistic=statistic, label=label, period=_FIVE_MINUTES)
        return metric

    def table_throttles(self) -> dict[str, cloudwatch.Metric]:
        """Throttled reads and writes of the table, or nothing where the backend registers connections."""
        if not self._table:
            return {}
        return {
            kind: self._table.metric(f"{kind}ThrottleEvents", statistic="Sum", period=_FIVE_MINUTES)
            for kind in ("Read", "Write")
        }

    def dollars_a_day(self) -> cloudwatch.MathExpression:
        """What the day's messages cost, both directions, if none is larger than 32 KB."""
        day = Duration.days(1)
        return cloudwatch.MathExpression(
            expression=f"messages * {DOLLARS_A_MESSAGE:.8f}",
            using_metrics={"messages": self.api("MessageCount", "Sum", period=day)},
            label="US dollars, at $1 a million",
            period=day,
        )
