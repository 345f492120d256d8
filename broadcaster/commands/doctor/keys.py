"""The credentials: whether there are some, of what kind, and when they expire."""

import os
from datetime import UTC, datetime

from ...aws.credentials import CredentialSource
from ...errors import ConfigurationError
from ...signing import Credentials
from .finding import Finding, bad, good, shorten, split_advice

# What botocore calls its ways of finding credentials.
_KINDS = {
    "env": "the environment",
    "shared-credentials-file": "the shared credentials file",
    "config-file": "the AWS configuration file",
    "custom-process": "a credential process",
    "sso": "an SSO session",
    "login": "a login session",
    "assume-role": "an assumed role",
    "assume-role-with-web-identity": "a role with a web identity",
    "container-role": "the container's role",
    "iam-role": "the instance's role",
}


def find_credentials() -> tuple[Credentials | None, Finding]:
    """Return the credentials that the library would sign with, and what was found of them."""
    try:
        credentials = CredentialSource().read()
    except ConfigurationError as error:
        return None, split_advice("credentials", error)
    method, expires = _origin()
    kind = _KINDS.get(method, method)
    lasting = "temporary" if credentials.token else "of an access key that lasts"
    text = f"from {kind}, {lasting} ({shorten(credentials.access_key)})"
    if expires is None:
        return credentials, good("credentials", text + (", which tell no end" if credentials.token else ""))
    when = expires.astimezone(UTC).isoformat(timespec="minutes")
    if expires <= datetime.now(UTC):
        return credentials, bad("credentials", f"{text} expired at {when}", "renew them: log in again")
    return credentials, good("credentials", f"{text}, until {when}")


def _origin() -> tuple[str, datetime | None]:
    """Return botocore's word for where credentials come from, and when they expire, if it knows."""
    if os.environ.get("AWS_ACCESS_KEY_ID") and "AWS_PROFILE" not in os.environ:
        told = os.environ.get("AWS_CREDENTIAL_EXPIRATION", "")
        try:
            return "env", datetime.fromisoformat(told).astimezone(UTC) if told else None
        except ValueError:
            return "env", None
    from botocore.session import Session

    found = Session().get_credentials()
    return getattr(found, "method", "") or "boto3", getattr(found, "_expiry_time", None)
