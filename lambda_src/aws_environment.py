"""What Lambda tells a function about itself: region, credentials, and where AWS's services are."""

import os

from broadcaster.signing import Credentials


class AwsError(Exception):
    """A service of AWS could not be asked, or said no; the text says why and holds nothing secret.

    Attributes:
        code: AWS's name for what was wrong, if it was AWS that said so.
        is_passing: whether the same request may well succeed in a moment.
    """

    def __init__(self, message: str, *, code: str = "", is_passing: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.is_passing = is_passing


def required(name: str) -> str:
    """Return a variable that is always set: by Lambda, or by the stack.

    Raises:
        AwsError: it is not.
    """
    value = os.environ.get(name)
    if not value:
        setter = "Lambda" if name.startswith("AWS_") else "the stack"
        raise AwsError(f"{name} is not set; {setter} sets it for every function")
    return value


def credentials() -> Credentials:
    """Return the credentials of the function's role, read anew each time, as Lambda keeps them in the environment."""
    return Credentials(
        required("AWS_ACCESS_KEY_ID"), required("AWS_SECRET_ACCESS_KEY"), os.environ.get("AWS_SESSION_TOKEN") or None
    )


def domain(region: str) -> str:
    """Return the domain that AWS's services have in a region, e.g. `eu-west-1.amazonaws.com`."""
    return f"{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")


class Endpoint:
    """Where a service is.

    Attributes:
        origin: scheme, host and port to connect to.
        authority: what goes into the Host header.
        base_path: what every path begins with, e.g. `/production`, or nothing.
    """

    __slots__ = ("authority", "base_path", "origin")

    def __init__(self, variable: str, host: str, base_path: str = "") -> None:
        """Take the URL in the environment's `variable`, if it is set, else this host of AWS's.

        Raises:
            AwsError: the variable holds no URL.
        """
        override = os.environ.get(variable)
        if not override:
            self.authority = host
            self.base_path = base_path
            self.origin = ("https", host, 443)
            return
        from urllib.parse import urlsplit  # not needed on AWS, and slow to import

        try:
            url = urlsplit(override)
            port = url.port or {"http": 80, "https": 443}[url.scheme]
        except (KeyError, ValueError) as error:
            raise AwsError(
                f"{variable} is {override!r}; give an http(s) URL, e.g. 'http://127.0.0.1:8080{base_path}'"
            ) from error
        self.authority = url.netloc
        self.base_path = url.path.rstrip("/")
        self.origin = (url.scheme, url.hostname or "", port)
