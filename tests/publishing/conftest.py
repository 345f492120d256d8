"""The publisher in real processes: the gateway with its function URL, its Lambda, DynamoDB, secrets."""

import contextlib
import json
from types import SimpleNamespace

import pytest
from websockets.sync.client import connect

from tests.servers import started

KEY = {"app_id": "1024", "key": "local-key", "secret": "a-secret-of-the-tests" * 2}
TOKEN = "a-token-of-the-tests" * 2
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "LOCALEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG",
    "AWS_REGION": "us-east-1",
    "PUBLISH_KEY_TEXT": json.dumps(KEY),
    "PUBLISH_TOKEN": TOKEN,
}


@pytest.fixture(scope="session")
def assembly(slow, synthesized):
    return synthesized(
        registry="dynamodb", publish="bearer", public_channels="run-*,admin,kept-*", history='{"kept-*": 1000}'
    )


@pytest.fixture(scope="session")
def system(assembly):
    """Where browsers connect (`websocket`), host and port of where SDKs publish, and what a backend is told."""
    with started(["examples.stand_in", "--assembly", assembly], 9, ENVIRONMENT) as variables:
        arguments = ["local_gateway", "--assembly", assembly, "--port", "0", "--quiet"]
        for line in variables:
            arguments += ["--env", line]
        with started(arguments, 3, ENVIRONMENT) as lines:
            urls = {line.split()[0]: line.split()[-1] for line in lines}
            url = urls["function-url"]
            host, port = url.removeprefix("http://").removesuffix("/").split(":")
            backend = {**ENVIRONMENT, **dict(line.split("=", 1) for line in variables)}
            backend["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] = urls["connections"]
            yield SimpleNamespace(websocket=urls["websocket"], url=url, host=host, port=int(port), backend=backend)


class Subscriber:
    """A client that is subscribed to channels."""

    def __init__(self, socket, channels):
        self._socket = socket
        for channel in channels:
            socket.send(json.dumps({"action": "subscribe", "channel": channel}))
            assert json.loads(socket.recv(timeout=60))["type"] == "subscription_succeeded"

    def ask(self, **frame):
        """The answer to a frame."""
        self._socket.send(json.dumps(frame))
        return json.loads(self._socket.recv(timeout=60))

    def hear(self):
        """The next event, without its id: channel, name and data. Events that share a message come one by one."""
        return self._read(self.hear_message())

    def hear_message(self):
        """The next message as it was posted."""
        return json.loads(self._socket.recv(timeout=60))

    @staticmethod
    def _read(message):
        events = message.get("events") or [message]
        return [(message["channel"], event["event"], event["data"]) for event in events]


@pytest.fixture
def subscribed(system):
    with contextlib.ExitStack() as open_sockets:

        def subscribe(*channels):
            return Subscriber(open_sockets.enter_context(connect(system.websocket)), channels)

        yield subscribe
