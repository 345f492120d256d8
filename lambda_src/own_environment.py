"""What Lambda and the stack tell a function about itself, and whom it trusts."""

import os
from typing import TYPE_CHECKING

from broadcaster.errors import ConfigurationError
from broadcaster.signing import Credentials

if TYPE_CHECKING:
    import ssl

_tls: "ssl.SSLContext | None" = None


def required(name: str) -> str:
    """Return a variable that is always set: by Lambda, or by the stack.

    Raises:
        ConfigurationError: it is not.
    """
    value = os.environ.get(name)
    if not value:
        setter = "Lambda" if name.startswith("AWS_") else "the stack"
        raise ConfigurationError(f"{name} is not set; {setter} sets it for every function")
    return value


def credentials(*, anew: bool = False) -> Credentials:
    """Return the credentials of the function's role, read anew each time, as Lambda keeps them in the environment."""
    return Credentials(
        required("AWS_ACCESS_KEY_ID"), required("AWS_SECRET_ACCESS_KEY"), os.environ.get("AWS_SESSION_TOKEN") or None
    )


def tls_context() -> "ssl.SSLContext":
    """Return what trusts the authorities of the system.

    Loading them takes longer than a handshake, tens of ms of CPU time, so all connections share it.
    """
    global _tls
    if _tls is None:
        # Imported here because a local gateway speaks plain HTTP and needs none of it.
        import ssl

        _tls = ssl.create_default_context()
    return _tls
