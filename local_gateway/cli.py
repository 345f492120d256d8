"""The command line: arguments, what is printed, and how it ends."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial

from .arguments import faults_of, parser
from .errors import GatewayError
from .event_log import EventLog
from .gateway import Gateway, Settings
from .lambdas.background_stream import BackgroundStream
from .management.sigv4 import Credentials
from .post_summary import PostSummary
from .template.api import read_api

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the gateway; returns the exit code: 0 when stopped, 2 when something that it was given is wrong."""
    given = parser().parse_args(arguments)
    is_coloured = not given.quiet and sys.stderr.isatty() and "NO_COLOR" not in os.environ
    stream = BackgroundStream(sys.stderr)
    kind = PostSummary if given.summary else EventLog
    log = kind(None if given.quiet else stream, is_coloured=is_coloured)
    try:
        asyncio.run(_serve(given, log))
    except GatewayError as error:
        print(f"local_gateway: {error}", file=sys.stderr)
        return 2
    finally:
        stream.close()
    return 0


async def _serve(given: argparse.Namespace, log: EventLog) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stopped.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopped.set))
    read = partial(read_api, given.assembly, api=given.api, stage=given.stage, region=given.region)
    api = read()
    if given.host not in _LOOPBACK:
        log.warn(f"listening on {given.host}: anyone who reaches this machine can run its Lambdas")
    for warning in api.warnings:
        log.warn(warning)
    credentials = _credentials_of_environment()
    gateway = Gateway(api, _settings(given, credentials), faults=faults_of(given), log=log, read_again=read)
    try:
        await gateway.start()
        print(f"websocket {gateway.websocket_url}")
        print(f"connections {gateway.connections_url}", flush=True)
        if credentials is None and not given.unsigned:
            made = gateway.credentials
            print(
                f"credentials AWS_ACCESS_KEY_ID={made.access_key} AWS_SECRET_ACCESS_KEY={made.secret_key}", flush=True
            )
        for name, url in gateway.function_urls.items():
            print(f"function-url {name} {url}", flush=True)
        await stopped.wait()
    finally:
        await gateway.stop()


def _credentials_of_environment() -> Credentials | None:
    access_key, secret_key = (os.environ.get(f"AWS_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    if not access_key or not secret_key:
        return None
    return Credentials(access_key, secret_key, os.environ.get("AWS_SESSION_TOKEN") or None)


def _settings(given: argparse.Namespace, credentials: Credentials | None) -> Settings:
    return Settings(
        host=given.host,
        port=given.port,
        url_port=given.url_port,
        credentials=credentials,
        is_unsigned=given.unsigned,
        environment=dict(given.env),
        sources=tuple(given.source),
        speed=given.speed,
        buffer_limit=given.socket_buffer,
        is_serial=given.serial,
        recycle_after=given.recycle_after,
        lambda_concurrency=given.lambda_concurrency,
    )
