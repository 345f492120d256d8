"""The real stack, synthesized by the real CDK CLI, behind the local gateway."""

import pytest


@pytest.fixture(scope="session")
def gateway(assembly, local_gateway_factory):
    """A gateway that serves the stack to every test here."""
    return local_gateway_factory(template=assembly)


@pytest.fixture
def backend_environment(gateway, monkeypatch):
    """What `dev.py run` gives to the backend: local keys, and AWS's variable for the management API."""
    gateway.set_environment(monkeypatch)
