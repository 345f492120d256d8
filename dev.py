"""The few commands of this repository; each first sets up what it needs, in `.venv` and `node_modules`.

python3 dev.py run            the whole system on this machine, until Ctrl-C
python3 dev.py run --once     the same, playing one event from Python to a WebSocket client, then ends
python3 dev.py test           all tests, on every core; with arguments, pytest with those
python3 dev.py check          format, lint, types, tests
python3 dev.py synth          the CloudFormation template, into cdk.out; further arguments go to the CDK CLI
python3 dev.py deploy         `cdk deploy`, then the outputs as lines to paste
python3 dev.py bench          what sending costs, beside other ways to send; `bench --help` names the other benches
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs this may well have an older one
    sys.exit(f"Python {sys.version.split()[0]} is too old; install Python 3.11 or newer and run this with it")

import argparse
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOGS = ROOT / ".dev"
CDK = ["node", "node_modules/aws-cdk/bin/cdk"]

REGION = "us-east-1"  # of the local gateway; nothing is looked up there


class Stop(Exception):
    """Ends the command with one sentence for its user."""


# ---------------------------------------------------------------------------------------------------------------- setup


def set_up() -> None:
    """Make `.venv` and `node_modules` what requirements.txt and package-lock.json say, if they are not."""
    check_node()
    with once_for(VENV, ROOT / "requirements.txt") as is_due:
        if is_due:
            if not PYTHON.exists():
                run_step("Making a virtual environment in .venv", [sys.executable, "-m", "venv", VENV])
            install_python_packages()
    with once_for(ROOT / "node_modules", ROOT / "package-lock.json") as is_due:
        if is_due:
            npm = shutil.which("npm")
            if npm is None:
                raise Stop("npm was not found, although Node is here; install npm and run this again")
            run_step("Installing the CDK CLI into node_modules", [npm, "ci", "--no-audit", "--no-fund"], network=True)


def check_node() -> None:
    try:
        version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        raise Stop(
            "Node was not found, and the CDK CLI needs it; install Node 20 or newer and run this again"
        ) from None
    if int(version.removeprefix("v").partition(".")[0]) < 20:
        raise Stop(f"Node {version} is too old for the CDK CLI; install Node 20 or newer and run this again")


def install_python_packages() -> None:
    file = ROOT / "requirements.txt"
    requirements = ["-r", str(file)]
    # uv takes seconds where pip takes a minute
    uv = next(line for line in file.read_text().splitlines() if line.startswith("uv=="))
    run_step("Installing the installer", [PYTHON, "-m", "pip", "install", "--quiet", uv], network=True)
    title = "Installing the Python packages of requirements.txt"
    try:
        run_step(title, [PYTHON, "-m", "uv", "pip", "install", "--python", PYTHON, *requirements], network=True)
    except Stop:  # pip may know a mirror or a proxy that uv does not
        run_step(title + " with pip", [PYTHON, "-m", "pip", "install", "--no-compile", *requirements], network=True)


@contextlib.contextmanager
def once_for(folder: Path, source: Path) -> Iterator[bool]:
    """Say whether `folder` has still to be made from `source`, and remember in it when that has been done."""
    mark = folder / ".made-from"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    is_due = not mark.is_file() or mark.read_text() != digest
    yield is_due
    if is_due and folder.is_dir():
        mark.write_text(digest)


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
        hint = " Is the network there, and the proxy set if you need one?" if network else ""
        raise Stop(f"{title}: failed ({lines[-1].strip() if lines else 'no output'}).{hint} All of it is in {log}")


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment with `.venv` activated and the CDK quiet about what nobody here can change."""
    path = os.pathsep.join([str(PYTHON.parent), os.environ.get("PATH", "")])
    quiet = {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20", "CDK_DISABLE_CLI_TELEMETRY": "true"}
    return {**os.environ, **quiet, "PATH": path, "VIRTUAL_ENV": str(VENV), "PYTHONUNBUFFERED": "1", **more}


def call(command: Sequence[str | Path], **variables: str) -> int:
    return subprocess.run(command, cwd=ROOT, env=environment(**variables), check=False).returncode


# ------------------------------------------------------------------------------------------------------------- commands


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Synthesize, start the local gateway and the example backend, and either wait or take the tour."""
    for port, name in ((options.port, "port"), (options.backend_port, "backend-port")):
        check_port(port, name)
    set_up()
    context = ["--context", f"registry={options.registry}"]
    run_step("Synthesizing the stack", [*CDK, "synth", "--quiet", "--no-notices", *context])
    log = (LOGS / "run.log").open("wb") if options.once else None  # the tour's frames are all that it shows

    key = {
        "AWS_ACCESS_KEY_ID": "LOCAL" + secrets.token_hex(8).upper(),
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        "AWS_REGION": REGION,
    }
    with contextlib.ExitStack() as processes:
        gateway_command = ["-m", "local_gateway", "--assembly", "cdk.out", "--port", str(options.port)]
        gateway_command += ["--source", "lambda_src", "--source", "."]  # edits take effect with the next event
        stand_in = {}
        if options.registry == "dynamodb":
            stand_in_command = ["-m", "examples.stand_in", "--assembly", "cdk.out", "--region", REGION]
            _stand_in, lines = processes.enter_context(started("The stand-in for DynamoDB", stand_in_command, 6, log))
            stand_in = dict(line.split("=", 1) for line in lines)
            gateway_command += [argument for line in lines for argument in ("--env", line)]
        gateway, lines = processes.enter_context(started("The local gateway", gateway_command, 2, log, **key))
        websocket, connections = (line.split()[1] for line in lines)
        points_here = {
            "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": connections,
            "WEBSOCKET_API_ID": "local",
            "WEBSOCKET_URL": websocket,
        }
        login = {"DEMO_PASSWORD": secrets.token_urlsafe(9)}
        backend_command = ["-m", "examples.backend", "--port", str(options.backend_port)]
        if options.simulate is not None:
            backend_command += ["--simulate", options.simulate]
        backend, lines = processes.enter_context(
            started("The example backend", backend_command, 1, log, **key, **points_here, **stand_in, **login)
        )
        url = lines[0].split()[1]
        if options.once:
            addresses = ["--websocket", websocket, "--backend", url]
            return call([PYTHON, "-m", "examples.tour", *addresses, "--registry", options.registry], **login)
        user = f"demo:{login['DEMO_PASSWORD']}"
        post = f"curl -u {user} -H 'content-type: application/json'"
        frame = '{"action":"subscribe","channel":"admin"}'
        then = f"""Register it    {post} {url}/websocket/register -d '{{"connection_id":"the id that wscat showed"}}'"""
        if options.registry == "dynamodb":
            frame = '{"action":"connection_id"}'
            then = f"""Sign for it    {post} {url}/websocket/auth -d '{{"connection_id":"the id","channel":"admin"}}'
  then say     {{"action":"subscribe","channel":"admin","auth":"the signature"}}"""
        print(f"""
  dashboard    {url}/#{user}
  WebSocket    {websocket}
  backend      {url}

Watch with     npx wscat -c {websocket}
  then say     {frame}
{then}
Send an event  {post} {url}/runs -d '{{"run_name":"My Workflow"}}'

For a front end, in .env.local:
NEXT_PUBLIC_PUSHER_KEY={websocket}
NEXT_PUBLIC_PUSHER_CLUSTER={REGION}

Ctrl-C ends both.
""")
        while True:
            for name, process in (("local gateway", gateway), ("example backend", backend)):
                if process.poll() is not None:
                    raise Stop(f"the {name} has ended with exit code {process.returncode}; its last lines say why")
            time.sleep(0.5)


def check_port(port: int, name: str) -> None:
    """Find out before the work begins that a port is taken."""
    try:
        with socket.socket() as probe:
            if os.name != "nt":  # there it would allow two programs on one port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise Stop(f"port {port} cannot be used ({error}); give another one with --{name}") from None


@contextlib.contextmanager
def started(
    name: str, arguments: list[str], lines: int, log: BinaryIO | None, **variables: str
) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    """Start a server of ours and hand over it and its first lines, which say where it listens; stop it in the end."""
    command = [str(PYTHON), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(**variables), stdout=subprocess.PIPE, stderr=log)
    try:
        output = cast(BinaryIO, process.stdout)
        first_lines = [output.readline().decode().strip() for _ in range(lines)]
        if not all(first_lines):
            process.wait(10)
            raise Stop(f"{name} did not start" + (f"; {log.name} says why" if log else ""))
        threading.Thread(target=shutil.copyfileobj, args=(output, log or sys.stdout.buffer), daemon=True).start()
        yield process, first_lines
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


def test(_: argparse.Namespace, arguments: list[str]) -> int:
    """Run all tests, a file at a time on each core, or pytest with the arguments that are given."""
    set_up()
    return call([PYTHON, "-m", "pytest", *(arguments or ["-n", "auto", "--dist", "loadfile"])])


def check(_: argparse.Namespace, arguments: list[str]) -> int:
    """Run every check, also after one has failed."""
    set_up()
    commands = (["ruff", "format", "--check", "."], ["ruff", "check", "."], ["mypy"], ["pytest", *arguments])
    failed = [command[0] for command in commands if call([PYTHON, "-m", *command])]
    if failed:
        raise Stop(f"failed: {', '.join(failed)}")
    return 0


def synth(_: argparse.Namespace, arguments: list[str]) -> int:
    """Print the CloudFormation template, which is also in cdk.out."""
    set_up()
    return call([*CDK, "synth", *arguments])


def deploy(_: argparse.Namespace, arguments: list[str]) -> int:
    """Deploy with the AWS credentials of the environment and print the outputs as lines to paste."""
    set_up()
    LOGS.mkdir(exist_ok=True)
    file = LOGS / "outputs.json"
    code = call([*CDK, "deploy", "--outputs-file", file, *arguments])
    if code:
        return code
    for stack, outputs in json.loads(file.read_text()).items():
        print(f"""
{stack}

For the front end, in .env.local:
{outputs["NextPublicPusherKey"]}
{outputs["NextPublicPusherCluster"]}

For the backend, whose role or user needs the policy {outputs["BackendPolicyArn"]}:
WEBSOCKET_API_ID={outputs["ApiId"]}
WEBSOCKET_STAGE={outputs["Stage"]}
AWS_REGION={outputs["Region"]}""")
        for output, variable in (
            ("RegistryUrl", "BROADCASTER_REGISTRY"),
            ("SubscriptionSecretArn", "BROADCASTER_SECRET"),
        ):
            if output in outputs:
                print(f"{variable}={outputs[output]}")
    return 0


def bench(_: argparse.Namespace, arguments: list[str]) -> int:
    """Run a bench on Python 3.12, in an environment of its own, because what is compared does not fit into one."""
    folder, requirements = LOGS / "bench", ROOT / "bench/requirements.txt"
    python = folder / PYTHON.relative_to(VENV)
    with once_for(folder, requirements) as is_due:
        if is_due:
            run_step("Making a virtual environment in .dev/bench", [find_python_3_12(), "-m", "venv", folder])
            install: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "-r", requirements]
            run_step("Installing the Python packages of bench/requirements.txt", install, network=True)
    # Users run from bytecode; without it every figure of a fresh process would be that of the compiler.
    return call([python, "-m", "bench", *arguments], PYTHONDONTWRITEBYTECODE="")


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in (run, test, check, synth, deploy, bench):
        sub = commands.add_parser(command.__name__, help=command.__doc__, add_help=command is run)
        sub.set_defaults(command=command)
        if command is run:
            sub.add_argument("--once", action="store_true", help="play one event through the whole path and end")
            sub.add_argument(
                "--registry",
                choices=("backend", "dynamodb"),
                default="backend",
                help="who registers connections: the backend, or the gateway in a table (default: %(default)s)",
            )
            sub.add_argument("--simulate", metavar="SPEED", help="simulate runs for the dashboard, e.g. at speed 1")
            sub.add_argument("--port", type=int, default=8001, help="of the gateway (default: %(default)s)")
            sub.add_argument("--backend-port", type=int, default=8000, help="of the backend (default: %(default)s)")
    options, rest = parser.parse_known_args()
    if options.command is run and rest:
        parser.error(f"run does not know {' '.join(rest)}")
    if options.command is run and options.once:
        options.port = options.backend_port = 0  # whatever is free: nobody else needs to find them
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    try:
        code: int = options.command(options, rest)
    except Stop as stop:
        print(f"dev.py: {stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
