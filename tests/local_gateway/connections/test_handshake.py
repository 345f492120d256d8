"""The upgrade waits for $connect, and its answer decides the handshake."""

import asyncio

import pytest

CONNECT = """
import time

def handler(event, context):
    wanted = (event.get("queryStringParameters") or {}).get("do", "")
    if wanted == "raise":
        raise ValueError("no")
    if wanted == "sleep":
        time.sleep(20)
    if wanted == "exit":
        import os
        os._exit(3)
    if wanted == "nothing":
        return None
    if wanted.isdigit():
        return {"statusCode": int(wanted)}
    protocols = event["headers"].get("Sec-WebSocket-Protocol", "").split(",")
    headers = {"Sec-WebSocket-Protocol": protocols[-1].strip()} if wanted == "protocol" else {}
    return {"statusCode": 200, "headers": headers}
"""


@pytest.fixture(autouse=True)
def _connect_route(assembly):
    assembly.function("Connect", CONNECT)
    assembly.route("$connect", "Connect")


@pytest.mark.parametrize("status", [400, 401, 403, 500, 302])
async def test_a_refusal_by_the_handler_is_the_status_of_the_handshake(serve, status):
    running = await serve()
    assert (await running.refused(f"?do={status}")).status == status


@pytest.mark.parametrize("failure", ["raise", "nothing", "exit"])
async def test_a_failing_handler_is_502(serve, failure):
    running = await serve()
    assert (await running.refused(f"?do={failure}")).status == 502
    assert len(running.gateway.connections) == 0


async def test_a_handler_slower_than_the_integration_is_504(serve, assembly):
    assembly.resources = {name: resource for name, resource in assembly.resources.items() if not name.startswith("R")}
    assembly.route("$connect", "Connect", TimeoutInMillis=300)
    running = await serve()
    assert (await running.refused("?do=sleep")).status == 504


async def test_the_handler_chooses_the_subprotocol(serve):
    running = await serve()
    socket = await running.connect("?do=protocol", protocols=["one", "two"])
    assert socket.protocol == "two"


async def test_without_a_choice_no_subprotocol_is_answered(serve):
    running = await serve()
    socket = await running.connect(protocols=["one", "two"])
    assert socket.protocol is None


async def test_another_stage_is_403(serve):
    running = await serve()
    assert await running.get("/prod") == (403, "ForbiddenException")
    assert await running.get("/") == (403, "ForbiddenException")
    assert await running.get("/live/more") == (403, "ForbiddenException")


async def test_a_plain_request_is_426(serve):
    running = await serve()
    assert await running.get("/live") == (426, "")


async def test_an_api_without_a_connect_route_accepts(serve, assembly):
    assembly.resources = {name: resource for name, resource in assembly.resources.items() if not name.startswith("R")}
    assembly.route("$default", "Connect")
    running = await serve()
    await running.connect()
    assert len(running.gateway.connections) == 1


async def test_until_the_handler_returns_the_connection_is_gone(serve, assembly, eventually):
    assembly.function(
        "Connect",
        """
        import pathlib, time
        here = pathlib.Path("..")

        def handler(event, context):
            (here / "id").write_text(event["requestContext"]["connectionId"])
            while not (here / "go").exists():
                time.sleep(0.01)
            return {"statusCode": 200}
        """,
    )
    running = await serve()
    connecting = asyncio.create_task(running.connect())
    told = assembly.folder / "id"
    connection_id = await eventually(lambda: told.exists() and told.read_text())
    for method in ("POST", "GET", "DELETE"):
        assert await running.call(method, connection_id) == (410, "GoneException", b"")
    (assembly.folder / "go").touch()
    socket = await connecting
    assert (await running.call("POST", connection_id, b"now"))[0] == 200
    assert await socket.receive_str(timeout=60) == "now"
