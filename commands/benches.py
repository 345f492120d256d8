"""`dev.py bench`."""

import argparse
import subprocess
import sys
from pathlib import Path

from .set_up import LOGS, PYTHON, ROOT, VENV, Stop, call, install_node_packages, once_for, run_step


def bench(_: argparse.Namespace, arguments: list[str]) -> int:
    """Run a bench on Python 3.12, in an environment of its own, because what is compared does not fit into one."""
    from bench.__main__ import BENCHES  # which not every copy of these commands has beside it

    if arguments[:1] in (["-h"], ["--help"]) or (
        arguments and arguments[0].isidentifier() and arguments[0] not in BENCHES
    ):
        return call([sys.executable, "-m", "bench", *arguments])  # to say what there is needs no environment
    folder, requirements = LOGS / "bench", ROOT / "bench/requirements.txt"
    python = folder / PYTHON.relative_to(VENV)
    with once_for(folder, requirements) as is_due:
        if is_due:
            run_step("Making a virtual environment in .dev/bench", [find_python_3_12(), "-m", "venv", folder])
            install: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "-r", requirements]
            run_step("Installing the Python packages of bench/requirements.txt", install, network=True)
    if arguments[:1] == ["node"]:
        install_node_packages("Installing AWS's SDK for JavaScript", ROOT / "node_broadcaster")
    return call([python, "-m", "bench", *arguments])


def find_python_3_12() -> str:
    """Return Python 3.12, which the figures are promised for: it is what AWS runs."""
    pyenv = sorted(map(str, (Path.home() / ".pyenv/versions").glob("3.12.*/bin/python")))
    for python in (sys.executable, "python3.12", *pyenv):
        try:
            command = [python, "-c", "import sys; print(*sys.version_info[:2])"]
            version = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        except OSError:
            continue
        if version.split() == ["3", "12"]:
            return python
    raise Stop("Python 3.12 was not found, as python3.12 or from pyenv; the benches need it, install it first")
