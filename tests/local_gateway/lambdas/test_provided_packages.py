"""boto3 is there as in Lambda's runtime: compiled once, after the function's own, and a sentence where it cannot be."""

import os

import pytest

from local_gateway.lambdas.interpreter import find_python

ORIGIN = """
import json, sys
import boto3.session, six

def handler(event, context):
    told = {"boto3": boto3.__file__, "six": six.__file__, "session": boto3.session.__file__}
    return {"statusCode": 200, "body": json.dumps(told)}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


async def test_its_bytecode_is_kept_and_read_again(serve, assembly, cache):
    assembly.function("Main", ORIGIN)
    assembly.route("$default", "Main", is_two_way=True)
    running = await serve(recycle_after=1)
    socket = await running.connect()
    first = await running.ask(socket, "x")
    compiled = {path: path.stat().st_mtime_ns for path in cache.rglob("*.pyc")}
    assert {"__init__", "session"} <= {path.name.partition(".")[0] for path in compiled}
    assert await running.ask(socket, "x") == first
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.pyc")} == compiled
    assert not [path for path in compiled if "app" in path.name or "asset" in str(path)]
    assert not list(assembly.asset("Main").rglob("*.pyc"))


async def test_a_function_may_bring_its_own(serve, assembly):
    assembly.function("Main", ORIGIN)
    own = assembly.asset("Main") / "boto3"
    own.mkdir()
    (own / "__init__.py").touch()
    (own / "session.py").touch()
    assembly.route("$default", "Main", is_two_way=True)
    running = await serve()
    told = await running.ask(await running.connect(), "x")
    assert told["boto3"] == str(own / "__init__.py")
    assert told["session"] == str(own / "session.py")
    assert not told["six"].startswith(str(assembly.folder))


@pytest.mark.parametrize("code", [ORIGIN, "def handler(event, context):\n    import boto3"])
async def test_a_python_on_which_it_does_not_run_is_a_sentence(serve, assembly, eventually, code):
    old = next((name for name in ("python3.9", "python3.8") if find_python(name)), None)
    if old is None:
        pytest.skip("no Python on this machine that is too old for boto3")
    assembly.function("Main", code, Runtime=old)
    assembly.route("$default", "Main", is_two_way=True)
    running = await serve()
    socket = await running.connect()
    assert (await running.ask(socket, "x"))["message"] == "Internal server error"
    version = old.removeprefix("python")
    log = running.log.getvalue()
    assert f"as the gateway's environment has it, does not run on Python {version} (" in log
    assert "; name a newer runtime in the template, or put one that does into the function's code" in log
