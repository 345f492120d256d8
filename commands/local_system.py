"""`dev.py run`: the whole system on this machine."""

import argparse
import json
import os
import secrets
import socket
import tempfile
import time
from typing import BinaryIO

from .deployment import settings_of
from .servers import Server
from .set_up import CDK, LOGS, PYTHON, Stop, call, run_step, set_up
from .what_to_use import what_to_use

REGION = "us-east-1"  # of the local gateway; nothing is looked up there
FOR_BACKENDS = ("AWS_", "BROADCASTER_")  # of what the stand-in says; the rest is the Lambdas'
MOST_RESTARTS = 5  # within a minute; a server that ends more often is broken, and what it printed says why


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Start the whole system on this machine: the local gateway with the stack, and the example backend."""
    if options.once:
        options.port = options.backend_port = 0  # whatever is free: nobody else needs to find them
    if options.publish and options.registry != "dynamodb":
        raise Stop("--publish needs the gateway to register connections; give --registry dynamodb too")
    if any(setting.startswith("registry=") for setting in options.context):
        raise Stop("which registry the system runs with is not only a setting of the stack here; give it as --registry")
    for port, name in ((options.port, "port"), (options.backend_port, "backend-port")):
        check_port(port, name)
    set_up("run")
    LOGS.mkdir(exist_ok=True)
    # Not cdk.out: what is synthesized there meanwhile, with other settings perhaps, is no business of this system.
    with tempfile.TemporaryDirectory(prefix="assembly-", dir=LOGS, ignore_cleanup_errors=True) as assembly:
        settings = ["--context", f"registry={options.registry}", "--output", assembly]
        settings += ["--context", "publish=bearer"] if options.publish else []
        settings += settings_of(options)
        run_step("Synthesizing the stack", [*CDK, "synth", "--quiet", "--no-notices", *settings])
        log = (LOGS / "run.log").open("wb") if options.once else None  # the tour's frames are all that it shows
        system = System(options, assembly, log)
        try:
            system.start()
            return system.take_the_tour() if options.once else system.serve()
        finally:
            system.stop()


def check_port(port: int, name: str) -> None:
    """Find out before the work begins that a port is taken."""
    try:
        with socket.socket() as probe:
            if os.name != "nt":  # there it would allow two programs on one port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise Stop(f"port {port} cannot be used ({error}); give another one with --{name}") from None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class System:
    """The gateway, the example backend and, where the gateway registers connections, the stand-in for DynamoDB.

    A server that ends is started again where it was, with the same keys and the same password. The stand-in forgets
    everything, and comes back with another address and another secret: after it, all of them are started again.
    """

    def __init__(self, options: argparse.Namespace, assembly: str, log: BinaryIO | None) -> None:
        self._options = options
        self._keys = {
            "AWS_ACCESS_KEY_ID": "LOCAL" + secrets.token_hex(8).upper(),
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
            "AWS_REGION": REGION,
        }
        self._login = {"DEMO_PASSWORD": secrets.token_urlsafe(9)}
        self._publish_key = {"app_id": "1", "key": "local", "secret": secrets.token_hex(32)}
        self._publish_token = secrets.token_hex(32)
        stand_in = ["-m", "examples.stand_in", "--assembly", assembly, "--region", REGION]
        gateway = ["-m", "local_gateway", "--assembly", assembly]
        if options.publish:  # at an address that it keeps when it is started again
            gateway += ["--url-port", str(free_port())]
        gateway += ["--source", "lambda_src", "--source", "."]  # edits take effect with the next event
        backend = ["-m", "examples.backend"]
        if not options.verbose:
            gateway += ["--summary"]
        if options.simulate is not None:
            backend += ["--simulate", str(options.simulate)]
        self._stand_in = Server("The stand-in for DynamoDB", stand_in, lines=9 if options.publish else 7, log=log)
        self._gateway = Server(
            "The local gateway", gateway, lines=3 if options.publish else 2, log=log, port=options.port
        )
        self._backend = Server("The example backend", backend, lines=1, log=log, port=options.backend_port)
        self._servers = [self._gateway, self._backend]
        if options.registry == "dynamodb":
            self._servers.insert(0, self._stand_in)
        self._restarts: list[float] = []

    def start(self) -> None:
        """Start the servers one after the other, each with the addresses of those before it."""
        stand_in = {}
        if self._stand_in in self._servers:
            held = {"PUBLISH_KEY_TEXT": json.dumps(self._publish_key), "PUBLISH_TOKEN": self._publish_token}
            stand_in = dict(line.split("=", 1) for line in self._stand_in.start(**held))
        for_lambda = [argument for pair in stand_in.items() for argument in ("--env", "=".join(pair))]
        lines = self._gateway.start(*for_lambda, **self._keys)
        self._websocket, connections, *urls = (line.split()[-1] for line in lines)
        self._publishing = (urls[0], self._publish_key, self._publish_token) if urls else None
        self._for_backend = {
            **self._keys,
            "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": connections,
            "WEBSOCKET_API_ID": "local",
            **{name: value for name, value in stand_in.items() if name.startswith(FOR_BACKENDS)},
        }
        login = {**self._login, "WEBSOCKET_URL": self._websocket}
        self._url = self._backend.start(**self._for_backend, **login)[0].split()[1]

    def stop(self) -> None:
        for server in reversed(self._servers):
            server.stop()

    def take_the_tour(self) -> int:
        """Play one event through the whole path."""
        arguments = ["--websocket", self._websocket, "--backend", self._url, "--registry", self._options.registry]
        return call([PYTHON, "-m", "examples.tour", *arguments], **self._login)

    def serve(self) -> int:
        """Say what to use, and keep the servers running until Ctrl-C."""
        self._say_what_to_use()
        while True:
            for server in self._servers:
                if server.exit_code is not None:
                    self._start_again(server)
            time.sleep(0.2)

    def _start_again(self, server: Server) -> None:
        now = time.monotonic()
        self._restarts = [*(before for before in self._restarts if before > now - 60), now]
        if len(self._restarts) > MOST_RESTARTS:
            raise Stop(f"{server.name} has ended {MOST_RESTARTS} times within a minute; its last lines say why")
        print(f"{server.name} has ended with exit code {server.exit_code} and is started again", flush=True)
        time.sleep(len(self._restarts) - 1)
        if server is self._stand_in:
            self.stop()
            self.start()
            self._say_what_to_use()
        else:
            server.start_again()

    def _say_what_to_use(self) -> None:
        print(
            what_to_use(
                url=self._url,
                websocket=self._websocket,
                region=REGION,
                password=self._login["DEMO_PASSWORD"],
                registry=self._options.registry,
                for_backend=self._for_backend,
                publishing=self._publishing,
            ),
            flush=True,
        )
