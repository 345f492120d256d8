"""Real servers for the registries: Redis alone, with TLS and as a cluster, and a DynamoDB that speaks HTTP."""

import http.client
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import boto3
import pytest
import redis
import trustme
from botocore.config import Config

from broadcaster.aws.retries import Patience
from broadcaster.registries import dynamodb_rows
from broadcaster.registries.dynamodb import DynamoDBRegistry
from broadcaster.registries.memory import MemoryRegistry
from broadcaster.registries.redis import RedisRegistry

REGION = "us-east-1"


class Clock:
    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def wait_until(condition):
    """Return the condition's first true value; the suite's time limit ends a wait in vain."""
    while not (value := condition()):
        time.sleep(0.02)
    return value


# ---------------------------------------------------------------------------------------------------------------- Redis


class RedisServer:
    """A redis-server process on a free port of loopback; its data is gone with its folder."""

    def __init__(self, folder, *options, tls=None, sentinel_of=None):
        self.folder = folder
        self.port = 0
        self._options = options
        self._tls = tls
        self._sentinel_of = sentinel_of
        self._process = None

    @property
    def url(self):
        return f"{'rediss' if self._tls else 'redis'}://127.0.0.1:{self.port}/0"

    def start(self):
        """Start it, on the port it had before if there was one."""
        self.port = self.port or _free_port()
        ports = ["--port", "0", "--tls-port", str(self.port), *self._tls] if self._tls else ["--port", str(self.port)]
        command = [
            "redis-server",
            *ports,
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.folder),
            "--save",
            "",
            "--daemonize",
        ]
        if self._sentinel_of:
            command = ["redis-server", self._sentinel_file(), "--sentinel", "--daemonize"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*command, "no", *self._options], stdout=log, stderr=log)
        wait_until(self._answers)

    def _sentinel_file(self):
        server, password = self._sentinel_of
        path = self.folder / "sentinel.conf"
        path.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n"
            f"sentinel monitor mymaster 127.0.0.1 {server.port} 1\nsentinel auth-pass mymaster {password}\n"
        )
        return str(path)

    def kill(self):
        """End it as a crash does."""
        self._process.kill()
        self._process.wait()

    def stop(self):
        self._process.terminate()
        self._process.wait()

    def client(self, **options):
        return redis.Redis(port=self.port, decode_responses=True, **options)

    def _answers(self):
        if self._process.poll() is not None:
            pytest.fail(f"redis-server ended at once: {(self.folder / 'log').read_text()[-500:]}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                pass
        except OSError:
            return False
        if self._tls:
            return True
        try:
            with self.client(retry=None) as client:
                return client.ping()
        except redis.AuthenticationError:
            return True  # it asks for a password
        except redis.RedisError:
            return False


def _free_port():
    # Redis cannot choose one itself: its port 0 means none. Below the range of outgoing connections' ports, and with
    # room for the cluster's own port, which is 10,000 higher.
    while True:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        if port < 55_000:
            return port


@pytest.fixture(scope="session")
def _redis_is_installed():
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed; on Debian: apt-get install redis-server")


@pytest.fixture
def make_redis(tmp_path, _redis_is_installed):
    """Makes servers of a test's own, which it may kill; takes further options of redis-server."""
    made = []

    def make(*options, tls=None, sentinel_of=None):
        folder = tmp_path / f"redis-{len(made)}"
        folder.mkdir()
        server = RedisServer(folder, *options, tls=tls, sentinel_of=sentinel_of)
        made.append(server)
        server.start()
        return server

    yield make
    for server in made:
        server.kill()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory, _redis_is_installed):
    """A server that all tests share; each uses a prefix of its own."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def tls_redis(make_redis, tmp_path):
    """A server that speaks TLS alone, and the path of the authority that vouches for it."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    paths = {name: str(tmp_path / name) for name in ("ca.pem", "cert.pem", "key.pem")}
    authority.cert_pem.write_to_path(paths["ca.pem"])
    certificate.cert_chain_pems[0].write_to_path(paths["cert.pem"])
    certificate.private_key_pem.write_to_path(paths["key.pem"])
    options = ["--tls-cert-file", paths["cert.pem"], "--tls-key-file", paths["key.pem"], "--tls-auth-clients", "no"]
    return make_redis(tls=[*options, "--tls-ca-cert-file", paths["ca.pem"]]), paths["ca.pem"]


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory, _redis_is_installed):
    """Three nodes that share the slots, so that a command over two slots is refused; the URL of one of them."""
    nodes = [RedisServer(tmp_path_factory.mktemp("node"), "--cluster-enabled", "yes") for _ in range(3)]
    for node in nodes:
        node.start()
    clients = [node.client() for node in nodes]
    for number, client in enumerate(clients):
        first, last = 16384 * number // 3, 16384 * (number + 1) // 3 - 1
        client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
    for node in nodes[1:]:
        clients[0].execute_command("CLUSTER MEET", "127.0.0.1", node.port)
    wait_until(lambda: all(client.execute_command("CLUSTER INFO")["cluster_state"] == "ok" for client in clients))
    for client in clients:
        client.close()
    yield nodes[0].url + "?cluster=true"
    for node in nodes:
        node.stop()


# ------------------------------------------------------------------------------------------------------------- DynamoDB


@pytest.fixture(scope="session")
def dynamodb_url(slow):
    """A process that speaks DynamoDB's protocol over HTTP."""
    code = (
        "import sys, threading\n"
        "from moto.moto_server import werkzeug_app as moto\n"
        "from werkzeug.serving import make_server\n"
        "from examples.stand_in import one_at_a_time\n"
        "app = one_at_a_time(moto.DomainDispatcherApplication(moto.create_backend_app))\n"
        "server = make_server('127.0.0.1', 0, app, threaded=True, request_handler=moto.MotoRequestHandler)\n"
        "threading.Thread(target=server.serve_forever, daemon=True).start()\n"
        "print(server.server_port, flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.stdin.close()
    process.wait()
    process.stdout.close()


@pytest.fixture(scope="session", autouse=True)
def _aws_keys():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        yield


def patient_client(url):
    """A client as the registry makes it, but for its timeouts: the machine that the tests run on may be busy."""
    config = Config(connect_timeout=60, read_timeout=60, retries={"total_max_attempts": 1}, max_pool_connections=16)
    return boto3.session.Session().client("dynamodb", region_name=REGION, endpoint_url=url, config=config)


@pytest.fixture(scope="session")
def dynamodb_client(dynamodb_url, _aws_keys):
    """One for all tests: making one takes longer than most of them."""
    client = patient_client(dynamodb_url)
    yield client
    client.close()


@pytest.fixture
def gate_client(gate):
    """One whose requests pass the gate."""
    client = patient_client(gate.url)
    yield client
    client.close()


@pytest.fixture
def table(dynamodb_client):
    """The name of a fresh table, made as the stack makes it."""
    name = f"connections-{uuid4().hex}"
    dynamodb_client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
    )
    yield name
    dynamodb_client.delete_table(TableName=name)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with five, as it is by default, the kernel makes some of many callers wait a second


class Gate:
    """Stands before DynamoDB: counts requests by operation, and answers some itself when it is told to.

    `answer(operation, request)` returns None to let a request pass, or a status and the JSON to answer; or, to let a
    part of it pass, the request to pass on and a function that changes the answer.
    """

    def __init__(self, target):
        self.counted = Counter()
        self.requests = []
        self.answer = lambda operation, request: None
        self._target = urlsplit(target)
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, sent = gate._serve(self.headers, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_):
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, headers, body):
        operation, request = headers["X-Amz-Target"].partition(".")[2], json.loads(body)
        self.counted[operation] += 1
        self.requests.append((operation, request))
        told = self.answer(operation, request)
        change = None
        if told and isinstance(told[0], int):
            return told[0], json.dumps(told[1]).encode()
        if told:
            passed, change = told
            body = json.dumps(passed).encode()
        connection = http.client.HTTPConnection(self._target.hostname, self._target.port, timeout=30)
        kept = {name: headers[name] for name in ("X-Amz-Target", "Content-Type", "Authorization", "X-Amz-Date")}
        connection.request("POST", "/", body, kept)
        answer = connection.getresponse()
        sent = answer.read()
        connection.close()
        return answer.status, json.dumps(change(json.loads(sent))).encode() if change else sent


@pytest.fixture
def gate(dynamodb_url):
    gate = Gate(dynamodb_url)
    yield gate
    gate.close()


# ------------------------------------------------------------------------------------------------------- all registries


class Store:
    """Where the entries of one test live: makes any number of registries upon it."""

    def __init__(self, make, *, is_shared):
        self.is_shared = is_shared
        self._make = make
        self._made = []

    def registry(self, clock):
        registry = self._make(clock)
        self._made.append(registry)
        return registry

    def fill(self, registry, connection_ids, channels, *, is_removable=True):
        """Register many, faster than one at a time where that is slow; what need not be removed faster still."""
        for connection_id in connection_ids:
            registry.add(connection_id, channels)

    def close(self):
        for registry in self._made:
            registry.close()


class DynamoDBStore(Store):
    def fill(self, registry, connection_ids, channels, *, is_removable=True):
        names = ["*"] if channels is None else channels
        writes = [
            write
            for connection_id in connection_ids
            for write in dynamodb_rows.puts(connection_id, names, now=registry._clock(), lifetime=60)
            if is_removable or "#" not in write["PutRequest"]["Item"]["sk"]["S"]
        ]
        registry._write("fill the table", writes)


# For servers on the machine that the tests run on, which may be busy.
PATIENT = Patience(attempt=60, total=60)


@pytest.fixture(
    params=[
        "memory",
        "redis",
        pytest.param("redis cluster", marks=pytest.mark.slow),  # three servers
        pytest.param("dynamodb", marks=pytest.mark.slow),
        pytest.param("dynamodb through boto3", marks=pytest.mark.slow),
    ]
)
def store(request):
    prefix = f"test-{uuid4().hex}"
    if request.param == "memory":
        store = Store(lambda clock: MemoryRegistry(clock=clock), is_shared=False)
    elif request.param.startswith("redis"):
        cluster = request.param == "redis cluster"
        url = request.getfixturevalue("redis_cluster" if cluster else "redis_server")
        url = url if cluster else url.url
        store = Store(lambda clock: RedisRegistry(url, prefix=prefix, clock=clock), is_shared=True)
    else:
        table, url = request.getfixturevalue("table"), request.getfixturevalue("dynamodb_url")
        options = {"region": REGION, "endpoint_url": url, "patience": PATIENT}
        if request.param == "dynamodb through boto3":
            options = {"client": request.getfixturevalue("dynamodb_client")}
        store = DynamoDBStore(lambda clock: DynamoDBRegistry(table, clock=clock, **options), is_shared=True)
    yield store
    store.close()


# ------------------------------------------------------------------------------------------------------------ receivers


class Sink:
    """Stands in for `@connections`: notes what each connection receives; those in `gone` are gone."""

    def __init__(self):
        self.received = {}  # connection id -> bodies, in the order they came
        self.gone = set()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                connection_id = unquote(self.path.rpartition("/")[2])
                if connection_id in sink.gone:
                    self.send_response(410)
                    self.send_header("x-amzn-ErrorType", "GoneException")
                else:
                    sink.received.setdefault(connection_id, []).append(body)
                    self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/production"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def sink():
    sink = Sink()
    yield sink
    sink.close()
