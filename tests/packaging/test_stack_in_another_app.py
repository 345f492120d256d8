"""The stack in somebody else's CDK app: the example of docs/operating.md, from an installed copy, with the real CLI."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stacks.lambda_asset import source_files

ROOT = Path(__file__).parents[2]
[APP] = re.findall(
    r"```python\n(from aws_cdk import App.*?)```", (ROOT / "docs/operating.md").read_text("utf-8"), re.DOTALL
)


def run(*command, cwd, **variables):
    command = [str(part) for part in command]
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def assembly(wheel, tmp_path_factory):
    """What the CDK CLI synthesizes of an app that has nothing of this repository but its wheel."""
    if shutil.which("node") is None or not (ROOT / "node_modules").is_dir():
        pytest.skip("the CDK CLI is not installed; run `npm ci`, or `python3 dev.py test`, which does")
    folder = tmp_path_factory.mktemp("another-app")
    run(sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, "env", cwd=folder)
    python = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python]
    run(*install, f"{wheel}[stacks]", cwd=folder)
    (folder / "app.py").write_text(APP)
    (folder / "cdk.json").write_text(json.dumps({"app": f"{python.as_posix()} -I app.py"}))
    cli = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
    run(
        *["node", cli, "synth", "--quiet", "--no-notices"],
        cwd=folder,
        JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION="20",
    )
    return folder / "cdk.out"


def test_the_stacks_properties_are_those_that_the_app_gave(assembly):
    artifact = json.loads((assembly / "manifest.json").read_text())["artifacts"]["LiveEvents"]
    assert artifact["environment"] == "aws://123456789012/eu-central-1"
    assert artifact["properties"]["terminationProtection"] is True
    assert artifact["properties"]["tags"] == {"team": "web"}


def test_the_function_has_every_source_of_the_lambda_and_imports_them(assembly):
    template = json.loads((assembly / "LiveEvents.template.json").read_text())
    [function] = [each for each in template["Resources"].values() if each["Type"] == "AWS::Lambda::Function"]
    assert function["Properties"]["FunctionName"] == "live-events-handler"
    asset = assembly / f"asset.{function['Properties']['Code']['S3Key'].removesuffix('.zip')}"
    expected = {Path(name) for name in source_files(ROOT, registers=False, publishes=False)}
    assert expected <= {path.relative_to(asset) for path in asset.rglob("*.py")}
    program = f"import sys; sys.path.insert(0, {str(asset)!r}); import handler; print(handler.__file__)"
    assert run(sys.executable, "-I", "-S", "-c", program, cwd=assembly).strip() == str(asset / "handler.py")


def test_another_stack_of_the_app_gives_its_role_the_backends_policy(assembly):
    template = json.loads((assembly / "Backend.template.json").read_text())
    [role] = [each for each in template["Resources"].values() if each["Type"] == "AWS::IAM::Role"]
    [policy] = role["Properties"]["ManagedPolicyArns"]
    assert policy["Fn::ImportValue"].startswith("LiveEvents:ExportsOutputRefBackendAccessPolicy")
