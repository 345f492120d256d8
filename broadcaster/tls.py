"""The TLS settings of connections to AWS. Imported for `https` alone: ssl costs 6 ms, a CA file 30 ms."""

import errno
import os
import ssl

from .errors import ConfigurationError


def make_context(verify: bool | str) -> ssl.SSLContext:
    """Return a client's context: TLS 1.2 or newer, certificate and host name checked against the trusted authorities.

    The authorities are those of the file or folder `verify`, of AWS_CA_BUNDLE, of `ca_bundle` in AWS's configuration
    file or of REQUESTS_CA_BUNDLE, as in boto3, or else the system's.

    Raises:
        ConfigurationError: the CA bundle cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ssl.SSLContext.sslsocket_class is ssl.SSLSocket:  # and not gevent's or eventlet's
        context.sslsocket_class = _Socket
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-custom-domain-tls-version.html
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    bundle = verify if isinstance(verify, str) else None
    bundle = bundle or os.environ.get("AWS_CA_BUNDLE") or _configured_bundle() or os.environ.get("REQUESTS_CA_BUNDLE")
    try:
        if bundle is None:
            _load_system_authorities(context)
        elif os.path.isdir(bundle):  # noqa: PTH112 - pathlib costs 6 ms to import
            context.load_verify_locations(capath=bundle)
        else:
            context.load_verify_locations(cafile=bundle)
    except OSError as error:
        raise ConfigurationError(f"the CA bundle {bundle!r} cannot be used: {error}") from error
    return context


class _Socket(ssl.SSLSocket):
    """Closes itself where the standard library forgets to: when it finds at its making that the far side has reset."""

    def getpeername(self) -> object:
        try:
            return super().getpeername()
        except OSError as error:
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer") from error


def _configured_bundle() -> str | None:
    """Return `ca_bundle` of the profile in force; botocore knows which, and is asked only where a file has one."""
    path = os.environ.get("AWS_CONFIG_FILE") or os.path.expanduser("~/.aws/config")  # noqa: PTH111
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            if b"ca_bundle" not in file.read():
                return None
        import botocore.session
    except (OSError, ImportError):
        return None
    try:
        found: str | None = botocore.session.Session().get_config_variable("ca_bundle")
    except Exception as error:  # a profile that is not there, a file that cannot be parsed
        raise ConfigurationError(f"the AWS configuration {path!r} cannot be read: {error}") from error
    return found


def _load_system_authorities(context: ssl.SSLContext) -> None:
    """Trust what the system trusts; where it trusts nobody (slim images, some macOS builds), what botocore trusts."""
    paths = ssl.get_default_verify_paths()
    # OpenSSL reads a CA file as a whole, which is a third of what a short process takes for one message; in a folder it
    # looks up the few that a server's certificate needs. Debian and Alpine have both, with the same authorities.
    if paths.openssl_cafile_env not in os.environ and _is_index_of(paths.capath, paths.cafile):
        context.load_verify_locations(capath=paths.capath)
        return
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if context.cert_store_stats()["x509_ca"] or (paths.capath and os.listdir(paths.capath)):  # noqa: PTH208
        return
    from importlib.util import find_spec

    spec = find_spec("botocore")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        context.load_verify_locations(cafile=os.path.join(folder, "cacert.pem"))  # noqa: PTH118


def _is_index_of(folder: str | None, file: str | None) -> bool:
    """Tell whether a folder has, named as `openssl rehash` names them, no fewer certificates than a file."""
    if folder is None or file is None:
        return False
    try:
        indexed = sum(name[8:] in _INDEX_ENDINGS for name in os.listdir(folder))  # noqa: PTH208
        with open(file, "rb") as certificates:  # noqa: PTH123
            return indexed >= certificates.read().count(b"-----BEGIN ") > 0
    except OSError:  # not for us to read; OpenSSL makes of it what it can
        return False


_INDEX_ENDINGS = {".0", ".1", ".2", ".3"}  # after eight digits of a hash


def is_untrusted(error: OSError) -> bool:
    """Tell whether the far side's certificate was the reason: it would be again."""
    return isinstance(error, ssl.SSLCertVerificationError)
