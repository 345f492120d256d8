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
    "@pytest.mark.local_gateway(handler='src/app.py')": (
        "handler 'src/app.py' is a file; name the function in it, e.g. 'src/app.handler'"
    ),
    "@pytest.mark.local_gateway(handlr='src/app.handler')": "there is no argument handlr=; did you mean handler=?",
    "@pytest.mark.local_gateway(source='', spead=2)": "there is no argument spead=; did you mean speed=?",
    "@pytest.mark.local_gateway(source='', timeout='10')": "timeout is '10'; give seconds, more than 0 and up to 900",
    "@pytest.mark.local_gateway(source='', timeout=901)": "timeout is 901; give seconds",
    "@pytest.mark.local_gateway(source='', memory='a lot')": "memory is 'a lot'; give MB, 128 to 10240",
    "@pytest.mark.local_gateway(source='', memory=127)": "memory is 127; give MB",
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


def test_a_misspelt_fault_is_an_error(run_tests):
    code, said = run_tests(
        ECHO
        + """
@pytest.mark.local_gateway(handler=echo)
def test_it(local_gateway):
    with pytest.raises(AttributeError, match="there is no fault 'post_error'; did you mean 'post_errors'?"):
        local_gateway.faults.post_error = 1
    with pytest.raises(ValueError, match="post_errors is 5; it takes a share between 0"):
        local_gateway.faults.post_errors = 5
    with pytest.raises(AttributeError):
        local_gateway.faults = None
"""
    )
    assert code == 0, said


def test_the_lines_of_handlers_count_in_coverage(run_tests, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text(
        "def handler(event, context):\n"
        "    if event.get('body') == 'one':\n"
        "        return {'statusCode': 200, 'body': 'other'}\n"
        "    return {'statusCode': 200}\n"
    )
    (tmp_path / ".coveragerc").write_text("[run]\nsource = src\npatch = subprocess\n")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.local_gateway(handler='src/app.handler')\n"
        "def test_it(local_gateway):\n"
        "    with local_gateway.connect() as client:\n"
        "        client.send('one')\n"
        "        assert client.receive() == 'other'\n"
    )

    def coverage(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "coverage", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=100,
        )

    tests = coverage("run", "-m", "pytest", "-p", "local_gateway.pytest_plugin", "-p", "no:cacheprovider", "test_it.py")
    assert tests.returncode == 0, tests.stdout + tests.stderr
    coverage("combine")
    said = coverage("report", "-m").stdout
    (line,) = [line for line in said.splitlines() if "app.py" in line]
    assert line.split() == [os.path.join("src", "app.py"), "4", "0", "100%"]  # noqa: PTH118 - as coverage writes it


def test_the_deployed_handler_needs_neither_a_clone_nor_node(run_tests):
    code, said = run_tests(
        """
import pytest
@pytest.mark.local_gateway(handler="broadcaster")
def test_it(local_gateway):
    with local_gateway.connect() as client:
        client.send({"action": "ping"})
        assert client.receive().json() == {"type": "pong"}
"""
    )
    assert code == 0, said


def test_without_aiohttp_it_names_the_extra_to_install(run_tests, tmp_path):
    (tmp_path / "aiohttp.py").write_text("raise ModuleNotFoundError('No module named aiohttp', name='aiohttp')")
    code, said = run_tests(ECHO + "@pytest.mark.local_gateway(handler=echo)\ndef test_it(local_gateway): pass\n")
    assert code == 1
    assert "the local gateway needs aiohttp; install this library with its extra" in said


@pytest.mark.parametrize("package", ["aiohttp", "trustme"])
def test_the_command_without_its_packages_is_a_sentence(tmp_path, package):
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError('No module named {package}', name='{package}')")
    done = subprocess.run(
        [sys.executable, "-m", "local_gateway"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"local_gateway: the gateway needs {package}; install this library with its extra")
    assert len(done.stderr.splitlines()) == 1
