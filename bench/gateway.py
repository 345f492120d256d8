"""What the local gateway carries: clients held, broadcasts, round trips through a Lambda, posts.

The gateway, the clients and the sender are processes of their own; this one is the sender, the library itself. Each
figure is taken several times and given as least, median and most, because a machine that others share is never quiet;
CPU figures say what does not depend on them. Linux alone: they are read from /proc.
"""

import argparse
import base64
import contextlib
import json
import multiprocessing
import os
import resource
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

from bench.gateway_clients import hold_clients, text_frame

HOLDERS = 2  # processes that hold the clients
IDLE_SECONDS = 10.0
ROUND_TRIPS = 1_000
POSTS_EACH = 5  # broadcasts in a row, for posts a second
PING = "x" * 32  # what a round trip carries; longer than an id request, so that the function tells them apart

FUNCTION = """
def handler(event, context):
    body = event["body"]
    return {"statusCode": 200, "body": event["requestContext"]["connectionId"] if body == "id" else body}
"""


class Figure:
    """One promised figure, measured several times."""

    def __init__(self, what: str, unit: str, *, most: float = 0.0, least: float = 0.0) -> None:
        self.what = what
        self.unit = unit
        self.most = most  # one of the two: not above, not below
        self.least = least
        self.values: list[float] = []

    @property
    def is_met(self) -> bool:
        """Whether the median keeps the promise."""
        value = median(self.values)
        return value >= self.least if self.least else not self.most or value <= self.most

    def line(self) -> str:
        bound = f"≥ {self.least:g}" if self.least else f"≤ {self.most:g}" if self.most else ""
        shown = "".join(f"{value:>11,.2f}" for value in (min(self.values), median(self.values), max(self.values)))
        return f"{self.what:56}{shown}  {self.unit:10}{bound:10}{'' if self.is_met else 'MISSED'}"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the figures, and return 0 if the median of each is as promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=10_000, help="clients held (default: %(default)s)")
    parser.add_argument("--targets", type=int, default=1_000, help="of them that are posted to (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="times that each figure is taken (default: %(default)s)")
    given = parser.parse_args(argv)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # inherited by what is started
    if hard < given.clients + 100:
        print(f"this system allows {hard} open files, {given.clients} clients need more; give --clients fewer")
        return 2
    with started_gateway() as (pid, websocket, environment), started_clients(websocket) as ask:
        os.environ.update(environment)
        figures = measure(given, pid, websocket, ask)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, median of {given.rounds} rounds")
    print(f"{'':56}{'least':>11}{'median':>11}{'most':>11}")
    for figure in figures:
        print(figure.line())
    return 0 if all(figure.is_met for figure in figures) else 1


def measure(given: argparse.Namespace, pid: int, websocket: str, ask: Callable[[str, int], list[Any]]) -> list[Figure]:
    """Every figure, in the order in which they are taken."""
    from broadcaster import Broadcaster

    say(f"round trips of one client, {given.rounds} times {ROUND_TRIPS}")
    bare = Figure("this machine: a byte to a bare process and back, p99", "ms")
    half = Figure("round trip through a warm Lambda, p50", "ms", most=1.5)
    tail = Figure("round trip through a warm Lambda, p99", "ms", most=8)
    client = connect(websocket)
    round_trips(client, ROUND_TRIPS)
    for _ in range(given.rounds):
        bare.values.append(quantiles(bare_round_trips(ROUND_TRIPS), n=100)[98] * 1000)
        cuts = quantiles(round_trips(client, ROUND_TRIPS), n=100)
        half.values.append(cuts[49] * 1000)
        tail.values.append(cuts[98] * 1000)

    say(f"opening {given.clients:,} clients")
    empty = resident_bytes(pid)
    opening = Figure("opening all clients", "s")
    opening.values.append(max(ask("open", given.clients // HOLDERS)))
    ids = [one for part in ask("ids", given.targets // HOLDERS) for one in part]
    memory = Figure("memory of the gateway for each client", "KB", most=25)
    memory.values.append((resident_bytes(pid) - empty) / given.clients / 1024)

    say(f"holding them, {given.rounds} times {IDLE_SECONDS:g} s")
    idle = Figure(f"CPU of the gateway with {given.clients:,} idle clients", "%", most=2)
    for _ in range(given.rounds):
        before = cpu_seconds(pid)
        time.sleep(IDLE_SECONDS)
        idle.values.append((cpu_seconds(pid) - before) / IDLE_SECONDS * 100)

    say(f"broadcasts to {len(ids):,} of them")
    broadcast = Figure(f"a broadcast to {len(ids):,}, received by all", "s", most=0.5)
    posts = Figure("posts", "a second", least=4_000)
    cost = Figure("CPU of the gateway for each post", "µs")
    with Broadcaster("local", region="us-east-1") as caster:
        for connection_id in ids:
            caster.register_connection(connection_id)
        send(caster, len(ids))
        ask("await", 1)  # the first has opened the sender's connections
        for _ in range(given.rounds):
            began = time.monotonic()
            send(caster, len(ids))
            broadcast.values.append(max(ask("await", 1)) - began)
        for _ in range(given.rounds):
            began, before = time.monotonic(), cpu_seconds(pid)
            for _ in range(POSTS_EACH):
                send(caster, len(ids))
            number = POSTS_EACH * len(ids)
            posts.values.append(number / (time.monotonic() - began))
            cost.values.append((cpu_seconds(pid) - before) / number * 1e6)
            ask("await", POSTS_EACH)
    loaded = Figure(f"round trip with {given.clients:,} clients held, p50", "ms", most=1.5)
    for _ in range(given.rounds):
        loaded.values.append(median(round_trips(client, ROUND_TRIPS)) * 1000)
    return [bare, half, tail, loaded, opening, memory, idle, broadcast, posts, cost]


def send(caster: Any, targets: int) -> None:
    result = caster.broadcast("a", "e", {})
    if result.sent != targets:
        raise RuntimeError(f"not everybody was sent to: {result}, {result.failures[:3]}")


def round_trips(client: socket.socket, number: int) -> list[float]:
    """Seconds that each of so many messages took to the function and back."""
    frame, seconds = text_frame(PING), []
    for _ in range(number):
        began = time.perf_counter()
        client.sendall(frame)
        if len(client.recv(4096)) != 2 + len(PING):
            raise RuntimeError("the answer is not what was sent")
        seconds.append(time.perf_counter() - began)
    return seconds


def bare_round_trips(number: int) -> list[float]:
    """The same with a process that does nothing: what of a round trip's tail is the machine's."""
    ours, theirs = socket.socketpair()
    code = "import socket, sys; s = socket.socket(fileno=int(sys.argv[1]))\nwhile d := s.recv(1): s.send(d)"
    command = [sys.executable, "-S", "-c", code, str(theirs.fileno())]
    seconds = []
    with subprocess.Popen(command, pass_fds=[theirs.fileno()]), ours:
        theirs.close()
        for _ in range(number + 1):
            began = time.perf_counter()
            ours.sendall(b"x")
            ours.recv(1)
            seconds.append(time.perf_counter() - began)
    return seconds[1:]  # the first waited for the process


def connect(websocket: str) -> socket.socket:
    parts = urlsplit(websocket)
    client = socket.create_connection((parts.hostname, parts.port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    client.sendall(
        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += client.recv(1)
    return client


@contextlib.contextmanager
def started_gateway() -> Iterator[tuple[int, str, dict[str, str]]]:
    """Its process id, its address for clients, and the variables by which the sender finds it."""
    credentials = {"AWS_ACCESS_KEY_ID": "LOCALBENCH", "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20)}
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "Bench.template.json"
        template.write_text(json.dumps({"Resources": resources()}))
        command = [sys.executable, "-m", "local_gateway", "--assembly", str(template), "--port", "0", "--quiet"]
        with subprocess.Popen(command, env={**os.environ, **credentials}, stdout=subprocess.PIPE, text=True) as process:
            if process.stdout is None:
                raise RuntimeError("the gateway was started without a pipe")
            websocket, connections = (process.stdout.readline().split()[1] for _ in range(2))
            try:
                yield process.pid, websocket, {**credentials, "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": connections}
            finally:
                process.terminate()


def resources() -> dict[str, Any]:
    """A template with one function behind `$default`, which answers."""

    def resource(kind: str, **properties: Any) -> dict[str, Any]:
        return {"Type": f"AWS::{kind}", "Properties": properties}

    api = {"Ref": "Api"}
    arn = {"Fn::GetAtt": ["Echo", "Arn"]}
    lambda_path = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
    return {
        "Api": resource("ApiGatewayV2::Api", Name="bench", ProtocolType="WEBSOCKET"),
        "Stage": resource("ApiGatewayV2::Stage", ApiId=api, StageName="production", AutoDeploy=True),
        "Echo": resource(
            "Lambda::Function",
            Handler="index.handler",
            Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
            Timeout=10,
            MemorySize=256,
            Code={"ZipFile": FUNCTION},
        ),
        "Permission": resource(
            "Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName=arn,
            Principal="apigateway.amazonaws.com",
        ),
        "Integration": resource(
            "ApiGatewayV2::Integration",
            ApiId=api,
            IntegrationType="AWS_PROXY",
            IntegrationUri={"Fn::Join": ["", [lambda_path, arn, "/invocations"]]},
        ),
        "Route": resource(
            "ApiGatewayV2::Route",
            ApiId=api,
            RouteKey="$default",
            RouteResponseSelectionExpression="$default",
            Target={"Fn::Join": ["/", ["integrations", {"Ref": "Integration"}]]},
        ),
        "Response": resource(
            "ApiGatewayV2::RouteResponse", ApiId=api, RouteId={"Ref": "Route"}, RouteResponseKey="$default"
        ),
    }


@contextlib.contextmanager
def started_clients(websocket: str) -> Iterator[Callable[[str, int], list[Any]]]:
    """A function that gives every holder of clients a command and returns their answers."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for _ in range(HOLDERS):
        ours, theirs = context.Pipe()
        process = context.Process(target=hold_clients, args=(websocket, theirs), daemon=True)
        process.start()
        pipes.append(ours)
        processes.append(process)

    def ask(command: str, number: int) -> list[Any]:
        for pipe in pipes:
            pipe.send((command, number))
        return [pipe.recv() for pipe in pipes]

    yield ask
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(None)
        process.join()


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, in user and in system mode, without that of its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
