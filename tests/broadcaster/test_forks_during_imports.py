"""A fork waits for an import that another thread is in the middle of: the child would find the module locked for ever.

Each runs in a process of its own, which has imported nothing late yet.
"""

import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("aws_keys"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
]
SECONDS = 60

FORK_WHILE_ANOTHER_THREAD_IMPORTS = """
import os, signal, sys, threading, time

from broadcaster import Broadcaster

url, sender, slow, method = sys.argv[1:]
under_way = threading.Event()


class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == slow:
            under_way.set()
            time.sleep(0.3)


sys.meta_path.insert(0, Slow())
caster = Broadcaster(endpoint_url=url, region="us-east-1", sender=sender)
caster.register_connection("L0SM9cOFvHcCIhw=")


def send():
    getattr(caster, method)("admin", "event", {})
    return caster.flush(20.0)


other = threading.Thread(target=send)
other.start()
assert under_way.wait(20)
child = os.fork()
if child == 0:
    signal.alarm(20)
    os._exit(0 if send() else 1)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
other.join()
sys.exit(status)
"""


@pytest.mark.parametrize(
    ("sender", "module", "method"),
    [
        ("engine", "broadcaster.publishing.publisher", "publish"),
        ("engine", "broadcaster.json_data", "broadcast"),
        ("boto3", "boto3", "broadcast"),
        ("boto3", "encodings.idna", "broadcast"),
    ],
)
def test_a_child_sends_although_another_thread_was_importing(server, sender, module, method):
    command = [sys.executable, "-W", "ignore", "-c", FORK_WHILE_ANOTHER_THREAD_IMPORTS]
    done = subprocess.run(
        [*command, server.endpoint.url, sender, module, method],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert len(server.requests) == 2
