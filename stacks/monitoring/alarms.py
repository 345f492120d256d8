"""The alarms: each says in its description what it means and what to do; docs/operating.md says more."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from ..settings import Settings
from .metrics import DOLLARS_A_MESSAGE, Metrics

# Of a quota, when it is time to ask for more of it.
NEAR = 0.8

_MINUTE = Duration.minutes(1)


class Alarms(Construct):
    """Alarms that are shown in CloudWatch, and mailed where the settings have an address.

    A missing figure is no alarm: API Gateway, Lambda and DynamoDB send none while nothing happens.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, metrics: Metrics) -> None:
        super().__init__(scope, construct_id)
        self._topic = self._mails_to(settings.monitoring) if isinstance(settings.monitoring, str) else None
        self._add(
            "ExecutionErrors",
            metrics.api("ExecutionError", "Sum"),
            0,
            "API Gateway could not call the Lambda or use its answer, so browsers could not connect or were not "
            "answered. Was the Lambda changed by hand, or its permission taken away? Deploy again.",
        )
        self._add(
            "LambdaErrors",
            metrics.function("Errors", "Sum"),
            0,
            "The Lambda raised or ran out of time. Its log group is an output of the stack; look for ERROR there.",
        )
        self._add(
            "LambdaThrottles",
            metrics.function("Throttles", "Sum"),
            0,
            "Browsers were refused because too many Lambdas ran at once: raise the setting concurrency, or the "
            "account's quota of concurrent executions.",
        )
        for kind, metric in metrics.table_throttles().items():
            self._add(
                f"Table{kind}Throttles",
                metric,
                0,
                f"DynamoDB refused {kind.lower()}s for a while: more than 1,000 subscriptions or 3,000 broadcasts a "
                "second on one channel, or a new table. They are tried again; spread the listeners over channels.",
            )
        self._add(
            "ConnectionsNearQuota",
            metrics.api("ConnectCount", "Sum", period=_MINUTE),
            _in_a_minute(settings.quotas.connections),
            f"More than {NEAR:.0%} of the account's {settings.quotas.connections} new connections a second. Beyond, "
            "browsers are refused with 429: ask Service Quotas for more of L-9ED1E49A.",
        )
        self._add(
            "MessagesNearQuota",
            metrics.api("MessageCount", "Sum", period=_MINUTE),
            _in_a_minute(settings.quotas.requests),
            f"More than {NEAR:.0%} of the account's {settings.quotas.requests} requests a second, which all APIs of "
            "the region share. Beyond, posts are answered with 429: send less, or ask Service Quotas for a higher "
            "throttle rate of API Gateway.",
        )
        if settings.daily_budget is not None:
            # In messages, because metrics are counted and only the dashboard calculates.
            messages = settings.daily_budget / DOLLARS_A_MESSAGE
            self._add(
                "Budget",
                metrics.api("MessageCount", "Sum", period=Duration.days(1)),
                messages,
                f"More than {messages:,.0f} messages in a day, which cost {settings.daily_budget:g} US dollars. The "
                "dashboard shows since when; docs/operating.md says what to do about it.",
            )

    def _add(self, construct_id: str, metric: cloudwatch.IMetric, threshold: float, description: str) -> None:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            metric=metric,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=description,
        )
        if self._topic:
            alarm.add_alarm_action(actions.SnsAction(self._topic))
            alarm.add_ok_action(actions.SnsAction(self._topic))

    def _mails_to(self, address: str) -> sns.Topic:
        # Not encrypted with a key: CloudWatch may not use the account's own one for SNS, and another costs a dollar a
        # month. What is sent are the descriptions here, and figures.
        topic = sns.Topic(self, "Topic", enforce_ssl=True)
        # A topic with a policy of its own, here the refusal of what is not TLS, is no longer open to its account.
        alarms = iam.ServicePrincipal(
            "cloudwatch.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}}
        )
        topic.grant_publish(alarms)
        topic.add_subscription(subscriptions.EmailSubscription(address))
        return topic


def _in_a_minute(quota: int) -> float:
    return quota * 60 * NEAR
