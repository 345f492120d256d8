"""The real stack behind the local gateway, a real Redis, and the commands as a terminal runs them."""

import json
from types import SimpleNamespace
from uuid import uuid4

import pytest

from broadcaster.commands.main import main
from broadcaster.registries.redis import RedisRegistry
from tests.broadcaster.conftest import authority, server, server_tls, tls_server  # noqa: F401 - fixtures
from tests.registries.conftest import _redis_is_installed, make_redis, redis_server  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def gateway(assembly, local_gateway_factory):
    """A gateway that serves the stack to every test here."""
    return local_gateway_factory(template=assembly)


@pytest.fixture
def registry_url(redis_server):  # noqa: F811 - the fixture
    return f"{redis_server.url}?prefix=test-{uuid4().hex}&scope=a/b"


@pytest.fixture
def environment(gateway, registry_url, monkeypatch):
    """What the backend's environment would be."""
    gateway.set_environment(monkeypatch)
    monkeypatch.setenv("BROADCASTER_REGISTRY", registry_url)
    for name in ("BROADCASTER_SECRET", "WEBSOCKET_API_ID", "WEBSOCKET_STAGE", "WEB_CONCURRENCY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder_of_no_server(tmp_path_factory, monkeypatch):
    """Where the doctor sees no workers: other tests run servers of several in the folder of the project."""
    monkeypatch.chdir(tmp_path_factory.mktemp("backend"))


@pytest.fixture
def registry(environment, registry_url):
    registry = RedisRegistry(registry_url)
    yield registry
    registry.close()


@pytest.fixture
def listen(gateway, registry):
    """Connects and registers a client; returns it, and its connection id."""
    clients = []

    def connect(*channels):
        client = gateway.connect()
        clients.append(client)
        client.send({"action": "connection_id"})
        connection_id = client.receive().json()["connection_id"]
        registry.add(connection_id, channels or None)
        return client, connection_id

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def run(capsys):
    """Runs a command; returns its exit code and what it printed."""

    def call(*arguments):
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return SimpleNamespace(
            code=code, out=printed.out, err=printed.err, json=lambda: [json.loads(x) for x in printed.out.splitlines()]
        )

    return call
