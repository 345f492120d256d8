"""The examples of docs/from-pusher.md and the line for curl run as they stand, but for addresses and secrets."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.publishing.conftest import KEY, TOKEN

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
HOST = "abc123.lambda-url.eu-central-1.on.aws"


def block(page, language):
    [found] = re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    return found


def adapted(code, system, plain):
    for written, meant in (("1789839313", KEY["app_id"]), ("abc123xyz", KEY["key"]), ("SECRET", repr(KEY["secret"]))):
        assert written in code
        code = code.replace(written, meant)
    host = f'"{HOST}"'
    assert host in code
    return code.replace(host, f'"{system.host}", {plain.format(port=system.port)}')


def test_the_python_example(system, subscribed):
    client = subscribed("run-1")
    names = {}
    exec(adapted(block("from-pusher.md", "python"), system, "port={port}, ssl=False"), names)  # noqa: S102
    assert client.hear() == [("run-1", "step", {"n": 1})]
    assert client.hear() == [("run-1", "step", {"n": 2})]
    names["client"]._pusher_client.http.session.close()


def test_the_example_for_node(system, subscribed, install_node_modules):
    install_node_modules(HERE)
    client = subscribed("run-1")
    code = adapted(block("from-pusher.md", "js"), system, "port: {port}").replace("useTLS: true", "useTLS: false")
    done = subprocess.run(["node", "-e", code], cwd=HERE, capture_output=True, text=True, timeout=100, check=False)
    assert (done.stdout, done.stderr) == ("sent\n", "")
    assert client.hear() == [("run-1", "step", {"n": 1})]


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl here")
def test_the_line_for_curl(system, subscribed):
    client = subscribed("admin")
    environment = {**os.environ, "PUBLISH_URL": system.url, "TOKEN": TOKEN}
    line = block("other-languages.md", "sh")
    done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout in (DOCS / "other-languages.md").read_text(encoding="utf-8")
    assert client.hear() == [("admin", "admin_event", {"n": 1})]
