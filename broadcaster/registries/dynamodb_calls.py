"""Calls to DynamoDB that are repeated for a few seconds while it throttles, is unwell or cannot be reached."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..errors import ConfigurationError, RegistryError

CONNECT_TIMEOUT = 1.0  # seconds
READ_TIMEOUT = 2.0  # seconds
# No attempt is started later than this, so a call ends within about PATIENCE + CONNECT_TIMEOUT + READ_TIMEOUT.
PATIENCE = 5.0  # seconds
_FIRST_PAUSE = 0.05  # seconds; each further one is twice as long, at most _LONGEST_PAUSE, and random below that
_LONGEST_PAUSE = 1.0  # seconds

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
_PASSING = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
    }
)
_ACCESS = frozenset(
    {"AccessDeniedException", "ExpiredTokenException", "InvalidSignatureException", "UnrecognizedClientException"}
)


class Time(NamedTuple):
    """What waiting needs; tests pass their own.

    Attributes:
        clock: seconds that never go back.
        chance: a random number from 0 up to 1.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


class Calls:
    """Calls one table through a boto3 client.

    Args:
        client: makes, or just returns, the client; its own retries, if it has any, come on top.
        name: of the registry, for errors.
    """

    def __init__(self, client: Callable[[], Any], table: str, name: str, waiting: Time) -> None:
        self._client = client
        self._table = table
        self._name = name
        self._time = waiting

    def prepare(self) -> None:
        """Make the client, if there is none yet."""
        self._repeat("start", self._client, lambda _: True)

    def query(self, what: str, members: dict[str, Any], *, limit: int) -> Iterator[list[Any]]:
        """Yield the rows of a query in lists of at most `limit`, which may be empty; one request for each.

        Raises:
            RegistryError: no answer came within the time.
        """
        members = {**members, "TableName": self._table, "Limit": limit}
        while True:
            answer = self._repeat(what, lambda: self._client().query(**members), lambda _: True)
            yield answer["Items"]
            if not answer.get("LastEvaluatedKey"):
                return
            members["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def write(self, what: str, writes: list[Any]) -> None:
        """Write at most 25 rows with one request, and what of them was not processed with further ones.

        Raises:
            RegistryError: some were still not written when the time was over.
        """
        left = writes

        def attempt() -> Any:
            return self._client().batch_write_item(RequestItems={self._table: left})

        def is_done(answer: Any) -> bool:
            nonlocal left
            left = (answer.get("UnprocessedItems") or {}).get(self._table, [])
            return not left

        self._repeat(what, attempt, is_done)

    def _repeat(self, what: str, attempt: Callable[[], Any], is_done: Callable[[Any], bool]) -> Any:
        end = self._time.clock() + PATIENCE
        pause = _FIRST_PAUSE
        while True:
            error: Exception | None = None
            try:
                answer = attempt()
            except Exception as raised:
                if not _is_passing(raised):
                    raise self._refusal(what, raised) from raised
                error = raised
            else:
                if is_done(answer):
                    return answer
            wait = pause * self._time.chance()
            if self._time.clock() + wait > end:
                reason = str(error) if error else "it throttles, and left some rows unwritten"
                raise RegistryError(
                    f"{self._name} could not {what}, in {PATIENCE:g} seconds of trying: {reason}"
                ) from error
            self._time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _refusal(self, what: str, error: Exception) -> Exception:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            NoRegionError,
            PartialCredentialsError,
        )

        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return ConfigurationError(
                f"no AWS credentials to read {self._name} with ({error}); they are looked for where boto3 does"
            )
        if isinstance(error, NoRegionError):
            return ConfigurationError(
                f"no region for {self._name}; give 'dynamodb://{self._table}?region=us-east-1' or set AWS_REGION"
            )
        if not isinstance(error, ClientError | BotoCoreError):
            return error  # a mistake of ours
        hint = ""
        code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else ""
        if code == "ResourceNotFoundException":
            hint = ". Is the table's name right, and the region? The stack makes the table with -c registry=dynamodb"
        elif code in _ACCESS:
            hint = ". It takes credentials that may dynamodb:Query and dynamodb:BatchWriteItem this table"
        return RegistryError(f"{self._name} could not {what}: {error}{hint}")


def make_client(region: str | None, endpoint_url: str | None, *, connections: int) -> Any:
    """Return a boto3 client for DynamoDB with short timeouts and no retries of its own.

    Args:
        connections: how many to keep open at most.
    """
    from boto3.session import Session
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=connections,
    )
    # A session of its own: boto3's default one is not safe to make clients with in several threads.
    return Session().client("dynamodb", region_name=region, endpoint_url=endpoint_url, config=config)


def _is_passing(error: Exception) -> bool:
    from botocore.exceptions import ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as UnreachableError

    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or error.response.get("Error", {}).get("Code") in _PASSING
    return isinstance(error, HTTPClientError | UnreachableError)
