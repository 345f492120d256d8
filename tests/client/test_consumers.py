"""The packed client where CommonJS is needed: Jest with jsdom, and TypeScript's ways to find a package, old and new."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("consumer")
RESOLUTIONS = {"node10": "commonjs", "node16": "node16", "bundler": "esnext"}

# The first time, Jest is installed: 100 MB.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def consumer(npm, install_node_modules):
    """The consumer with its packages and the client installed. There is no lock file, as for the Next.js app."""
    folder = ROOT / ".dev" / "consumer"
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    client = ROOT / "client"
    install_node_modules(client)
    package = npm("pack", "--silent", "--pack-destination", folder, cwd=client).split()[-1]
    npm("install", "--no-audit", "--no-fund", "--prefer-offline", f"./{package}", cwd=folder)
    return folder


def node(script, *arguments, cwd):
    return subprocess.run(["node", f"node_modules/{script}", *arguments], cwd=cwd, capture_output=True, text=True)


def test_jest_with_jsdom_requires_it(consumer):
    done = node("jest/bin/jest.js", "--ci", cwd=consumer)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_the_compiler_finds_the_types(consumer, resolution):
    options = ["--module", RESOLUTIONS[resolution], "--moduleResolution", resolution, "--jsx", "react"]
    done = node("typescript/bin/tsc", "--noEmit", "--strict", "--esModuleInterop", *options, "page.ts", cwd=consumer)
    assert done.returncode == 0, done.stdout + done.stderr
