"""The pytest plugin, as tests of other people use it: each test here runs pytest on a small file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ECHO = """
import pytest
def echo(event, context):
    return {"statusCode": 200, "body": event.get("body")}
"""


@pytest.fixture
def run_tests(tmp_path):
    """Writes a test file, runs pytest on it with warnings as errors, and returns its exit code and what it printed."""

    def run(code, *options):
        options = options or ["-p", "no:asyncio"]
        (tmp_path / "test_it.py").write_text(code, encoding="utf-8")
        options = ["-p", "local_gateway.pytest_plugin", "-p", "no:cacheprovider", "--strict-markers", *options]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-W", "error", "--rootdir", tmp_path, *options, "test_it.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "AWS_PROFILE": "of-the-developer"},
            capture_output=True,
            text=True,
            timeout=100,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_environment_is_set_for_the_test_alone(run_tests):
    code, said = run_tests(
        ECHO
        + """
import os
@pytest.mark.local_gateway(handler=echo, region="eu-west-3")
def test_inside(local_gateway, local_gateway_environment):
    assert local_gateway_environment.items() <= os.environ.items()
    assert os.environ["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] == local_gateway.connections_url
    assert os.environ["AWS_REGION"] == "eu-west-3"
    assert "AWS_PROFILE" not in os.environ
def test_outside():
    assert "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI" not in os.environ
    assert os.environ["AWS_PROFILE"] == "of-the-developer"
"""
    )
    assert code == 0, said


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_it_lives_with_pytest_asyncio_in_each_mode(run_tests, mode):
    code, said = run_tests(
        ECHO
        + """
import asyncio
pytestmark = pytest.mark.local_gateway(handler=echo)
def test_sync(local_gateway):
    with local_gateway.connect() as client:
        client.send("hello")
        assert client.receive() == "hello"
    asyncio.run(asyncio.sleep(0))
@pytest.mark.asyncio
async def test_async(local_gateway):
    loop = asyncio.get_running_loop()
    with local_gateway.connect() as client:
        client.send("hello")
        assert await asyncio.to_thread(client.receive) == "hello"
    assert asyncio.get_running_loop() is loop
""",
        f"--asyncio-mode={mode}",
        "-oasyncio_default_fixture_loop_scope=function",
    )
    assert code == 0, said


WRONG = {
    "": "the fixture local_gateway serves what the test's marker names, and there is none",
    "@pytest.mark.local_gateway()": "give exactly one of them",
    "@pytest.mark.local_gateway(template='gone')": "gone does not exist; give the folder that 'cdk synth' writes",
    "@pytest.mark.local_gateway(handler='app')": "handler 'app' is not of the form folder/module.function",
    "@pytest.mark.local_gateway(handler='src/app.handler')": "app.py, which does not exist",
    "@pytest.mark.local_gateway(handler=lambda event, context: {})": "is no function that was written with def",
    "@pytest.mark.local_gateway(handler=uses_outside)": "uses pytest from outside; it runs in a process of its own",
}


def test_what_cannot_be_served_is_one_sentence_without_a_traceback(run_tests):
    code, output = run_tests(
        "import pytest\ndef uses_outside(event, context):\n    return pytest\n"
        + "".join(f"{marker}\ndef test_{n}(local_gateway): pass\n" for n, marker in enumerate(WRONG))
    )
    assert code == 1
    assert f"{len(WRONG)} errors" in output
    for said in WRONG.values():
        assert said in output
    assert "Traceback" not in output
    assert "pytest_plugin.py" not in output


def test_a_failed_test_shows_the_gateways_log_and_a_refused_client_why(run_tests):
    code, said = run_tests(
        """
import pytest
@pytest.mark.local_gateway(source='''
    def handler(event, context):
        raise ValueError("out of order")
''')
def test_it(local_gateway):
    local_gateway.connect()
"""
    )
    assert code == 1
    assert "the handshake was answered with 502" in said
    assert "local gateway teardown" in said
    assert said.count("ValueError: out of order") >= 2


def test_a_session_shares_what_its_factory_started(run_tests):
    code, said = run_tests(
        ECHO
        + """
@pytest.fixture(scope="session")
def gateway(local_gateway_factory):
    return local_gateway_factory(handler=echo)
seen = set()
@pytest.mark.parametrize("turn", [1, 2])
def test_it(gateway, turn):
    seen.add(gateway.websocket_url)
    with gateway.connect() as client:
        client.send({"turn": turn})
        assert client.receive().json() == {"turn": turn}
    assert len(seen) == 1
"""
    )
    assert code == 0, said


def test_until_it_is_used_nothing_is_imported_and_nothing_runs(run_tests):
    code, said = run_tests(
        """
import sys, threading
def test_it():
    assert {"aiohttp", "local_gateway.gateway", "local_gateway.testing"}.isdisjoint(sys.modules)
    assert "local-gateway" not in [thread.name for thread in threading.enumerate()]
"""
    )
    assert code == 0, said


def test_without_aiohttp_it_names_the_extra_to_install(run_tests, tmp_path):
    (tmp_path / "aiohttp.py").write_text("raise ModuleNotFoundError('No module named aiohttp', name='aiohttp')")
    code, said = run_tests(ECHO + "@pytest.mark.local_gateway(handler=echo)\ndef test_it(local_gateway): pass\n")
    assert code == 1
    assert "the local gateway needs aiohttp; install this library with its extra" in said
