"""Broadcasters that publish to the server that misbehaves by script."""

import pytest

from broadcaster import Broadcaster, MemoryRegistry


@pytest.fixture(params=["engine", "boto3"])
def sender(request):
    return request.param


@pytest.fixture
def make(server):
    made = []

    def make(**options):
        defaults = {"endpoint_url": server.endpoint.url, "region": "us-east-1", "registry": MemoryRegistry()}
        made.append(Broadcaster(**(defaults | options)))
        return made[-1]

    yield make
    for one in made:
        one.close(0.0)
