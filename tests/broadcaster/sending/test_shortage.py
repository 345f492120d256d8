"""A machine that has no thread or no file left: an error of ours or a result, and afterwards all is well."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("aws_keys"),
    pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux"),
]

_BEGIN = """
import resource, socket, threading, _thread
from broadcaster import Broadcaster, BroadcasterError
caster = Broadcaster(endpoint_url={url!r}, region="us-east-1", sender={sender!r}, verify={authority!r}, deadline=30)
caster.register_connection("L0SM9cOFvHcCIhw=")
def broadcast(caster=caster):
    try:
        return str(caster.broadcast("admin", "event", {{}}))
    except BroadcasterError as error:
        return type(error).__name__
"""
# No thread can be started from the beginning: as at the limit of a container, or at the end of the interpreter.
_NO_THREADS = (
    """
import _thread, socket, threading
def refuse(*_, **__):
    raise RuntimeError("can't start new thread")
threading._start_new_thread = threading._start_joinable_thread = _thread.start_new_thread = refuse
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: resolve("127.0.0.1", *rest, **more)
"""
    + _BEGIN
    + "print(broadcast())\n"
)
_NO_FILES = (
    _BEGIN
    + """
warm = Broadcaster(endpoint_url={url!r}, region="us-east-1", sender={sender!r}, verify={authority!r}, deadline=30)
warm.register_connection("L0SM9cOFvHcCIhw=")
broadcast(warm)  # imports what is imported late
limit = 256
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
taken = []
try:
    while True:
        taken.append(open("/dev/null"))
except OSError:
    pass
for _ in range({free}):
    taken.pop().close()
first = broadcast()
for file in taken:
    file.close()
print(first)
print(broadcast())
"""
)


def run(code, **names):
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    code = code.format(**names)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


ONE_SENT = "{'sent': 1, 'failed': 0, 'stale': 0}"


@pytest.mark.parametrize("free", [0, 1, 2, 3])
@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_without_a_file_descriptor_the_error_is_ours_and_the_next_call_works(tls_server, authority, sender, free):
    url = tls_server.endpoint.url
    first, then = run(_NO_FILES, url=url, authority=authority.path, sender=sender, free=free)
    assert first in ("UnavailableError", "RefusedError", "ConfigurationError", ONE_SENT)
    assert then == ONE_SENT


@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_without_a_thread_the_calling_one_does_it_all(server, sender):
    url = server.endpoint.url.replace("127.0.0.1", "api.example")
    assert run(_NO_THREADS, url=url, authority=True, sender=sender) == [ONE_SENT]
    assert len(server.requests) == 1


# From Python 3.12 no thread can be started any more by then.
_AT_EXIT = _BEGIN + "import atexit\nbroadcast()\natexit.register(lambda: print(broadcast()))\n"


@pytest.mark.parametrize("sender", ["engine", "boto3"])
def test_a_broadcast_at_the_end_of_the_process_arrives(server, sender):
    assert run(_AT_EXIT, url=server.endpoint.url, authority=True, sender=sender) == [ONE_SENT]
    assert len(server.requests) == 2
