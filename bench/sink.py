"""The server that the benches send to: nginx on loopback, with TLS, answering at once or after 10 ms.

It also stands in for DynamoDB with canned answers: a Query for the channel `viewers-5` finds five connections, one for
any other finds none; a PutItem succeeds.

nginx itself cannot answer late (`limit_req` spaces requests out, which is less than 10 ms for a slow sender), so its
`echo` module from Debian does it, with a timer of nginx's own.
"""

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import trustme

from . import message

PACKAGES = "nginx libnginx-mod-http-echo wrk openssl"
HOW_TO_GET = f"they are Debian packages: apt-get install {PACKAGES}"
_ECHO_MODULE = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")

# Answers like API Gateway's: empty, with these headers.
_CONFIGURATION = """
load_module {echo_module};
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    map $request_body $items {{
        default '{{"Items":[],"Count":0,"ScannedCount":0}}';
        '~history#' '{{"Items":[]}}';
        {items}
    }}
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    client_body_buffer_size 32k;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate server.pem;
        ssl_certificate_key server.pem;
        ssl_session_cache shared:tls:1m;
        add_header x-amzn-RequestId $request_id;
        add_header x-amz-apigw-id L0SM9cOFvHcEJpQ=;
        location /now/ {{ return 200; }}
        location /later/ {{ echo_sleep 0.01; echo_exec @now; }}
        location @now {{ return 200; }}
        location = / {{ echo_read_request_body; echo_exec @items; }}
        location @items {{ default_type application/x-amz-json-1.0; return 200 $items; }}
        location /status {{ stub_status; }}
    }}
}}
"""


VIEWERS = (0, 1, 5, 50)  # of the channels `viewers-0`, `viewers-1` …


class Sink:
    """A running nginx.

    Attributes:
        url: the stages `now` and `later` are below it.
        authority: path of the certificate of the authority that has signed its own.
    """

    def __init__(self, port: int, authority: Path) -> None:
        self.url = f"https://localhost:{port}"
        self.authority = authority
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._asked = 0  # how often it was asked for its count, which it counts too

    def requests(self) -> int:
        """Return how many requests it has read so far, by its own count."""
        with urllib.request.urlopen(f"{self.url}/status", context=self._tls, timeout=10) as answer:  # noqa: S310
            counts = answer.read().splitlines()[2].split()
        self._asked += 1
        return int(counts[2]) - self._asked


def missing() -> list[str]:
    """Return what of the programs that the benches need is not installed."""
    there = {
        "nginx": nginx(),
        "nginx's echo module": _ECHO_MODULE.exists(),
        "wrk": shutil.which("wrk"),
        "openssl": shutil.which("openssl"),
    }
    return [name for name, is_there in there.items() if not is_there]


def nginx() -> str | None:
    """Return nginx's path; Debian keeps it where only administrators look."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Sink]:
    """Run nginx on a free port of loopback with all its files in `folder`, on the last core if there are several."""
    authority, port = trustme.CA(), _free_port()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    certificate = authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem
    certificate.write_to_path(str(folder / "server.pem"))
    (folder / "nginx.conf").write_text(_CONFIGURATION.format(port=port, echo_module=_ECHO_MODULE, items=_items()))
    log = folder / "nginx.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(nginx()), "-p", str(folder), "-c", "nginx.conf"],
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: pin(last=True),
        )
    try:
        _wait_for(port, process, log)
        yield Sink(port, folder / "authority.pem")
    finally:
        process.terminate()
        process.wait(10)


def _items() -> str:
    """Return the answers to Queries, one line of nginx's configuration for each channel that somebody listens to."""
    lines = []
    for viewers in filter(None, VIEWERS):
        rows = [{"sk": {"S": connection_id}} for connection_id in message.connection_ids(viewers)]
        answer = json.dumps({"Items": rows, "Count": viewers, "ScannedCount": viewers}, separators=(",", ":"))
        # Not for `channel#viewers-5` alone, as rows were named before deployments were told apart: there are none left.
        lines.append(f"'~[^\"]channel#viewers-{viewers}\"' '{answer}';")
    return "\n        ".join(lines)


def pin(*, last: bool) -> None:
    """Keep this process, and those that it starts, on the last core or on the first one."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, [cores[-1 if last else 0]])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(100):
        if process.poll() is not None:
            raise RuntimeError(f"nginx has ended at once: {log.read_text()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nginx does not listen: {log.read_text()}")
