"""Whether requests have to go through a proxy, which boto3 speaks to and the clients of this package do not."""

import os
import sys
from collections.abc import Mapping

from .aws.address import Endpoint


def is_proxied(endpoint: Endpoint, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether requests to the endpoint have to go through a proxy, as boto3 would see it.

    The environment decides (HTTPS_PROXY, HTTP_PROXY, NO_PROXY in either case), on Windows and macOS also the system's
    settings. A server on this machine is never reached through a proxy.
    """
    if endpoint.host in ("localhost", "127.0.0.1", "::1"):
        return False
    has_system_settings = sys.platform in ("win32", "darwin")
    variable = f"{endpoint.scheme}_proxy"
    if not has_system_settings and not any(name.lower() == variable for name in environ):
        return False  # the usual case, without the cost of importing urllib.request
    from urllib.request import getproxies, proxy_bypass

    return endpoint.scheme in getproxies() and not proxy_bypass(endpoint.authority)
