"""Find the Python that a template's runtime names."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_SHOW_VERSION = "import sys; print('python%d.%d' % sys.version_info[:2])"


def own_python() -> str:
    """Return the interpreter that runs the gateway, without the virtual environment that it may run in."""
    return getattr(sys, "_base_executable", None) or sys.executable


@cache
def find_python(runtime: str) -> str | None:
    """Find an interpreter of exactly the version that `runtime` names ("python3.12"), or `None`.

    Looks at the gateway's own, where pyenv and uv keep theirs, and on PATH. One that does not start is passed over.
    """
    if runtime == f"python{sys.version_info.major}.{sys.version_info.minor}":
        return own_python()
    return next((path for path in _candidates(runtime) if _version(path) == runtime), None)


def _candidates(runtime: str) -> Iterator[str]:
    """List where it may be, the quickest to try first: a shim on PATH may take a second to say that it has none."""
    version = runtime.removeprefix("python")
    executable = "python.exe" if os.name == "nt" else f"bin/{runtime}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for home, pattern in ((pyenv, f"{version}.*"), (_uv_home(), f"cpython-{version}.*")):
        if home.is_dir():
            for folder in sorted(home.glob(pattern), reverse=True):
                if (folder / executable).is_file():
                    yield str(folder / executable)
    for name in (runtime, "python3", "python"):
        if found := shutil.which(name):
            yield found
    if launcher := shutil.which("py"):  # Windows
        shown = _output(launcher, f"-{version}", "-c", "import sys; print(sys.executable)")
        if shown:
            yield shown


def _uv_home() -> Path:
    if given := os.environ.get("UV_PYTHON_INSTALL_DIR"):
        return Path(given)
    if os.name == "nt":
        return Path(os.environ.get("APPDATA") or Path.home()) / "uv" / "python"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "uv" / "python"


def _version(python: str) -> str:
    return _output(python, "-I", "-S", "-c", _SHOW_VERSION)


def _output(*command: str) -> str:
    """Return what a command prints, nothing when it fails: a pyenv shim exists for versions that are not active."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""
