"""Four workers, one list: WebSocket clients behind the local gateway, registered through whichever worker answers.

Every event that a worker said it had sent reaches every client exactly once, also after workers and the Redis server
were killed in the middle.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from broadcaster.registries.choose import VARIABLE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CLIENTS = 25
WORKERS = 4
TIMEOUT = aiohttp.ClientTimeout(total=30)


def resource(kind, **properties):
    return {"Type": kind, "Properties": properties}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """A local gateway with the project's Lambda behind its routes: the URLs for clients and for backends."""
    asset = tmp_path_factory.mktemp("assembly") / "asset"
    asset.mkdir()
    for source in (ROOT / "lambda_src").glob("*.py"):
        (asset / source.name).write_bytes(source.read_bytes())
    (asset / "broadcaster").symlink_to(ROOT / "broadcaster")
    resources = {
        "Api": resource(
            "AWS::ApiGatewayV2::Api",
            Name="proof",
            ProtocolType="WEBSOCKET",
            RouteSelectionExpression="$request.body.action",
        ),
        "Stage": resource("AWS::ApiGatewayV2::Stage", ApiId={"Ref": "Api"}, StageName="production", AutoDeploy=True),
        "Handler": {
            **resource(
                "AWS::Lambda::Function",
                Handler="handler.handler",
                Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
                Timeout=10,
                MemorySize=256,
                Code={"S3Bucket": "assets", "S3Key": "asset.zip"},
            ),
            "Metadata": {"aws:asset:path": "asset", "aws:asset:property": "Code"},
        },
        "Response": resource(
            "AWS::ApiGatewayV2::RouteResponse",
            ApiId={"Ref": "Api"},
            RouteId={"Ref": "RouteDefault"},
            RouteResponseKey="$default",
        ),
    }
    arn = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
    for key in ("$connect", "$disconnect", "$default"):
        name = key[1:].title()
        resources[f"Integration{name}"] = resource(
            "AWS::ApiGatewayV2::Integration",
            ApiId={"Ref": "Api"},
            IntegrationType="AWS_PROXY",
            IntegrationUri={"Fn::Join": ["", [arn, {"Fn::GetAtt": ["Handler", "Arn"]}, "/invocations"]]},
        )
        resources[f"Route{name}"] = resource(
            "AWS::ApiGatewayV2::Route",
            ApiId={"Ref": "Api"},
            RouteKey=key,
            Target={"Fn::Join": ["", ["integrations/", {"Ref": f"Integration{name}"}]]},
            **({"RouteResponseSelectionExpression": "$default"} if key == "$default" else {}),
        )
        resources[f"Permission{name}"] = resource(
            "AWS::Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName={"Fn::GetAtt": ["Handler", "Arn"]},
            Principal="apigateway.amazonaws.com",
            SourceArn={"Fn::Sub": "arn:aws:execute-api:us-east-1:123456789012:${Api}/*" + key},
        )
    template = asset.parent / "Proof.template.json"
    template.write_text(json.dumps({"Resources": resources}))
    command = [sys.executable, "-m", "local_gateway", "--assembly", template, "--port", "0", "--quiet"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        urls = dict(process.stdout.readline().split() for _ in range(2))
        yield urls
        process.terminate()


@pytest.fixture
def environment(gateway, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", gateway["connections"])
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)


class Gunicorn:
    """gunicorn with four workers on one port."""

    def __init__(self, folder):
        settings = folder / "settings.py"
        settings.write_text(
            "control_socket_disable = True\n"
            "def when_ready(server):\n"
            "    print(server.LISTENERS[0].getsockname()[1], flush=True)\n"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", settings, "--workers", str(WORKERS), "--bind", "127.0.0.1:0",
             "--timeout", "60", "--log-level", "error", "tests.registries.worker:app"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self._port = int(self._process.stdout.readline())

    def port(self):
        return self._port

    def replace(self, worker):
        """Kill a worker; gunicorn starts another one."""
        os.kill(worker, signal.SIGKILL)

    def close(self):
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()


class Processes:
    """Four processes that know nothing of one another, each on a port of its own."""

    def __init__(self, _):
        self._running = {}  # process -> port
        for _ in range(WORKERS):
            self._start()

    def _start(self):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.registries.worker"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        self._running[process] = int(process.stdout.readline())

    def port(self):
        return random.choice(list(self._running.values()))

    def replace(self, worker):
        [process] = [process for process in self._running if process.pid == worker]
        self._start()
        del self._running[process]
        process.kill()
        process.wait()
        process.stdout.close()

    def close(self):
        for process in self._running:
            process.kill()
            process.wait()
            process.stdout.close()


class Client:
    """A browser: it learns its id, registers it and notes the numbers of the events that it receives."""

    def __init__(self, socket, connection_id):
        self.connection_id = connection_id
        self.received = Counter()
        self._socket = socket
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, session, url):
        socket = await session.ws_connect(url)
        await socket.send_json({"action": "connection_id"})
        return cls(socket, (await socket.receive_json(timeout=60))["connection_id"])

    async def _read(self):
        async for message in self._socket:
            self.received[json.loads(message.data)["data"]["number"]] += 1

    async def close(self):
        await self._socket.close()
        await self._reading


class Backend:
    """Asks whichever worker answers, and keeps count of what became of each event."""

    def __init__(self, session, servers):
        self.servers = servers
        self.sent = {}  # number of an event -> how many it was sent to
        self.refused = set()  # events of which the worker said that nothing was sent
        self.unknown = set()  # events whose worker died before it answered
        self.events_of = Counter()  # by worker
        self.registered_by = Counter()
        self._session = session
        self._number = 0

    async def ask(self, path, **asked):
        url = f"http://127.0.0.1:{self.servers.port()}{path}"
        async with self._session.post(url, json=asked, headers={"Connection": "close"}, timeout=TIMEOUT) as answer:
            told = await answer.json()
            return answer.status, told["worker"], told["answer"]

    async def register(self, client):
        """Register until it is done, as a browser would."""
        while True:
            try:
                status, worker, _ = await self.ask("/register", connection_id=client.connection_id, channels=["logs"])
            except (aiohttp.ClientError, ConnectionError):
                continue
            if status == 200:
                self.registered_by[worker] += 1
                return

    async def broadcast(self):
        self._number = number = self._number + 1
        try:
            status, worker, answer = await self.ask("/broadcast", channel="logs", data={"number": number})
        except (aiohttp.ClientError, ConnectionError):
            self.unknown.add(number)
            return
        if status == 200:
            assert answer["failed"] == 0
            self.sent[number] = answer["sent"]
            self.events_of[worker] += 1
        else:
            assert "could not list the connections" in answer
            self.refused.add(number)

    async def broadcast_from_each_worker(self, times):
        """Broadcast until four workers have sent so many events each; returns those workers."""
        before = self.events_of.copy()
        while True:
            await asyncio.gather(*(self.broadcast() for _ in range(2)))
            done = [worker for worker, events in (self.events_of - before).items() if events >= times]
            if len(done) >= WORKERS:
                return done


async def until(condition):
    while not await condition():  # noqa: ASYNC110 - it happens in other processes
        await asyncio.sleep(0.05)


async def prove(gateway, servers, outage):
    """Play the whole story; `outage(backend)` kills what the registry runs on, if that can be, and brings it back."""
    async with aiohttp.ClientSession() as session:
        backend = Backend(session, servers)

        async def join(count):
            clients = [await Client.connect(session, gateway["websocket"]) for _ in range(count)]
            await asyncio.gather(*(backend.register(client) for client in clients))
            return clients

        async def are_counted():
            return (await backend.ask("/count"))[2] == CLIENTS

        clients = await join(CLIENTS)
        workers = await backend.broadcast_from_each_worker(2)

        # Two workers are killed while events are under way.
        sending = asyncio.gather(*(backend.broadcast() for _ in range(12)))
        await asyncio.sleep(0)
        for worker in workers[:2]:
            await asyncio.to_thread(servers.replace, worker)
        await sending
        await outage(backend)
        await backend.broadcast_from_each_worker(2)
        first_of_late = backend._number + 1
        late = await join(5)
        await backend.broadcast_from_each_worker(1)

        # Some leave without a word to the backend; the next event finds them gone and takes them off the list.
        left, clients = clients[:5], clients[5:]
        first_without_left = backend._number + 1
        await asyncio.gather(*(client.close() for client in left))
        await backend.broadcast_from_each_worker(1)
        await until(are_counted)

        # And some are never heard of again: nothing is sent to their channel, so only their expiry removes them.
        for number in range(8):
            await backend.ask("/expiring", connection_id=f"lost-{number}=", seconds=1.5)

        await until(are_counted)

        # Who has the last event has had all before it: the gateway keeps a connection's order.
        await backend.broadcast()
        last = max(backend.sent)

        async def have_last():
            return all(client.received[last] for client in [*clients, *late])

        await until(have_last)
        check(backend, clients, range(1, last + 1))
        check(backend, late, range(first_of_late, last + 1))
        check(backend, left, range(1, first_without_left))
        for client in [*clients, *late]:
            await client.close()
        deliveries = sum(client.received.total() for client in [*clients, *late, *left])
        print(
            f"\n{len(clients) + len(late) + len(left)} clients registered by {len(backend.registered_by)} workers; "
            f"{len(backend.sent)} events sent by {len(backend.events_of)} workers, each received by every client "
            f"exactly once: {deliveries} deliveries; {len(backend.refused)} refused while the registry was away, "
            f"received by nobody; {len(backend.unknown)} of killed workers, received at most once"
        )
    return backend


def check(backend, clients, numbers):
    """Every event that was sent was received once, those refused never, those of killed workers at most once."""
    for client in clients:
        for number in numbers:
            if number in backend.sent:
                assert client.received[number] == 1, f"event {number}"
            elif number in backend.refused:
                assert client.received[number] == 0, f"event {number}"
            else:
                assert client.received[number] <= 1, f"event {number}"


@pytest.mark.usefixtures("environment")
async def test_gunicorn_with_four_workers_on_redis(gateway, make_redis, monkeypatch, tmp_path):
    server = make_redis("--appendonly", "yes", "--appendfsync", "always")
    monkeypatch.setenv(VARIABLE, server.url)

    async def restart_redis(backend):
        await asyncio.to_thread(server.kill)
        while not backend.refused:
            await backend.broadcast()
        await asyncio.to_thread(server.start)

    servers = Gunicorn(tmp_path)
    try:
        backend = await prove(gateway, servers, restart_redis)
    finally:
        servers.close()
    assert backend.refused
    assert len(backend.events_of) >= WORKERS + 2


@pytest.mark.usefixtures("environment")
async def test_four_processes_on_dynamodb(gateway, table, dynamodb_url, monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, f"dynamodb://{table}?region=us-east-1&endpoint_url={dynamodb_url}")

    async def none(_):
        pass

    servers = Processes(tmp_path)
    try:
        backend = await prove(gateway, servers, none)
    finally:
        servers.close()
    assert len(backend.events_of) >= WORKERS + 2
