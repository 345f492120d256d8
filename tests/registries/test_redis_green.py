"""A broadcast with a real Redis under gevent, eventlet and uvloop, each in a process of its own, which they change."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from tests.broadcaster.conftest import HostileServer

ROOT = Path(__file__).parents[2]
SETTINGS = 'endpoint_url={url!r}, region="us-east-1", registry={registry!r}'
SYNC = f"""
from broadcaster import Broadcaster
with Broadcaster({SETTINGS}) as caster:
    for number in range(20):
        caster.register_connection(f"L0SM9cOFvHc{{{{number}}}}=")
    print(sum(caster.broadcast("admin", "event", {{{{}}}}).sent for _ in range(5)))
"""
ASYNCIO = f"""
from broadcaster.aio import AsyncBroadcaster
async def main():
    async with AsyncBroadcaster({SETTINGS}) as caster:
        for number in range(20):
            await caster.register_connection(f"L0SM9cOFvHc{{{{number}}}}=")
        print(sum([(await caster.broadcast("admin", "event", {{{{}}}})).sent for _ in range(5)]))
run(main())
"""


@pytest.fixture
def server():
    running = HostileServer()
    yield running
    running.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ("from gevent import monkey; monkey.patch_all()", SYNC),
        ("import warnings; warnings.simplefilter('ignore'); import eventlet; eventlet.monkey_patch()", SYNC),
        ("import asyncio; run = asyncio.run", ASYNCIO),
        ("import uvloop; run = uvloop.run", ASYNCIO),
    ],
    ids=["gevent", "eventlet", "asyncio", "uvloop"],
)
def test_everybody_in_redis_is_reached(redis_server, server, patch, code):
    prefix = f"test-{uuid4().hex}"
    code = code.format(url=server.endpoint.url, registry=f"{redis_server.url}?prefix={prefix}")
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
    run = subprocess.run(
        [sys.executable, "-c", f"{patch}\n{code}"],
        cwd=ROOT,
        env={**os.environ, **keys, "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stdout == "100\n", run.stderr
    assert len(server.requests) == 100
    with redis.Redis.from_url(redis_server.url) as client:
        assert list(client.scan_iter(f"{prefix}*")), "the list was kept elsewhere"
