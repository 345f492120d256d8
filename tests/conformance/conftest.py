"""A gateway with a small function, and JavaScript's clients in a `node_modules` of their own."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def answer(event, context):
    """Let everybody in, tell a connection its id, and send anything else back."""
    body = event.get("body")
    return {"statusCode": 200, "body": event["requestContext"]["connectionId"] if body == "id" else body}


@pytest.fixture(scope="session")
def gateway(local_gateway_factory):
    return local_gateway_factory(handler=answer)


@pytest.fixture
def connected(gateway):
    """A client and its connection id."""
    with gateway.connect() as client:
        client.send("id")
        yield client, str(client.receive())


@pytest.fixture(scope="session")
def node_modules(install_node_modules):
    """The folder with JavaScript's clients."""
    return install_node_modules(HERE)
