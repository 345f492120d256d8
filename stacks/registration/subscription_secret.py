"""The secret with which the backend signs subscriptions and the function verifies them."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from ..findings import accept_finding

LENGTH = 64  # letters and digits: more bits than the 256 of the HMAC


class SubscriptionSecret(Construct):
    """A secret that Secrets Manager makes up when the stack is deployed; nobody has to see it."""

    def __init__(self, scope: Construct, construct_id: str, *, api_name: str) -> None:
        super().__init__(scope, construct_id)
        self.secret = secretsmanager.Secret(
            self,
            "Secret",
            description=f"Signs subscriptions to channels of {api_name}",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                exclude_punctuation=True, password_length=LENGTH
            ),
        )
        accept_finding(
            self.secret,
            "AwsSolutions-SMG4",
            "It is rotated by hand, with one call that both sides survive: it opens nothing but channels of this API, "
            "and leaves neither the function's nor the backend's memory.",
        )

    def access(self) -> iam.PolicyStatement:
        """A statement that allows to read this secret."""
        return iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[self.secret.secret_arn])
