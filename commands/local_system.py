"""`dev.py run`: the whole system on this machine."""

import argparse
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import BinaryIO, cast

from .set_up import CDK, LOGS, PYTHON, ROOT, Stop, call, environment, run_step, set_up

REGION = "us-east-1"  # of the local gateway; nothing is looked up there


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Synthesize, start the local gateway and the example backend, and either wait or take the tour."""
    for port, name in ((options.port, "port"), (options.backend_port, "backend-port")):
        check_port(port, name)
    set_up("run")
    context = ["--context", f"registry={options.registry}"]
    run_step("Synthesizing the stack", [*CDK, "synth", "--quiet", "--no-notices", *context])
    log = (LOGS / "run.log").open("wb") if options.once else None  # the tour's frames are all that it shows

    key = {
        "AWS_ACCESS_KEY_ID": "LOCAL" + secrets.token_hex(8).upper(),
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        "AWS_REGION": REGION,
    }
    with contextlib.ExitStack() as processes:
        gateway_command = ["-m", "local_gateway", "--assembly", "cdk.out", "--port", str(options.port)]
        gateway_command += ["--source", "lambda_src", "--source", "."]  # edits take effect with the next event
        stand_in = {}
        if options.registry == "dynamodb":
            stand_in_command = ["-m", "examples.stand_in", "--assembly", "cdk.out", "--region", REGION]
            _stand_in, lines = processes.enter_context(started("The stand-in for DynamoDB", stand_in_command, 7, log))
            stand_in = dict(line.split("=", 1) for line in lines)
            gateway_command += [argument for line in lines for argument in ("--env", line)]
        gateway, lines = processes.enter_context(started("The local gateway", gateway_command, 2, log, **key))
        websocket, connections = (line.split()[1] for line in lines)
        points_here = {
            "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": connections,
            "WEBSOCKET_API_ID": "local",
            "WEBSOCKET_URL": websocket,
        }
        login = {"DEMO_PASSWORD": secrets.token_urlsafe(9)}
        backend_command = ["-m", "examples.backend", "--port", str(options.backend_port)]
        if options.simulate is not None:
            backend_command += ["--simulate", options.simulate]
        backend, lines = processes.enter_context(
            started("The example backend", backend_command, 1, log, **key, **points_here, **stand_in, **login)
        )
        url = lines[0].split()[1]
        if options.once:
            addresses = ["--websocket", websocket, "--backend", url]
            return call([PYTHON, "-m", "examples.tour", *addresses, "--registry", options.registry], **login)
        user = f"demo:{login['DEMO_PASSWORD']}"
        post = f"curl -u {user} -H 'content-type: application/json'"
        frame = '{"action":"subscribe","channel":"admin"}'
        then = f"""Register it    {post} {url}/websocket/register -d '{{"connection_id":"the id that wscat showed"}}'"""
        if options.registry == "dynamodb":
            frame = '{"action":"connection_id"}'
            then = f"""Sign for it    {post} {url}/websocket/auth -d '{{"connection_id":"the id","channel":"admin"}}'
  then say     {{"action":"subscribe","channel":"admin","auth":"the signature"}}"""
        print(f"""
  dashboard    {url}/#{user}
  WebSocket    {websocket}
  backend      {url}

Watch with     npx wscat -c {websocket}
  then say     {frame}
{then}
Send an event  {post} {url}/runs -d '{{"run_name":"My Workflow"}}'

For a front end, in .env.local:
NEXT_PUBLIC_PUSHER_KEY={websocket}
NEXT_PUBLIC_PUSHER_CLUSTER={REGION}

Ctrl-C ends both.
""")
        while True:
            for name, process in (("local gateway", gateway), ("example backend", backend)):
                if process.poll() is not None:
                    raise Stop(f"the {name} has ended with exit code {process.returncode}; its last lines say why")
            time.sleep(0.5)


def check_port(port: int, name: str) -> None:
    """Find out before the work begins that a port is taken."""
    try:
        with socket.socket() as probe:
            if os.name != "nt":  # there it would allow two programs on one port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise Stop(f"port {port} cannot be used ({error}); give another one with --{name}") from None


@contextlib.contextmanager
def started(
    name: str, arguments: list[str], lines: int, log: BinaryIO | None, **variables: str
) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    """Start a server of ours and hand over it and its first lines, which say where it listens; stop it in the end."""
    command = [str(PYTHON), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(**variables), stdout=subprocess.PIPE, stderr=log)
    try:
        output = cast(BinaryIO, process.stdout)
        first_lines = [output.readline().decode().strip() for _ in range(lines)]
        if not all(first_lines):
            process.wait(10)
            raise Stop(f"{name} did not start" + (f"; {log.name} says why" if log else ""))
        threading.Thread(target=shutil.copyfileobj, args=(output, log or sys.stdout.buffer), daemon=True).start()
        yield process, first_lines
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
