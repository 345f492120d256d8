"""When a request to AWS is worth repeating, and how long to wait before that."""

import os
import time
from collections.abc import Callable

from ..cheap_typing import Any, NamedTuple

_FIRST_PAUSE = 0.05  # seconds; each further one is up to twice as long
_LONGEST_PAUSE = 1.0  # seconds

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
# https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
_RETRYABLE = frozenset(
    {
        "InternalServerError",
        "InternalServiceError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
    }
)


class AwsError(Exception):
    """A service of AWS could not be asked, or said no; the text says why and holds nothing secret.

    Attributes:
        code: AWS's name for what was wrong, if it was AWS that said so.
        message: AWS's own words. They may quote what was asked.
        is_retryable: whether the same request may well succeed in a moment.
    """

    def __init__(self, text: str, *, code: str = "", message: str = "", is_retryable: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.message = message
        self.is_retryable = is_retryable


def is_retryable(status: int, code: str) -> bool:
    """Tell whether a request that was refused so may succeed in a moment."""
    return status >= 500 or code in _RETRYABLE


def checked(operation: str, answer: "dict[str, Any]") -> "dict[str, Any]":
    """Return the answer to a request that succeeded, if it can be the service's own.

    Raises:
        AwsError: the answer to a Query has no list of rows, so something else has given it.
    """
    if operation == "Query" and not isinstance(answer.get("Items"), list):
        raise AwsError("whatever answered the Query is not DynamoDB: there are no Items in it", is_retryable=True)
    return answer


def _random() -> float:
    return int.from_bytes(os.urandom(2)) / 65_536  # `random` itself is slow to import


class Time(NamedTuple):
    """The clocks that requests need; tests pass their own.

    Attributes:
        clock: seconds that never go back.
        sleep: waits so many seconds.
        chance: returns a random number from 0 up to 1.
        now: seconds since the epoch.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = _random
    now: Callable[[], float] = time.time


class Patience(NamedTuple):
    """How long to try; tests pass their own.

    Attributes:
        attempt: seconds for connecting and the answer of one attempt. The services answer within some tens of ms.
        total: seconds for all attempts, where the caller has no deadline of its own.
    """

    attempt: float = 2.0
    total: float = 5.0
    time: Time = Time()


class Pauses:
    """How long to wait before each further attempt: random, so that those who were throttled together part again.

    Args:
        deadline: a time of `time.clock`; no attempt begins later.
    """

    __slots__ = ("_longest", "_time", "deadline")

    def __init__(self, deadline: float, time: Time) -> None:
        self.deadline = deadline
        self._time = time
        self._longest = _FIRST_PAUSE

    def next(self) -> float | None:
        """Return until when to wait, or None if no time is left for that and an attempt."""
        pause = self._longest * self._time.chance()
        self._longest = min(2 * self._longest, _LONGEST_PAUSE)
        end = self._time.clock() + pause
        return end if end + _FIRST_PAUSE <= self.deadline else None
