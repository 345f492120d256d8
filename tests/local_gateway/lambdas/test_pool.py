"""Functions run in processes like Lambda's: apart, frozen between events, killed, limited and replaced."""

import asyncio
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from local_gateway.faults import Faults
from local_gateway.lambdas.capacity import PROCESSES
from local_gateway.lambdas.interpreter import find_python

pytestmark = pytest.mark.slow  # each starts environments of Lambda, as processes

DO = """
import json, os, sys, threading, time

ticks = 0
events = 0

def tick():
    global ticks
    while True:
        time.sleep(0.005)
        ticks += 1

threading.Thread(target=tick, daemon=True).start()

def handler(event, context):
    global events
    events += 1
    wanted = event.get("body") or ""
    if wanted == "sleep":
        time.sleep(60)
    if wanted == "meet":  # returns once six of these run at the same time
        here = "../meeting"
        os.makedirs(here, exist_ok=True)
        open(os.path.join(here, str(os.getpid())), "w").close()
        while len(os.listdir(here)) < 6:
            time.sleep(0.01)
    if wanted.startswith("hold"):  # returns once it may
        while not os.path.exists("../go"):
            time.sleep(0.01)
    if wanted == "child":
        import subprocess
        child = subprocess.Popen(["sleep", "600"])
        with open("../child", "w") as file:
            file.write(str(child.pid))
        child.wait()
    if wanted == "eat":
        return {"statusCode": 200, "body": str(len(bytearray(600_000_000)))}
    if wanted == "exit":
        sys.exit(3)
    if wanted == "unserialisable":
        return {"statusCode": 200, "body": object()}
    told = {
        "pid": os.getpid(), "events": events, "ticks": ticks, "python": "python%d.%d" % sys.version_info[:2],
        "remaining": context.get_remaining_time_in_millis(), "request": context.aws_request_id,
        "memory": context.memory_limit_in_mb, "arn": context.invoked_function_arn, "path": sys.path[0],
        "cwd": os.getcwd(),
    }
    return {"statusCode": 200, "body": json.dumps(told)}
"""


RUNNING = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(autouse=True)
def _main(assembly):
    assembly.function("Main", DO)
    assembly.route("$default", "Main", is_two_way=True)


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


async def test_a_warm_environment_is_used_again_and_knows_what_lambda_tells(serve):
    running = await serve()
    socket = await running.connect()
    first, second = [await running.ask(socket, "x") for _ in range(2)]
    assert (first["pid"], first["events"], second["events"]) == (second["pid"], 1, 2)
    assert first["request"] != second["request"]
    assert 0 < first["remaining"] <= 20_000
    assert first["memory"] == "256"
    assert first["arn"] == "arn:aws:lambda:eu-west-3:123456789012:function:Chat-Main"
    assert first["cwd"] == first["path"]


@linux
async def test_between_events_an_environment_stands_still(serve, eventually):
    running = await serve()
    socket = await running.connect()
    first = await running.ask(socket, "x")
    threads = os.listdir(f"/proc/{first['pid']}/task")  # noqa: PTH208 - which blocks nobody
    assert len(threads) > 1  # one of them ticks
    await eventually(lambda: {state_of(thread) for thread in threads} == {"T"})
    while (later := await running.ask(socket, "x"))["ticks"] == first["ticks"]:  # a busy machine lets it tick later
        pass
    assert later["pid"] == first["pid"]


async def test_as_many_environments_run_as_there_are_events(serve, assembly):
    assembly.resources["Main"]["Properties"]["Timeout"] = 30
    running = await serve()
    socket = await running.connect()
    for _ in range(6):
        await socket.send_str("meet")
    told = [await socket.receive_json(timeout=60) for _ in range(6)]
    assert len({one["pid"] for one in told}) == 6


async def test_a_flood_of_messages_is_handled_by_a_bounded_number_of_processes(serve):
    running = await serve()
    socket = await running.connect()
    for _ in range(3_000):
        await socket.send_str("x")
    told = [await socket.receive_json(timeout=60) for _ in range(3_000)]
    assert len({one["pid"] for one in told}) <= PROCESSES


async def test_what_one_connection_sends_beyond_a_hundred_messages_stays_in_its_socket(serve, assembly):
    running = await serve()
    socket = await running.connect()
    await running.ask(socket, "x")
    transport = socket._writer.transport
    for _ in range(800):
        await socket.send_str("hold".ljust(30_000))
        if transport.get_write_buffer_size():
            break
        await asyncio.sleep(0)
    else:
        pytest.fail("the gateway has read 24 MB and handled nothing of it")
    (assembly.folder / "go").touch()
    await running.ask(socket, "x")


async def test_beyond_a_concurrency_that_was_asked_for_events_are_refused(serve, assembly):
    running = await serve(lambda_concurrency=2)
    socket = await running.connect()
    for _ in range(3):
        await socket.send_str("hold")
    assert (await socket.receive_json(timeout=60))["message"] == "Internal server error"
    (assembly.folder / "go").touch()
    assert all(["pid" in await socket.receive_json(timeout=60) for _ in range(2)])
    assert "Rate exceeded: as many events run as the concurrency allows" in running.log.getvalue()


async def test_a_function_has_the_concurrency_that_its_template_reserves(serve, assembly):
    assembly.resources["Main"]["Properties"]["ReservedConcurrentExecutions"] = 1
    running = await serve()
    socket = await running.connect()
    for _ in range(2):
        await socket.send_str("hold")
    assert (await socket.receive_json(timeout=60))["message"] == "Internal server error"
    (assembly.folder / "go").touch()
    assert "pid" in await socket.receive_json(timeout=60)


async def test_functions_give_up_idle_processes_to_each_other(serve, assembly):
    assembly.function("Other", DO)
    assembly.route("other", "Other", is_two_way=True)
    running = await serve(lambda_concurrency=1)
    socket = await running.connect()
    told = [await running.ask(socket, body) for body in ("x", '{"action":"other"}') * 2]
    assert len({one["pid"] for one in told}) == 4


async def test_an_event_that_finds_no_process_in_time_is_not_run(serve, assembly):
    assembly.route("quick", "Main", is_two_way=True, TimeoutInMillis=200)
    running = await serve()
    socket = await running.connect()
    await running.ask(socket, "x")
    for _ in range(PROCESSES):
        await socket.send_str("hold")
    late = await running.ask(socket, '{"action":"quick"}')
    assert late["message"] == "Endpoint request timed out"
    (assembly.folder / "go").touch()
    told = [await socket.receive_json(timeout=60) for _ in range(PROCESSES)]
    told.append(await running.ask(socket, "x"))
    assert sum(events for events in {one["pid"]: one["events"] for one in told}.values()) == PROCESSES + 2


@linux
async def test_a_timeout_kills_the_environment_and_what_it_started(serve, assembly, eventually):
    assembly.resources["Main"]["Properties"]["Timeout"] = 1
    running = await serve()
    socket = await running.connect()
    before = await running.ask(socket, "x")
    assert (await running.ask(socket, "child"))["message"] == "Internal server error"
    child = int((assembly.folder / "child").read_text())
    await eventually(lambda: not is_alive(child) and not is_alive(before["pid"]))
    assert (await running.ask(socket, "x"))["pid"] != before["pid"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [("exit", "Runtime exited with error: exit status 3"), ("unserialisable", "Runtime.MarshalError")],
)
async def test_other_ends_are_named_as_lambda_names_them(serve, wanted, said):
    running = await serve()
    socket = await running.connect()
    assert (await running.ask(socket, wanted))["message"] == "Internal server error"
    assert (await running.ask(socket, "x"))["events"] >= 1
    assert said in running.log.getvalue()


@linux
async def test_a_function_cannot_outgrow_its_memory(serve):
    running = await serve()
    socket = await running.connect()
    assert (await running.ask(socket, "eat"))["message"] == "Internal server error"
    assert (await running.ask(socket, "x"))["events"] == 1
    assert "signal: killed (Runtime.OutOfMemory)" in running.log.getvalue()


async def test_environments_are_recycled(serve):
    running = await serve(recycle_after=2)
    socket = await running.connect()
    told = [await running.ask(socket, "x") for _ in range(4)]
    assert [one["events"] for one in told] == [1, 2, 1, 2]
    assert len({one["pid"] for one in told}) == 2


async def test_a_changed_source_takes_effect_with_the_next_event(serve, assembly):
    running = await serve()
    socket = await running.connect()
    await running.ask(socket, "x")
    (assembly.asset("Main") / "app.py").write_text(
        "def handler(event, context):\n    return {'statusCode': 200, 'body': '\"changed\"'}\n"
    )
    assert await running.ask(socket, "x") == "changed"


async def test_a_source_folder_stands_in_for_the_asset_which_stays_as_it_is(serve, assembly, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(assembly.asset("Main") / "app.py", source)
    running = await serve(sources=(source,))
    socket = await running.connect()
    await running.ask(socket, "x")
    (source / "app.py").write_text(
        "def handler(event, context):\n    return {'statusCode': 200, 'body': '\"edited\"'}\n"
    )
    assert await running.ask(socket, "x") == "edited"
    assert (assembly.asset("Main") / "app.py").read_text().strip() == DO.strip()
    assert not list(assembly.asset("Main").rglob("__pycache__"))


async def test_another_synthesis_takes_effect_and_connections_stay(serve, assembly):
    running = await serve()
    socket = await running.connect()
    await running.ask(socket, "x")
    assembly.function("Second", "def handler(event, context):\n    return {'statusCode': 200, 'body': '\"second\"'}")
    assembly.route("more", "Second", is_two_way=True)
    assembly.write()
    assert await running.ask(socket, '{"action":"more"}') == "second"


async def test_a_broken_synthesis_is_passed_over(serve, assembly):
    running = await serve()
    socket = await running.connect()
    (assembly.folder / "Chat.template.json").write_text("{")
    assert (await running.ask(socket, "x"))["events"] == 1
    assert "the template has changed but is passed over" in running.log.getvalue()


async def test_zip_assets_and_inline_code_run(serve, assembly, tmp_path):
    with zipfile.ZipFile(assembly.folder / "asset.zipped.zip", "w") as archive:
        archive.write(assembly.asset("Main") / "app.py", "app.py")
    assembly.function("Zipped", "")
    assembly.resources["Zipped"]["Metadata"]["aws:asset:path"] = "asset.zipped.zip"
    assembly.route("zipped", "Zipped", is_two_way=True)
    code = "def handler(event, context):\n    return {'statusCode': 200, 'body': '1'}"
    assembly.function("Inline", "", Code={"ZipFile": code}, Handler="index.handler")
    del assembly.resources["Inline"]["Metadata"]
    assembly.route("inline", "Inline", is_two_way=True)
    running = await serve()
    socket = await running.connect()
    assert (await running.ask(socket, '{"action":"zipped"}'))["events"] == 1
    assert await running.ask(socket, '{"action":"inline"}') == 1


async def test_the_runtime_of_the_template_is_used_where_it_is_found(serve, assembly):
    others = [name for name in ("python3.10", "python3.12", "python3.13") if find_python(name)]
    if not others:
        pytest.skip("no other Python on this machine")
    assembly.resources["Main"]["Properties"]["Runtime"] = others[-1]
    running = await serve()
    socket = await running.connect()
    assert (await running.ask(socket, "x"))["python"] == others[-1]


async def test_a_runtime_that_is_not_found_is_said_and_replaced(serve, assembly):
    assembly.resources["Main"]["Properties"]["Runtime"] = "python3.99"
    running = await serve()
    socket = await running.connect()
    assert (await running.ask(socket, "x"))["python"] == RUNNING
    assert "names python3.99, which was not found here; it runs on Python" in running.log.getvalue()


@pytest.mark.parametrize(
    ("code", "handler", "said"),
    [
        ("import nowhere", "app.handler", "Unable to import module 'app': No module named 'nowhere'"),
        ("def handler(:", "app.handler", "Syntax error in module 'app'"),
        ("1 / 0", "app.handler", "importing module 'app' raised: division by zero"),
        ("", "app.handler", "Handler 'handler' missing on module 'app'"),
        ("", "handler", "Bad handler 'handler'"),
        ("import aiohttp", "app.handler", "No module named 'aiohttp'"),
    ],
)
async def test_a_handler_that_does_not_load_is_said_at_start(serve, assembly, eventually, code, handler, said):
    assembly.function("Main", code, Handler=handler)
    running = await serve()
    await eventually(lambda: said in running.log.getvalue())
    socket = await running.connect()
    assert (await running.ask(socket, "x"))["message"] == "Internal server error"


async def test_what_a_function_prints_and_logs_is_in_the_log(serve, assembly, eventually):
    assembly.function(
        "Main",
        """
        import logging

        def handler(event, context):
            print("printed", json_like)
            logging.getLogger().warning("warned")
            return {"statusCode": 200, "body": "1"}

        json_like = '{"result": 1}'
        """,
    )
    running = await serve()
    socket = await running.connect()
    await running.ask(socket, "x")
    await eventually(lambda: 'Chat-Main | printed {"result": 1}' in running.log.getvalue())
    await eventually(lambda: "Chat-Main | [WARNING]\t" in running.log.getvalue())
    await eventually(lambda: "$default" in running.log.getvalue())
    (line,) = [line for line in running.log.getvalue().splitlines() if "$default" in line]
    assert "2 billed" in line


async def test_a_cold_start_can_be_made_longer(serve):
    running = await serve(Faults(cold_start=0.3))
    socket = await running.connect()
    await running.ask(socket, "x")
    assert "cold start" in running.log.getvalue()


def test_the_worker_runs_on_every_python_that_lambda_has_had():
    worker = Path(__file__).parents[3] / "local_gateway" / "lambdas" / "worker.py"
    found = [python for name in ("python3.9", "python3.10", "python3.13") if (python := find_python(name))]
    for python in found:
        environment = {"LAMBDA_TASK_ROOT": str(worker.parents[1]), "_HANDLER": "clock.Clock", "PATH": os.defpath}
        lines = (
            json.dumps({"memory": 128, "provided": {}, "endpoint": ["a", "b", 1], "bytecode": "", "coverage": None})
            + "\n"
        )
        import subprocess

        ran = subprocess.run(
            [python, "-I", "-S", "-B", str(worker)], input=lines, env=environment, capture_output=True, text=True
        )
        assert ran.stdout == "{}\n", ran.stderr
