"""The engine over TLS under gevent, eventlet and uvloop: each in a process of its own, because they change it whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
_GEVENT = "from gevent import monkey; monkey.patch_all()"
_EVENTLET = "import warnings; warnings.simplefilter('ignore'); import eventlet; eventlet.monkey_patch()"
_RUN = "import asyncio; run = asyncio.run"
_UVLOOP = "import uvloop; run = uvloop.run"
_SYNC = """
from broadcaster import Broadcaster
with Broadcaster(endpoint_url={url!r}, region="us-east-1", verify={authority!r}) as caster:
    for number in range(20):
        caster.register_connection(f"L0SM9cOFvHc{{number}}=")
    print(sum(caster.broadcast("admin", "event", {{}}).sent for _ in range(5)))
"""
_ASYNCIO = """
from broadcaster.aio import AsyncBroadcaster
async def main():
    async with AsyncBroadcaster(endpoint_url={url!r}, region="us-east-1", verify={authority!r}) as caster:
        for number in range(20):
            await caster.register_connection(f"L0SM9cOFvHc{{number}}=")
        print(sum([(await caster.broadcast("admin", "event", {{}})).sent for _ in range(5)]))
run(main())
"""


@pytest.mark.slow
@pytest.mark.usefixtures("aws_keys")
@pytest.mark.parametrize(
    ("patch", "code"),
    [(_GEVENT, _SYNC), (_EVENTLET, _SYNC), (_RUN, _ASYNCIO), (_UVLOOP, _ASYNCIO)],
    ids=["gevent", "eventlet", "asyncio", "uvloop"],
)
def test_everybody_is_reached_over_tls(tls_server, authority, patch, code):
    code = code.format(url=tls_server.endpoint.url, authority=authority.path)
    run = subprocess.run(
        [sys.executable, "-c", f"{patch}\n{code}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stdout == "100\n", run.stderr
    assert len(tls_server.requests) == 100
    assert json.loads(tls_server.requests[0][3])["event"] == "event"
