"""The credentials that requests are signed with: the ones that boto3 would use.

The environment comes first in botocore's own order of precedence, and it is where they are on Lambda, in containers
and in CI. Reading it here saves the 170 ms that importing botocore costs; everything else (profiles, SSO, roles,
container and instance credentials, with their refresh) is asked of botocore.
"""

import os
from _thread import allocate_lock
from collections.abc import Mapping

from ..errors import ConfigurationError
from ..signing import Credentials

TYPE_CHECKING = False  # as type checkers know it, without importing typing
if TYPE_CHECKING:
    from typing import Any

# botocore reads the older name first.
_TOKEN_VARIABLES = ("AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN")


class CredentialSource:
    """Reads the credentials anew each time it is asked, so that a refresh is honoured. Thread-safe."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._lock = allocate_lock()
        self._botocore: Any = None  # botocore's credentials object, which refreshes itself

    def read(self, *, anew: bool = False) -> Credentials:
        """Return the credentials to sign with now.

        The first reading may take botocore's import and, for roles and instances, requests of its own to AWS.

        Args:
            anew: look everywhere again, for keys in a file that was rewritten since.

        Raises:
            ConfigurationError: there are none, or they cannot be read.
        """
        return self._from_environment() or self._from_botocore(anew=anew)

    def _from_environment(self) -> Credentials | None:
        # Keys win over a profile in botocore too, but it insists that a profile which is named exists.
        access_key = self._environ.get("AWS_ACCESS_KEY_ID")
        if not access_key or "AWS_PROFILE" in self._environ or "AWS_DEFAULT_PROFILE" in self._environ:
            return None
        secret_key = self._environ.get("AWS_SECRET_ACCESS_KEY")
        if not secret_key:
            raise ConfigurationError("AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not; set both or neither")
        return Credentials(access_key, secret_key, next(filter(None, map(self._environ.get, _TOKEN_VARIABLES)), None))

    def _from_botocore(self, *, anew: bool) -> Credentials:
        try:
            import botocore.exceptions
            import botocore.session
        except ImportError as error:
            raise ConfigurationError(
                "no AWS credentials in the environment, and botocore is not installed to look further; "
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or install boto3"
            ) from error
        try:
            with self._lock:
                if anew or self._botocore is None:
                    self._botocore = botocore.session.Session().get_credentials()
                found = self._botocore
            frozen = found.get_frozen_credentials() if found else None
        except botocore.exceptions.BotoCoreError as error:
            raise ConfigurationError(f"the AWS credentials cannot be read: {error}") from error
        if frozen is None or not frozen.access_key:
            raise ConfigurationError(
                "no AWS credentials found; attach the stack's backend policy to the role that this runs as, or set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (for a local gateway, any values do), or AWS_PROFILE"
            )
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)
