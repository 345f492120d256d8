"""The secrets that callers publish with; Secrets Manager makes them up when the stack is deployed."""

from __future__ import annotations

from zlib import crc32

from aws_cdk import Stack
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from ..findings import accept_finding
from ..settings import Settings

LENGTH = 64  # letters and digits: more bits than the 256 of the HMAC

_BY_HAND = (
    "It is rotated by hand, with one call: backends elsewhere, which no rotation by AWS reaches, keep a copy, and the "
    "version before it stays valid until they have the new one."
)


class PublishKey(Construct):
    """App id, key and secret, as stock SDKs are configured with them: `{"app_id", "key", "secret"}`.

    Only the secret is one. The app id is made of the names of stack and stage, the key is the id of the API.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, name: str) -> None:
        super().__init__(scope, construct_id)
        # Digits, on which the Python SDK insists.
        app_id = str(crc32(f"{settings.name}/{settings.stage}".encode()))
        self.secret = secretsmanager.Secret(
            self,
            "Secret",
            description=f"Publishes to {settings.name}: what a stock server SDK is configured with",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=Stack.of(self).to_json_string({"app_id": app_id, "key": name}),
                generate_string_key="secret",
                exclude_punctuation=True,
                password_length=LENGTH,
            ),
        )
        accept_finding(self.secret, "AwsSolutions-SMG4", _BY_HAND)


class PublishToken(Construct):
    """What `Authorization: Bearer` takes. Of its own: a token that leaks from a log opens no signature."""

    def __init__(self, scope: Construct, construct_id: str, *, api_name: str) -> None:
        super().__init__(scope, construct_id)
        self.secret = secretsmanager.Secret(
            self,
            "Secret",
            description=f"Publishes to {api_name} with Authorization: Bearer",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                exclude_punctuation=True, password_length=LENGTH
            ),
        )
        accept_finding(self.secret, "AwsSolutions-SMG4", _BY_HAND)
