"""The way to API Gateway: its name, TLS, and its clock beside this machine's."""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping
from typing import NamedTuple

from ...endpoint import Endpoint
from ...errors import ConfigurationError
from ...sending.engine.clock_skew import parse_http_date
from ...sending.refusals import explain_unreachable
from ...tls import is_untrusted, make_context
from .finding import Finding, bad, good, split_advice

_SECONDS = 5.0  # for connecting, and for an answer

# AWS accepts signatures within five minutes of its own time.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
_ACCEPTED = 300.0  # seconds
_NOTICEABLE = 5.0  # seconds: Date has whole ones, and the answer was on its way


class HttpAnswer(NamedTuple):
    """What was answered, with header names in small letters, and how this machine's clock stands to it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    offset: float  # seconds by which the server's clock is ahead
    tls: str  # version and last day of the certificate; empty for plain HTTP


def ask(endpoint: Endpoint, target: str, headers: Mapping[str, str]) -> HttpAnswer:
    """Return the answer to one GET.

    Raises:
        OSError: there is none.
        ConfigurationError: the CA bundle cannot be used.
    """
    tls = ""
    if endpoint.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            endpoint.host, endpoint.port, timeout=_SECONDS, context=make_context(True)
        )
    else:
        connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=_SECONDS)
    try:
        connection.connect()
        if isinstance(connection.sock, ssl.SSLSocket):
            certificate = connection.sock.getpeercert() or {}
            tls = f"{connection.sock.version()}, the certificate is good until {certificate.get('notAfter', 'unknown')}"
        connection.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": endpoint.authority, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"what answers there speaks no HTTP ({type(error).__name__})") from error
    finally:
        connection.close()
    found = {name.lower(): value for name, value in answer.getheaders()}
    date = parse_http_date(found.get("date", ""))
    return HttpAnswer(answer.status, found, body, 0.0 if date is None else date - time.time(), tls)


def look_up(endpoint: Endpoint) -> tuple[list[str], Finding]:
    """Return the addresses of the host, and what was found; without any, nothing else can be asked there."""
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # the second of a name with an empty or a long label
        return [], bad(
            "name",
            f"{endpoint.host} is not known: {getattr(error, 'strerror', None) or error}",
            "check the API id and the region, or the domain; and that this machine resolves other names",
        )
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    return addresses, good("name", f"{endpoint.host} has {len(addresses)} address{'es'[: 2 * (len(addresses) > 1)]}")


def is_vpc_endpoint(endpoint: Endpoint, addresses: list[str]) -> bool:
    """Tell whether AWS's public name leads to addresses of a private network."""
    return ".execute-api." in endpoint.host and all(ipaddress.ip_address(each).is_private for each in addresses)


def travel(endpoint: Endpoint) -> tuple[float | None, list[Finding]]:
    """Return by how many seconds the server's clock is ahead, and what was found; None where nothing answers."""
    try:
        answer = ask(endpoint, f"{endpoint.base_path}/@connections/", {})
    except ConfigurationError as error:
        return None, [split_advice("TLS", error)]
    except OSError as error:
        if is_untrusted(error):
            return None, [
                bad(
                    "TLS",
                    f"the certificate of {endpoint.host} is not accepted: {getattr(error, 'verify_message', error)}",
                    "if a proxy or firewall reads TLS here, name its CA bundle in AWS_CA_BUNDLE; for a domain of your "
                    "own look at its certificate in ACM",
                )
            ]
        reason = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        text, _, advice = explain_unreachable(endpoint.url, reason).partition("; ")
        return None, [bad("connection", text, advice or "check the address, and firewalls between here and there")]
    found = [good("TLS", answer.tls)] if answer.tls else []
    return answer.offset, [*found, _judge_clock(answer)]


def _judge_clock(answer: HttpAnswer) -> Finding:
    if "date" not in answer.headers:
        return good("clock", "the server tells no time to compare with")
    seconds = abs(answer.offset)
    side = "behind" if answer.offset > 0 else "ahead of"
    if seconds >= _ACCEPTED:
        return bad(
            "clock",
            f"this machine's is {_in_words(seconds)} {side} the server's, and AWS refuses signatures from 5 minutes on",
            "set it, and keep it set with NTP (chrony or systemd-timesyncd; w32tm /resync on Windows)",
        )
    if seconds < _NOTICEABLE:
        return good("clock", "agrees with the server's")
    return good("clock", f"{_in_words(seconds)} {side} the server's, which is accepted")


def _in_words(seconds: float) -> str:
    minutes = round(seconds / 60)
    return (
        f"{seconds:.0f} s"
        if minutes < 2
        else f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"{minutes} min"
    )
