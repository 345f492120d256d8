"""The Node.js library in a process of its own, and real servers for it and for the Python library."""

import json
import os
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

# The same servers as the tests of the Python registries have.
from tests.broadcaster.conftest import authority, server_tls, start_server
from tests.registries.conftest import (
    _aws_keys,
    _redis_is_installed,
    dynamodb_client,
    dynamodb_url,
    make_redis,
    redis_cluster,
    redis_server,
    table,
    tls_redis,
)

__all__ = [
    "_aws_keys",
    "_redis_is_installed",
    "authority",
    "dynamodb_client",
    "dynamodb_url",
    "make_redis",
    "redis_cluster",
    "redis_server",
    "server_tls",
    "start_server",
    "table",
    "tls_redis",
]

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "node_broadcaster"


@pytest.fixture(scope="session")
def node_modules(install_node_modules):
    """The folder with the packages that the Node.js library may be used with."""
    return install_node_modules(PACKAGE)


class NodeError(Exception):
    """What a call was rejected with: its class and its text."""


class Node:
    """Calls functions of the Node.js library by their names there."""

    def __init__(self, **variables):
        self._process = subprocess.Popen(
            ["node", "--no-warnings", Path(__file__).with_name("caller.mjs")],
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __getattr__(self, name):
        def call(*arguments):
            print(json.dumps([name, *arguments]), file=self._process.stdin, flush=True)
            answer = json.loads(self._process.stdout.readline())
            if "error" in answer:
                raise NodeError(*answer["error"])
            self.failures = answer.get("failures")
            return answer.get("value")

        return call

    def end(self):
        """Let it end by itself, as a process does that has nothing more to do."""
        self._process.communicate(timeout=60)
        return self._process.returncode


@pytest.fixture
def start_node(node_modules):
    """Starts processes with further environment variables; each has to end by itself."""
    started = []

    def start(**variables):
        started.append(Node(**variables))
        return started[-1]

    yield start
    for node in started:
        assert node.end() == 0


@pytest.fixture(params=["redis", "redis cluster", "redis with TLS", "dynamodb"])
def registry(request):
    """The URL of a registry that nobody else uses, for both languages."""
    match request.param:
        case "redis":
            return f"{request.getfixturevalue('redis_server').url}?prefix={uuid4().hex}"
        case "redis cluster":
            return f"{request.getfixturevalue('redis_cluster')}&prefix={uuid4().hex}"
        case "redis with TLS":
            server, authority = request.getfixturevalue("tls_redis")
            return f"{server.url}?ssl_ca_certs={authority}"
        case _:
            name, url = request.getfixturevalue("table"), request.getfixturevalue("dynamodb_url")
            return f"dynamodb://{name}?region=us-east-1&endpoint_url={url}"
