"""The credentials that requests are signed with: the ones that boto3 would use.

The environment comes first in botocore's own order of precedence, and it is where they are on Lambda, in containers
and in CI. Reading it here saves the 170 ms that importing botocore costs; everything else (profiles, SSO, roles,
container and instance credentials, with their refresh) is asked of botocore.
"""

import os
from collections.abc import Mapping

from ..cheap_typing import Any
from ..errors import ConfigurationError
from ..forks import importing, make_lock, remake_in_child
from ..signing import Credentials

# Keys win over a profile in botocore too, but it insists that a profile which is named exists.
# Of the two names of the token botocore reads the older one first.
_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
)

_PROFILE_VARIABLES = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")  # in botocore's order
_SHOWN_PROFILES = 10  # names of profiles


class CredentialSource:
    """Reads the credentials anew each time it is asked, so that a refresh is honoured. Thread-safe and fork-safe.

    As long as they are the same it returns the same object.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._look_up, self._names = _raw(environ)
        self._seen: tuple[object, ...] | None = None  # what the variables were when they were read last
        self._kept: Credentials | None = None  # what that made
        self._begin()
        remake_in_child(self._begin)

    def _begin(self) -> None:
        """Begin without what has locks: at first, and in a forked child, where another thread may have held them."""
        self._lock = make_lock()
        self._botocore: Any = None  # botocore's credentials object, which refreshes itself

    def read(self, *, anew: bool = False) -> Credentials:
        """Return the credentials to sign with now.

        The first reading may take botocore's import and, for roles and instances, requests of its own to AWS.

        Args:
            anew: look everywhere again, for keys in a file that was rewritten since.

        Raises:
            ConfigurationError: there are none, or they cannot be read.
        """
        if self.are_at_hand and self._kept is not None:
            return self._kept
        seen = tuple(map(self._look_up, self._names))
        found = self._from_environment()
        if found is None:
            return self._from_botocore(anew=anew)
        self._kept, self._seen = found, seen
        return found

    @property
    def are_at_hand(self) -> bool:
        """Whether they are in the environment, the same as at the last reading, so that this one asks nobody."""
        return tuple(map(self._look_up, self._names)) == self._seen

    def _from_environment(self) -> Credentials | None:
        access_key, secret_key, old_token, token, *profiles = map(self._environ.get, _VARIABLES)
        if not access_key or any(profile is not None for profile in profiles):
            return None
        if not secret_key:
            raise ConfigurationError("AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not; set both or neither")
        for name in _VARIABLES[:4]:
            _check(self._environ.get(name), f"the variable {name}")
        return Credentials(access_key, secret_key, old_token or token or None)

    def _from_botocore(self, *, anew: bool) -> Credentials:
        try:
            with importing:
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
        except Exception as error:
            # Profiles, roles, SSO, web identities, processes and plug-ins each fail in a way of their own.
            raise ConfigurationError(f"the AWS credentials cannot be read: {_explain(error)}") from error
        if frozen is None or not frozen.access_key:
            raise ConfigurationError(
                "no AWS credentials found; attach the stack's backend policy to the role that this runs as, or set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (a local gateway prints them), or AWS_PROFILE"
            )
        credentials = Credentials(frozen.access_key, frozen.secret_key, frozen.token)
        for name, value in zip(("access key", "secret key", "session token"), credentials, strict=True):
            _check(value, f"the {name} that boto3 finds ({getattr(found, 'method', 'unknown source')})")
        return credentials


def _raw(environ: Mapping[str, str]) -> "tuple[Any, tuple[Any, ...]]":
    """Return how to look variables up without decoding them, and what they are called there.

    `os.environ` encodes the name and decodes the value at each look, which for six of them costs more than signing.
    """
    data, encode = getattr(environ, "_data", None), getattr(environ, "encodekey", None)
    if isinstance(data, dict) and callable(encode):
        return data.get, tuple(map(encode, _VARIABLES))
    return environ.get, _VARIABLES


def _check(value: str | None, name: str) -> None:
    """Refuse what would end a header early or could not be part of one; nothing of the value is shown."""
    if value and not all("!" <= character <= "~" for character in value):
        what = "a line break" if "\n" in value or "\r" in value else "a space, or a character beyond ASCII,"
        raise ConfigurationError(
            f"{name} has {what} in it, which no AWS key has; is it from a file, or a secret made with `echo`? "
            "Set it anew without (`echo -n`)"
        )


def _explain(error: Exception) -> str:
    """Return an error's own words, without what they may repeat of a request."""
    if type(error).__name__ == "ProfileNotFound":
        return missing_profile(error)
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's ClientError: AWS refused to hand out credentials
        details = response.get("Error", {})
        operation = getattr(error, "operation_name", "the request")
        text = f"{operation} was refused with {details.get('Code', 'an error')}: {details.get('Message', '')}"
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())[:300]


def missing_profile(error: Exception) -> str:
    """Return what is missing, where it was looked for, and what would be right.

    Args:
        error: botocore's, whose own words are kept where the profile was not named by the environment.
    """
    from botocore.session import Session

    session = Session()
    profiles = session.full_config.get("profiles", {})
    variable = next((name for name in _PROFILE_VARIABLES if name in os.environ), None)
    if variable is None or os.environ[variable] in profiles:
        return str(error)
    files = " nor ".join(str(session.get_config_variable(name)) for name in ("config_file", "credentials_file"))
    known = ", ".join(sorted(profiles)[:_SHOWN_PROFILES]) or "none"
    return (
        f"{variable} names the profile {os.environ[variable]!r:.80}, which is neither in {files} (there: {known}); "
        f"correct {variable}, or unset it where credentials come from a role or from AWS_ACCESS_KEY_ID"
    )
