"""The CloudWatch dashboard: who comes, what is sent, what fails, and what the day's messages cost."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from ..settings import Settings
from .metrics import Metrics

# CloudWatch's grid has 24 columns.
THIRD, HALF = 8, 12


class Dashboard(Construct):
    """One page, which CloudWatch bills with $3 a month beyond an account's first three."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, metrics: Metrics) -> None:
        super().__init__(scope, construct_id)
        # Without a name of its own: dashboards belong to all regions of an account, and two may have the stack.
        self.dashboard = cloudwatch.Dashboard(self, "Page", default_interval=Duration.hours(24))
        self.dashboard.add_widgets(
            _graph("Handshakes in five minutes", metrics.api("ConnectCount", "Sum", "connects")),
            _graph("Messages in five minutes, both ways", metrics.api("MessageCount", "Sum", "messages")),
            cloudwatch.SingleValueWidget(
                title="Messages since midnight, UTC",
                metrics=[metrics.dollars_a_day()],
                width=THIRD,
                height=6,
            ),
        )
        self.dashboard.add_widgets(
            _graph(
                "Errors of the gateway",
                metrics.api("ExecutionError", "Sum", "execution"),
                metrics.api("IntegrationError", "Sum", "integration"),
                metrics.api("ClientError", "Sum", "client"),
            ),
            _graph(
                "Errors of the Lambda",
                metrics.function("Errors", "Sum", "errors"),
                metrics.function("Throttles", "Sum", "throttles"),
            ),
            _graph(
                "Throttles of the table",
                *(metric.with_(label=f"{kind.lower()}s") for kind, metric in metrics.table_throttles().items()),
            )
            if settings.registry == "dynamodb"
            else _text("The backend registers connections: there is no table. What it sends, its own log says."),
        )
        self.dashboard.add_widgets(
            _graph(
                "Milliseconds from the gateway to the Lambda and back",
                metrics.api("IntegrationLatency", "p50", "half"),
                metrics.api("IntegrationLatency", "p95", "95 of 100"),
                width=HALF,
            ),
            _graph(
                "The Lambda: milliseconds (left), at once (right)",
                metrics.function("Duration", "p95", "95 of 100"),
                right=[metrics.function("ConcurrentExecutions", "Maximum", "at once")],
                width=HALF,
            ),
        )


def _graph(
    title: str, *left: cloudwatch.IMetric, right: list[cloudwatch.IMetric] | None = None, width: int = THIRD
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title,
        left=list(left),
        right=right,
        left_y_axis=cloudwatch.YAxisProps(min=0),
        right_y_axis=cloudwatch.YAxisProps(min=0) if right else None,
        width=width,
        height=6,
    )


def _text(markdown: str) -> cloudwatch.TextWidget:
    return cloudwatch.TextWidget(markdown=markdown, width=THIRD, height=6)
