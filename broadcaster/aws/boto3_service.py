"""A service of AWS asked through boto3, where a proxy is in force or a client of boto3 was passed in."""

import os
from collections.abc import Callable, Iterable

from ..cheap_typing import TYPE_CHECKING, Any
from ..errors import ConfigurationError
from .json_service import CONCURRENCY, UNMET_CONDITION
from .retries import AwsError, Patience, Pauses, checked, is_retryable

if TYPE_CHECKING:
    from .json_service import Ask, Got, Job


class Boto3Service:
    """Runs the same jobs as `JsonService`, each in a thread of its own. Thread-safe, and safe to use after `fork`.

    Args:
        make_client: called once in each process.
        is_owned: whether what it makes is closed here.
    """

    def __init__(
        self,
        make_client: "Callable[[], Any]",
        *,
        is_owned: bool,
        patience: Patience = Patience(),  # noqa: B008 - it is immutable
    ) -> None:
        self._make_client = make_client
        self._is_owned = is_owned
        self._patience = patience
        self._time = patience.time
        self._clients: dict[int, Any] = {}  # by process: connections are not shared with a forked child

    def run(self, jobs: "Iterable[Job[Got]]", *, deadline: float | None = None) -> "list[Got]":
        """See `JsonService.run`."""
        jobs = list(jobs)
        if len(jobs) < 2:
            return [self._drive(job, deadline) for job in jobs]
        from concurrent.futures import ThreadPoolExecutor

        self._client()  # or each thread would make one
        with ThreadPoolExecutor(min(CONCURRENCY, len(jobs)), "broadcaster-boto3") as pool:
            # Not map, which leaves out the rest when one raises.
            driven = [pool.submit(self._drive, job, deadline) for job in jobs]
        return [each.result() for each in driven]

    def close(self) -> None:
        """Close the client, unless it was passed in; the next use makes another."""
        client = self._clients.pop(os.getpid(), None)
        if client is not None and self._is_owned:
            client.close()

    def _client(self) -> "Any":
        client = self._clients.get(os.getpid())
        if client is None:
            # No lock, which a fork could leave locked: of clients that are made at once all but one go unused.
            client = self._clients.setdefault(os.getpid(), self._make_client())
        return client

    def _drive(self, job: "Job[Got]", deadline: float | None) -> "Got":
        answer: Any = None
        pauses = Pauses(0.0, self._time)
        while True:
            try:
                ask = job.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if not ask.is_again:
                pauses = Pauses(self._time.clock() + self._patience.total if deadline is None else deadline, self._time)
            elif not self._wait(pauses):
                raise AwsError(f"it throttles, and left a part of {ask.operation} undone", is_retryable=True)
            answer = self._call(ask, pauses)

    def _call(self, ask: "Ask", pauses: Pauses) -> "dict[str, Any]":
        from botocore import xform_name

        while True:
            try:
                return checked(ask.operation, getattr(self._client(), xform_name(ask.operation))(**ask.members))
            except Exception as error:
                refusal = _refusal(error)
                if isinstance(refusal, AwsError) and refusal.code == UNMET_CONDITION:
                    return dict(error.response)  # type: ignore[attr-defined]
                if not isinstance(refusal, AwsError) or not refusal.is_retryable or not self._wait(pauses):
                    raise refusal from error

    def _wait(self, pauses: Pauses) -> bool:
        end = pauses.next()
        if end is not None:
            self._time.sleep(max(0.0, end - self._time.clock()))
        return end is not None


def make_client(name: str, region: str, endpoint_url: str | None) -> "Any":
    """Return a boto3 client with short timeouts and no retries of its own.

    Raises:
        ConfigurationError: boto3 is not installed.
    """
    try:
        from boto3.session import Session
        from botocore.config import Config
    except ImportError as error:
        raise ConfigurationError(
            "requests to AWS have to go through a proxy here, which needs boto3, and it is not installed; "
            "pip install boto3"
        ) from error
    config = Config(
        connect_timeout=1,
        read_timeout=2,
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=CONCURRENCY,
    )
    # A session of its own: boto3's default one is not safe to make clients with in several threads.
    return Session().client(name, region_name=region, endpoint_url=endpoint_url, config=config)


def _refusal(error: Exception) -> Exception:
    """Return what an error of boto3 means here; any other one is a mistake of ours."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        HTTPClientError,
        NoCredentialsError,
        PartialCredentialsError,
    )
    from botocore.exceptions import ConnectionError as UnreachableError

    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return ConfigurationError(f"no AWS credentials ({error}); they are looked for where boto3 does")
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        code, status = details.get("Code", ""), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        text = f"{error.operation_name} was refused: {status} {code}"
        return AwsError(text, code=code, message=details.get("Message", ""), is_retryable=is_retryable(status, code))
    if isinstance(error, BotoCoreError | HTTPClientError):
        return AwsError(str(error), is_retryable=isinstance(error, HTTPClientError | UnreachableError))
    return error
