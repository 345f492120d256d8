"""The secret that subscriptions are signed with: given as it is, or read from AWS Secrets Manager by its ARN.

What was read is kept for five minutes, so a rotation reaches every backend within that time; the Lambda goes on
accepting the secret before it for fifteen.
"""

import os
import time
from collections.abc import Callable

from .errors import ConfigurationError, RefusedError
from .forks import importing
from .log import logger
from .secret_lifetime import GRACE_SECONDS, KEEP_SECONDS

VARIABLE = "BROADCASTER_SECRET"

# Characters. HMAC-SHA256 wants a key as long as its output: https://www.rfc-editor.org/rfc/rfc2104#section-3
MIN_LENGTH = 32


class SubscriptionSecret:
    """Reads the secret when it is first needed. Thread-safe, and safe to use after `fork`.

    Args:
        value: the secret itself or its ARN; without it, what the variable `BROADCASTER_SECRET` holds.
        clock: seconds that never go back; for tests.

    Raises:
        ConfigurationError: it is not text, shorter than 32 characters, a name, or the ARN of something else.
    """

    def __init__(self, value: str | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        value = os.environ.get(VARIABLE) if value is None else value
        if value is not None and not isinstance(value, str):
            raise ConfigurationError(f"secret is {type(value).__name__}; give the text of the secret, or its ARN")
        self._arn = value.strip() if value and value.strip().startswith("arn:") else None
        self._clock = clock
        self._kept: tuple[str, float] | None = None  # with the time of reading
        if self._arn:
            _check_arn(self._arn)
        elif value and value.strip():
            _check_secret(value.strip())
            self._kept = value.strip(), float("inf")

    def __repr__(self) -> str:
        """Name the ARN alone: the secret must not reach a log."""
        return f"SubscriptionSecret({self._arn!r})" if self._arn else "SubscriptionSecret(...)"

    def read(self) -> str:
        """Return the secret; by ARN with one request to Secrets Manager every five minutes.

        Raises:
            ConfigurationError: none was given, or there are no credentials to read it with.
            RefusedError: Secrets Manager refuses it, or cannot be reached.
        """
        kept = self._kept
        now = self._clock()
        if kept is not None and now - kept[1] < KEEP_SECONDS:
            return kept[0]
        if self._arn is None:
            raise ConfigurationError(
                f"no secret to sign subscriptions with; give init_broadcaster(secret=…) or set {VARIABLE}: "
                "the secret, or its ARN, which is an output of the stack with registry=dynamodb"
            )
        try:
            secret = _read(self._arn)
        except RefusedError as error:
            if kept is None or now - kept[1] >= GRACE_SECONDS:
                raise
            logger().warning("signing subscriptions with the secret that was read before: %s", error)
            return kept[0]
        # No lock: of two threads that read at once, each keeps what Secrets Manager says.
        self._kept = secret, now
        return secret


def _check_secret(value: str) -> None:
    # Nothing of the value is shown: it may be the right secret, cut short.
    words = value.replace("/", "-").replace("_", "-").split("-")
    looks_made_up = "secret" not in value.lower() and not value.lower().startswith("arn")
    if not looks_made_up or (len(words) > 1 and all(word.islower() for word in words if word)):
        raise ConfigurationError(
            "the secret looks like a name or a part of an ARN; give the whole ARN, "
            "'arn:aws:secretsmanager:us-east-1:123456789012:secret:name-a1b2c3', or the secret itself"
        )
    if len(value) < MIN_LENGTH:
        raise ConfigurationError(
            f"the secret has {len(value)} characters and needs at least {MIN_LENGTH}, or it can be guessed; make one "
            'with python3 -c "import secrets; print(secrets.token_hex(32))", or give its ARN in Secrets Manager'
        )


def _check_arn(arn: str) -> None:
    parts = arn.split(":")
    if len(parts) != 7 or parts[2] != "secretsmanager" or not parts[3]:
        raise ConfigurationError(
            f"secret {arn!r:.120} is not the ARN of a secret; it looks like "
            "'arn:aws:secretsmanager:us-east-1:123456789012:secret:name-a1b2c3', an output of the stack"
        )


def _read(arn: str) -> str:
    with importing:
        from .aws.choose import make_service
        from .aws.json_service import Ask, once
        from .aws.retries import AwsError

    service = make_service("secretsmanager", region=arn.split(":")[3])
    try:
        [answer] = service.run([once(Ask("GetSecretValue", {"SecretId": arn}))])
    except AwsError as error:
        hint = ""
        if error.code == "AccessDeniedException":
            hint = "; attach the stack's backend policy to the role or user that this runs as"
        elif error.code == "ResourceNotFoundException":
            hint = "; is the ARN, an output of the stack, of this account and deployment?"
        raise RefusedError(f"Secrets Manager did not give the secret {arn}: {error}{hint}") from error
    finally:
        service.close()
    secret = answer.get("SecretString")
    if not isinstance(secret, str) or not secret:
        raise RefusedError(f"the secret {arn} has no text; subscriptions are signed with one")
    return secret
