"""The command line: arguments, what is printed, and how it ends."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from .background_stream import BackgroundStream
from .errors import GatewayError
from .event_log import EventLog
from .gateway import Gateway, Settings
from .template import WebSocketApi, read_api

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the gateway; returns the exit code: 0 when stopped, 2 when something that it was given is wrong."""
    given = _parser().parse_args(arguments)
    is_coloured = not given.quiet and sys.stderr.isatty() and "NO_COLOR" not in os.environ
    stream = BackgroundStream(sys.stderr)
    log = EventLog(None if given.quiet else stream, is_coloured=is_coloured)
    try:
        api = read_api(given.assembly, api=given.api, stage=given.stage, region=given.region)
        asyncio.run(_serve(api, _settings(given), log))
    except GatewayError as error:
        print(f"local_gateway: {error}", file=sys.stderr)
        return 2
    finally:
        stream.close()
    return 0


async def _serve(api: WebSocketApi, settings: Settings, log: EventLog) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stopped.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopped.set))
    if settings.host not in _LOOPBACK:
        log.warn(f"listening on {settings.host}: anyone who reaches this machine can run its Lambdas")
    for warning in api.warnings:
        log.warn(warning)
    gateway = Gateway(api, settings, log=log)
    try:
        await gateway.start()
        print(f"websocket {gateway.websocket_url}")
        print(f"connections {gateway.connections_url}", flush=True)
        await stopped.wait()
    finally:
        await gateway.stop()


def _settings(given: argparse.Namespace) -> Settings:
    return Settings(host=given.host, port=given.port, environment=dict(given.env))


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=VALUE")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local_gateway",
        description="Serve the WebSocket API of a synthesized CDK stack on this machine.",
    )
    add = parser.add_argument
    add("--assembly", type=Path, default=Path("cdk.out"), help="folder that 'cdk synth' wrote, or one template file")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=8080, help="port to listen on, 0 for any that is free (default: %(default)s)")
    add("--api", metavar="LOGICAL_ID", help="which WebSocket API, when there are several")
    add("--stage", metavar="NAME", help="which stage, when there are several")
    add("--region", help="region of a stack that names none (default: us-east-1)")
    add(
        "--env",
        metavar="NAME=VALUE",
        type=_variable,
        action="append",
        default=[],
        help="add to the Lambdas' environment",
    )
    add("--quiet", action="store_true", help="no log")
    return parser
