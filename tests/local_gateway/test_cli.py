"""The command as it is typed: what it prints, how it stops, and its sentence for each wrong input."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow  # each starts a gateway of its own as a process
HANDLER = """
import json, os

def handler(event, context):
    return {"statusCode": 200, "body": json.dumps({"pid": os.getpid(), "environment": dict(os.environ)})}
"""
LAMBDA_SETS = {
    "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT", "LANG", "PATH", "TZ",
}  # fmt: skip


@contextlib.asynccontextmanager
async def command(*arguments, **environment):
    """Runs `python -m local_gateway` and gives the process; ends it if the test has not."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "local_gateway",
        *map(str, arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def refusal(*arguments):
    """The one sentence of a command that is expected to end with exit code 2."""
    async with command(*arguments) as process:
        out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    (line,) = err.decode().splitlines()
    assert line.startswith("local_gateway: ")
    return line


def has_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_prints_two_addresses_serves_and_stops_cleanly(assembly, eventually, number):
    assembly.function("Main", HANDLER, Environment={"Variables": {"MODE": "test"}})
    assembly.route("$default", "Main", is_two_way=True)
    async with command("--assembly", assembly.write(), "--port", 0, DEVELOPERS_SECRET="x") as process:
        websocket, connections = [(await process.stdout.readline()).decode() for _ in range(2)]
        port = re.fullmatch(r"websocket ws://127\.0\.0\.1:(\d+)/live\n", websocket)[1]
        assert connections == f"connections http://127.0.0.1:{port}/live\n"
        async with aiohttp.ClientSession() as session:
            client = await session.ws_connect(websocket.split()[1])
            await client.send_str("hello")
            told = json.loads(await client.receive_str(timeout=60))
            process.send_signal(number)
            await client.receive(timeout=60)
            assert client.close_code == 1001
        assert await asyncio.wait_for(process.wait(), 60) == 0
    await eventually(lambda: has_gone(told["pid"]))
    environment = told["environment"]
    assert environment["MODE"] == "test"
    assert environment["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] == f"http://127.0.0.1:{port}/live"
    # LC_CTYPE is Python's own doing where the locale does not exist.
    extra = {"MODE", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}
    assert set(environment) - {"LC_CTYPE"} == LAMBDA_SETS | extra


async def test_it_prints_the_addresses_of_function_urls(assembly):
    assembly.function("Main", HANDLER)
    assembly.route("$default", "Main")
    assembly.resources["Url"] = assembly.resource(
        "AWS::Lambda::Url", AuthType="NONE", TargetFunctionArn={"Fn::GetAtt": ["Main", "Arn"]}
    )
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    async with command("--assembly", assembly.write(), "--port", 0, **keys) as process:
        lines = [(await process.stdout.readline()).decode() for _ in range(3)]
        url = re.fullmatch(r"function-url Url (http://127\.0\.0\.1:\d+/)\n", lines[2])[1]
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert "pid" in await response.json()


async def test_workers_do_not_outlive_a_gateway_that_is_killed(assembly, eventually):
    assembly.function("Main", HANDLER)
    assembly.route("$default", "Main", is_two_way=True)
    async with command("--assembly", assembly.write(), "--port", 0) as process:
        url = (await process.stdout.readline()).decode().split()[1]
        async with aiohttp.ClientSession() as session:
            client = await session.ws_connect(url)
            await client.send_str("hello")
            told = json.loads(await client.receive_str(timeout=60))
            process.kill()
            await process.wait()
    await eventually(lambda: has_gone(told["pid"]))


async def test_a_log_that_nobody_reads_does_not_hold_it_up(assembly):
    assembly.function(
        "Main", "def handler(event, context):\n    print('x' * 10_000)\n    return {'statusCode': 200, 'body': 'ok'}"
    )
    assembly.route("$default", "Main", is_two_way=True)
    async with command("--assembly", assembly.write(), "--port", 0) as process:
        url = (await process.stdout.readline()).decode().split()[1]
        async with aiohttp.ClientSession() as session:
            client = await session.ws_connect(url)
            for _ in range(50):
                await client.send_str("hello")
                assert await client.receive_str(timeout=60) == "ok"


async def test_a_handler_that_does_not_import_is_told_at_once_and_answers_as_on_aws(assembly):
    assembly.function("Main", "import nothing_like_it")
    assembly.route("$connect", "Main")
    async with command("--assembly", assembly.write(), "--port", 0) as process:
        url = (await process.stdout.readline()).decode().split()[1]
        while b"handler app.handler of function Chat-Main does not load" not in (
            line := await process.stderr.readline()
        ):
            assert line
        assert b"Unable to import module 'app': No module named 'nothing_like_it'" in line
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as error:
                await session.ws_connect(url)
        assert error.value.status == 502


async def test_a_taken_port_is_one_sentence(assembly):
    assembly.function("Main", HANDLER)
    assembly.route("$default", "Main")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is taken on 127.0.0.1" in await refusal("--assembly", assembly.write(), "--port", port)


async def test_another_address_than_the_usual_ones_of_loopback_is_warned_of(assembly):
    assembly.function("Main", HANDLER)
    assembly.route("$default", "Main")
    async with command("--assembly", assembly.write(), "--host", "127.0.0.2", "--port", 0) as process:
        line = await process.stderr.readline()
    assert b"listening on 127.0.0.2: anyone who reaches this machine can run its Lambdas" in line


async def test_a_missing_assembly_is_one_sentence(tmp_path):
    assert "does not exist; give the folder that 'cdk synth' writes" in await refusal("--assembly", tmp_path / "none")


async def test_a_template_that_cannot_be_served_is_one_sentence(assembly):
    assert "WebSocket API chat has no routes" in await refusal("--assembly", assembly.write())
