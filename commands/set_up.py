"""Sets up what the commands need, in `.venv` and `node_modules`, and runs programs in it."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOGS = ROOT / ".dev"
CDK = ["node", "node_modules/aws-cdk/bin/cdk"]

# What `.venv` has to have, by what is to be done in it; each takes in those before.
REQUIREMENTS = {
    "deploy": ROOT / "requirements" / "deploy.txt",
    "run": ROOT / "requirements" / "run.txt",
    "test": ROOT / "requirements.txt",
}


class Stop(Exception):
    """Ends the command with one sentence for its user."""


def set_up(purpose: str = "test") -> None:
    """Make `.venv` and `node_modules` what the requirements for a purpose and package-lock.json say, if they are not.

    An environment that was made for more stays as it is.
    """
    check_node()
    enough = list(REQUIREMENTS.values())[list(REQUIREMENTS).index(purpose) :]
    with once_for(VENV, *enough) as is_due:
        if is_due:
            if not PYTHON.exists():
                run_step("Making a virtual environment in .venv", [sys.executable, "-m", "venv", VENV])
            install_python_packages(enough[0])
    install_node_packages("Installing the CDK CLI", ROOT)


def install_node_packages(title: str, folder: Path) -> None:
    """Make a folder's `node_modules` what its package-lock.json says, if it is not."""
    with once_for(folder / "node_modules", folder / "package-lock.json") as is_due:
        if is_due:
            npm = shutil.which("npm")
            if npm is None:
                raise Stop("npm was not found, although Node is here; install npm and run this again")
            command: list[str | Path] = [npm, "ci", "--prefix", folder, "--no-audit", "--no-fund"]
            run_step(f"{title} into {(folder / 'node_modules').relative_to(ROOT)}", command, network=True)


def check_node() -> None:
    try:
        version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        raise Stop(
            "Node was not found, and the CDK CLI needs it; install Node 20 or newer and run this again"
        ) from None
    if int(version.removeprefix("v").partition(".")[0]) < 20:
        raise Stop(f"Node {version} is too old for the CDK CLI; install Node 20 or newer and run this again")


def install_python_packages(file: Path) -> None:
    requirements = ["-r", str(file)]
    # uv takes seconds where pip takes a minute
    uv = next(line.split()[0] for line in contents(file).splitlines() if line.startswith("uv=="))
    run_step("Installing the installer", [PYTHON, "-m", "pip", "install", "--quiet", uv], network=True)
    title = f"Installing the Python packages of {file.relative_to(ROOT).as_posix()}"
    try:
        run_step(title, [PYTHON, "-m", "uv", "pip", "install", "--python", PYTHON, *requirements], network=True)
    except Stop:  # pip may know a mirror or a proxy that uv does not
        run_step(title + " with pip", [PYTHON, "-m", "pip", "install", "--no-compile", *requirements], network=True)


@contextlib.contextmanager
def once_for(folder: Path, source: Path, *larger: Path) -> Iterator[bool]:
    """Say whether `folder` has still to be made from `source`, and remember in it when that has been done.

    What was made from one of the `larger` sources, which have all that `source` has, will do.
    """
    mark = folder / ".made-from"
    digest, *others = (hashlib.sha256(contents(file).encode()).hexdigest() for file in (source, *larger))
    is_due = not mark.is_file() or mark.read_text() not in (digest, *others)
    yield is_due
    if is_due and folder.is_dir():
        mark.write_text(digest)


def contents(file: Path) -> str:
    """Return the text of a file and, of a requirements file, that of the files that it takes in."""
    text = file.read_text("utf-8")
    taken_in = [line.removeprefix("-r ") for line in text.splitlines() if line.startswith("-r ")]
    return text + "".join(contents(file.parent / name) for name in taken_in)


def run_step(title: str, command: Sequence[str | Path], *, network: bool = False) -> None:
    """Run a command with its output in a log, counting the seconds on a terminal."""
    LOGS.mkdir(exist_ok=True)
    log = LOGS / "setup.log"
    started = time.monotonic()
    is_terminal = sys.stdout.isatty()
    print(f"{title} ...", end="" if is_terminal else "\n", flush=True)
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)
                if is_terminal:
                    print(f"\r{title} ... {time.monotonic() - started:.0f} s", end="", flush=True)
        except BaseException:
            process.kill()
            raise
    if is_terminal:
        print()
    if process.returncode:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        # What the CDK CLI prints after it is about its subprocess.
        reason = next((line for line in reversed(lines) if line.startswith("error: ")), (lines or ["no output"])[-1])
        hint = " Is the network there, and the proxy set if you need one?" if network else ""
        raise Stop(f"{title}: failed ({reason.removeprefix('error: ').strip()}).{hint} All of it is in {log}")


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment with `.venv` activated and the CDK quiet about what nobody here can change.

    Byte code is kept, whatever the variable says: else each of the hundreds of processes compiles what it imports.
    """
    path = os.pathsep.join([str(PYTHON.parent), os.environ.get("PATH", "")])
    quiet = {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20", "CDK_DISABLE_CLI_TELEMETRY": "true"}
    return {
        **os.environ,
        **quiet,
        "PATH": path,
        "VIRTUAL_ENV": str(VENV),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "",
        **more,
    }


def call(command: Sequence[str | Path], **variables: str) -> int:
    return subprocess.run(command, cwd=ROOT, env=environment(**variables), check=False).returncode
