"""The secret that the backend signs subscriptions with, as Secrets Manager has it now.

It is read when it is first needed, and then kept. A rotation reaches every process of this function within
`KEEP_SECONDS`, and at once if the first signature with the new secret finds a process that has not read anything for
`PAUSE_SECONDS`. The secret before it is accepted for `GRACE_SECONDS`, so that backends which keep it too have time to
change over. Longer than that nothing old is accepted, whether or not Secrets Manager can be asked.
"""

import time
from collections.abc import Callable

from aws_services import service
from broadcaster.aws.json_service import Ask, once
from broadcaster.aws.retries import AwsError
from broadcaster.secret_lifetime import GRACE_SECONDS, KEEP_SECONDS

# Whoever knows the URL can send wrong signatures as fast as API Gateway takes them; this is what they can make one
# process ask of Secrets Manager, at $0.05 for 10,000 requests.
PAUSE_SECONDS = 5.0

_FOR_EVER = float("inf")


class SigningSecret:
    """One secret of Secrets Manager, with its predecessor for as long as that is accepted.

    Args:
        arn: the secret's, or its name.
        grace: seconds for which the version before it is accepted; `inf` for as long as there is one.
        clock: the time of day in seconds; a monotonic clock may stand still while the process is frozen.
    """

    def __init__(self, arn: str, *, grace: float = GRACE_SECONDS, clock: Callable[[], float] = time.time) -> None:
        self.arn = arn
        self._grace = grace
        self._clock = clock
        self._service = service("secretsmanager")
        self._secrets: list[tuple[str, float]] = []  # with the time until which each is accepted
        self._read_at = -_FOR_EVER
        self._asked_at = -_FOR_EVER
        self._refusal = ""

    def accepted(self, *, deadline: float, anew: bool = False) -> list[str]:
        """Return the secrets with which a subscription may be signed now, the current one first.

        Args:
            deadline: a time of `time.monotonic()`.
            anew: ask Secrets Manager although they are known, unless it was asked a moment ago.

        Raises:
            AwsError: they are not known, or not for sure any more, and Secrets Manager could not be asked.
        """
        now = self._clock()
        is_due = anew or now - self._read_at >= KEEP_SECONDS
        if is_due and now - self._asked_at >= PAUSE_SECONDS:
            self._asked_at = now
            try:
                self._secrets = self._read(now, deadline)
                self._read_at = now
            except AwsError as error:
                self._refusal = str(error)
        if now - self._read_at >= GRACE_SECONDS:
            raise AwsError(self._refusal)
        return [secret for secret, until in self._secrets if now < until]

    def close(self) -> None:
        """Close the kept connection; the next call opens another."""
        self._service.close()

    def _read(self, now: float, deadline: float) -> list[tuple[str, float]]:
        current, created_at = self._read_version("AWSCURRENT", deadline)
        secrets = [(current, _FOR_EVER)]
        end_of_grace = self._grace if self._grace == _FOR_EVER else created_at + self._grace
        if now < end_of_grace:
            try:
                previous, _ = self._read_version("AWSPREVIOUS", deadline)
            except AwsError as error:
                if error.code != "ResourceNotFoundException":  # it is the first
                    raise
            else:
                secrets.append((previous, end_of_grace))
        return secrets

    def _read_version(self, stage: str, deadline: float) -> tuple[str, float]:
        members = {"SecretId": self.arn, "VersionStage": stage}
        [answer] = self._service.run([once(Ask("GetSecretValue", members))], deadline=deadline)
        secret, created_at = answer.get("SecretString"), answer.get("CreatedDate")
        if not isinstance(secret, str) or not secret:
            raise AwsError(f"the secret has no text in its version {stage}")
        return secret, float(created_at) if isinstance(created_at, int | float) else -_FOR_EVER
