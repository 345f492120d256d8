"""Which way a service of AWS is asked: over connections of this package's own, or through boto3."""

from ..cheap_typing import TYPE_CHECKING, Any, Protocol
from ..errors import ConfigurationError
from ..forks import importing
from ..proxies import is_proxied
from .boto3_service import Boto3Service, make_client
from .credentials import CredentialSource, missing_profile
from .environment import region_in_environment, service_endpoint
from .json_service import JsonService
from .retries import Patience

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from .json_service import Got, Job

    class AwsService(Protocol):
        """What `JsonService` and `Boto3Service` have in common."""

        def run(self, jobs: "Iterable[Job[Got]]", *, deadline: float | None = None) -> "list[Got]":
            """Run jobs at once and return their results in order."""

        def close(self) -> None:
            """Close the connections; the next use opens others."""


def make_service(
    name: str,
    *,
    region: str,
    endpoint_url: str | None = None,
    client: "Any" = None,
    patience: Patience = Patience(),  # noqa: B008 - it is immutable
) -> "AwsService":
    """Return what asks a service: through the client of boto3 that is given, or where a proxy is in force; else itself.

    Args:
        name: `dynamodb` or `secretsmanager`.
        endpoint_url: without it, the environment or AWS itself says where the service is.

    Raises:
        ConfigurationError: the address is malformed, or the region in no partition that is known.
    """
    if client is not None:
        return Boto3Service(lambda: client, is_owned=False, patience=patience)
    endpoint = service_endpoint(name, region, endpoint_url)
    if is_proxied(endpoint):
        return Boto3Service(lambda: make_client(name, region, endpoint.url), is_owned=True, patience=patience)
    return JsonService(name, endpoint, credentials=CredentialSource().read, tls=_make_context, patience=patience)


def find_region() -> str | None:
    """Return the region of the environment, or that of the profile in AWS's configuration files.

    Raises:
        ConfigurationError: the files cannot be read, or lack the profile.
    """
    if region := region_in_environment():
        return region
    try:
        from botocore.exceptions import BotoCoreError, ProfileNotFound
        from botocore.session import Session
    except ImportError:
        return None
    try:
        return Session().get_config_variable("region") or None
    except ProfileNotFound as error:
        raise ConfigurationError(f"the region cannot be read: {missing_profile(error)}") from error
    except BotoCoreError as error:
        raise ConfigurationError(f"AWS's configuration files cannot be read: {error}") from error


def _make_context() -> "ssl.SSLContext":
    with importing:
        from ..tls import make_context

    return make_context(True)
