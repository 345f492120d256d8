"""The certificates of the gateway's port: a handler may call `https://{domainName}/{stage}`, as it would on AWS.

The authority is made anew by each process and kept in its memory alone; only the functions of its gateways trust it.
"""

import ssl
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import trustme


@cache
def _authority() -> trustme.CA:
    return trustme.CA(organization_name="local_gateway")


def server_context(*names: str) -> ssl.SSLContext:
    """Make a server's TLS context with a certificate for these host names and addresses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority().issue_cert(*dict.fromkeys(names)).configure_cert(context)
    return context


def write_trusted(path: Path) -> None:
    """Write a bundle of the authorities that a function trusts: the public ones, as far as they are known, and ours."""
    public = ssl.get_default_verify_paths().cafile or _of_botocore()
    known = Path(public).read_bytes() if public else b""
    path.write_bytes(known + b"\n" + _authority().cert_pem.bytes())


def _of_botocore() -> str | None:
    """Find the bundle that botocore brings along, for systems that keep their authorities in no file."""
    spec = find_spec("botocore")
    bundle = Path(spec.origin).with_name("cacert.pem") if spec is not None and spec.origin is not None else None
    return str(bundle) if bundle is not None and bundle.is_file() else None
