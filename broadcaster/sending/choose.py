"""Which sender to make; checks the settings."""

import os
from math import inf

from ..endpoint import Endpoint
from ..errors import ConfigurationError
from ..proxies import is_proxied
from .defaults import DEFAULT_ATTEMPTS, DEFAULT_CONCURRENCY, DEFAULT_DEADLINE, DEFAULT_RATE, DEFAULT_TIMEOUT
from .sender import Sender, Settings


def make_sender(
    endpoint: Endpoint,
    *,
    kind: str | None = None,
    concurrency: int | None = None,
    timeout: float | None = None,
    attempts: int | None = None,
    deadline: float | None = None,
    rate: float | None = None,
    verify: bool | str = True,
) -> Sender:
    """Return the sender for an endpoint: the engine, or boto3's where a proxy is in force.

    Args:
        kind: `"engine"` or `"boto3"` to choose oneself.
        rate: by default just under AWS's quota of 10,000 requests a second; without limit for plain `http`, which
            is never AWS but a local gateway.

    Raises:
        ConfigurationError: a setting makes no sense.
    """
    if rate is None:
        rate = DEFAULT_RATE if endpoint.scheme == "https" else inf
    settings = Settings(
        concurrency=_check_count("concurrency", DEFAULT_CONCURRENCY if concurrency is None else concurrency),
        timeout=_check_positive("timeout", DEFAULT_TIMEOUT if timeout is None else timeout, "seconds"),
        attempts=_check_count("attempts", DEFAULT_ATTEMPTS if attempts is None else attempts),
        deadline=_check_positive("deadline", DEFAULT_DEADLINE if deadline is None else deadline, "seconds"),
        rate=_check_positive("rate", rate, "requests per second, or math.inf"),
        verify=_check_verify(verify),
    )
    if kind is None:
        kind = "boto3" if is_proxied(endpoint) else "engine"
    if kind == "boto3":
        from .boto3_sender import Boto3Sender

        return Boto3Sender(endpoint, settings)
    if kind == "engine":
        from .engine.engine import Engine

        return Engine(endpoint, settings)
    raise ConfigurationError(f"sender {kind!r} is neither 'engine' nor 'boto3'")


def _check_count(name: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"{name} {value!r} is not a whole number from 1 up")
    return value


def _check_positive(name: str, value: float, unit: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise ConfigurationError(f"{name} {value!r} is not a number above 0 ({unit})")
    return value


def _check_verify(verify: bool | str) -> bool | str:
    if isinstance(verify, bool):
        return verify
    right = "give True, False or the path of a CA bundle"
    if not isinstance(verify, str | os.PathLike):
        raise ConfigurationError(f"verify {verify!r} is no path; {right}")
    path = os.fspath(verify)
    if not os.path.exists(path):  # noqa: PTH110 - pathlib costs 6 ms to import
        raise ConfigurationError(f"verify {path!r} is not there; {right}")
    return path
