"""The two examples of docs/other-languages.md run as they stand, but for the addresses."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "other-languages.md").read_text(encoding="utf-8")


@pytest.fixture
def management(start_server, monkeypatch):
    server = start_server()
    monkeypatch.setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", server.endpoint.url)
    return server


def test_python_registers_and_node_broadcasts(management, redis_server, node_modules, tmp_path):
    (in_node,) = re.findall(r"```js\n(.*?)```", TEXT, re.DOTALL)
    (in_python,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "apigw-broadcaster").symlink_to(ROOT / "node_broadcaster", target_is_directory=True)
    server = f"redis://localhost:{redis_server.port}/0"
    for command, code in (
        ([sys.executable, "-c"], in_python),
        (["node", "--no-warnings", "-e"], in_node),
    ):
        assert "redis://localhost:6379/0" in code
        done = subprocess.run(
            [*command, code.replace("redis://localhost:6379/0", server)],
            cwd=ROOT if command[0] == sys.executable else tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout == "{ sent: 1, failed: 0, stale: 0 }\n"
    [(_, connection_id, _, _)] = management.requests
    assert connection_id == "L0SM9cOFvHcCIhw="
