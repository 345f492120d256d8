"""app.py as it is run: by the CDK's command line, and as a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def run_app(project: Path, outdir: Path, context: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs app.py as the command line does, which hands it the context and the directory in the environment."""
    return subprocess.run(
        [sys.executable, "-B", "app.py"],
        cwd=project,
        env=os.environ | {"CDK_CONTEXT_JSON": json.dumps(context), "CDK_OUTDIR": str(outdir)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        (
            {"memory": "12GB"},
            "error: setting memory='12GB' is no whole number of MB from 128 to 10240; give one, e.g. 256\n",
        ),
        (
            {"aws:cdk:bundling-stacks": "", "memry": "512"},
            "error: setting memry='512' is unknown; did you mean memory? the settings are name, description, stage, "
            "memory, timeout, concurrency, log_retention_days, access_logs, throttle, allowed_origins, backend_role, "
            "backend_user, permissions_boundary, ipv6, domain, certificate, zone, default_endpoint, monitoring, "
            "daily_budget, quotas, registry, auth, public_channels, point_in_time_recovery, keep_table, publish, "
            "publish_concurrency, history, history_ttl\n",
        ),
    ],
)
def test_a_wrong_setting_ends_the_synthesis_with_one_sentence(project, tmp_path, context, sentence):
    done = run_app(project, tmp_path, context)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)
    assert not list(tmp_path.glob("*.template.json"))


def test_a_missing_source_ends_the_synthesis_with_one_sentence(project, tmp_path):
    clone = tmp_path / "clone"
    shutil.copytree(project / "stacks", clone / "stacks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(project / "app.py", clone / "app.py")
    done = run_app(clone, tmp_path / "out", {})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: lambda_src/handler.py is missing, which the Lambda needs; "
        "restore it, e.g. git checkout lambda_src/handler.py\n"
    )


@pytest.fixture
def offline(tmp_path):
    """An environment without credentials, without a configuration, and with a proxy where nobody listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # held and never listened on: connections to it are refused
        proxy = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        home = tmp_path / "home"
        home.mkdir()
        environment = {key: value for key, value in os.environ.items() if not key.upper().startswith(("AWS_", "CDK_"))}
        environment |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy)
        # jsii would unpack the CDK anew into an empty home; that takes longer than all the rest.
        unpacked = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache", "aws", "jsii", "package-cache")
        if unpacked.is_dir():
            environment.setdefault("JSII_RUNTIME_PACKAGE_CACHE_ROOT", str(unpacked))
        environment |= {"HOME": str(home), "USERPROFILE": str(home)}
        # `python` is the interpreter of this environment, as in one that was activated.
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
        yield environment


def test_cdk_synth_without_credentials_and_network_writes_the_template_that_is_tested_here(
    project, tmp_path, offline, default_template
):
    node, cli = shutil.which("node"), project / "node_modules" / "aws-cdk" / "bin" / "cdk"
    assert node, "Node is not installed"
    assert cli.is_file(), "the CDK's command line is not installed; run `npm ci`"
    done = subprocess.run(
        [node, str(cli), "synth", "--quiet", "--output", str(tmp_path / "out")],
        cwd=project,
        env=offline,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    template = json.loads((tmp_path / "out" / "clearstar-websocket.template.json").read_text("utf-8"))
    for resource in template["Resources"].values():
        # The command line asks for these two, for its own use.
        for key in [key for key in resource["Metadata"] if key.startswith(("aws:cdk:", "aws:asset:"))]:
            del resource["Metadata"][key]
        if not resource["Metadata"]:
            del resource["Metadata"]
    assert template == default_template


def test_the_command_line_is_pinned_with_a_lock_that_names_no_host(project):
    package = json.loads((project / "package.json").read_text("utf-8"))
    lock = json.loads((project / "package-lock.json").read_text("utf-8"))
    assert package["devDependencies"] == {"aws-cdk": "2.1148.1"}
    assert lock["packages"]["node_modules/aws-cdk"]["version"] == "2.1148.1"
    assert all("integrity" in entry for path, entry in lock["packages"].items() if path)
    assert "://" not in json.dumps(lock)
