"""What a deployment tells while it runs: a CloudWatch dashboard, and alarms that mail."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from ..gateway import Gateway
from ..settings import Settings
from .alarms import Alarms
from .dashboard import Dashboard
from .metrics import Metrics


class Monitoring(Construct):
    """The dashboard and the alarms of one deployment."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        gateway: Gateway,
        function: lambda_.IFunction,
        table: dynamodb.ITable | None,
    ) -> None:
        super().__init__(scope, construct_id)
        metrics = Metrics(gateway.api.api_id, gateway.stage.stage_name, function, table)
        self.dashboard = Dashboard(self, "Dashboard", settings=settings, metrics=metrics).dashboard
        Alarms(self, "Alarms", settings=settings, metrics=metrics)
