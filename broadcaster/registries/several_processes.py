"""Signs that this process is one of several that serve the same application, and the warning about it.

A list that is kept in memory is then one list per worker, and an event reaches only the browsers that happened to
register with the worker that sends it. Nothing fails, so nobody notices; hence the warning.
"""

import os
import sys
from collections.abc import Mapping, Sequence

from ..log import logger

_COUNT_VARIABLES = ("WEB_CONCURRENCY", "UVICORN_WORKERS", "GRANIAN_WORKERS")
SERVERS = ("gunicorn", "uvicorn", "hypercorn", "granian", "fastapi", "daphne")


def worker_sign(environ: Mapping[str, str] | None = None, argv: Sequence[str] | None = None) -> str | None:
    """Return what in the environment or on the command line says that there are several workers, or None."""
    environ = os.environ if environ is None else environ
    argv = getattr(sys, "argv", []) if argv is None else argv
    for variable in _COUNT_VARIABLES:
        if _is_several(environ.get(variable, "")):
            return f"{variable} is {environ[variable].strip()}"
    options = environ.get("GUNICORN_CMD_ARGS", "").split()
    if workers := _workers_in(options):
        return f"GUNICORN_CMD_ARGS asks for {workers} workers"
    server = _server_in(argv)
    if server and (workers := _workers_in(argv)):
        return f"{server} was started with {workers} workers"
    return None


def sibling_sign(folder: str = "/proc") -> str | None:
    """Return that the parent of this process has other children with the same command line, or None.

    That is how the workers of a server look, wherever their number was written down. Only Linux tells; elsewhere, and
    where `/proc` may not be read, there is no such sign. Costs a few small reads.
    """
    parent, me = os.getppid(), os.getpid()
    if not sys.platform.startswith("linux"):
        return None
    try:
        if parent == 1 and not _is_server(_read(f"{folder}/1/cmdline")):
            return None  # children of init have nothing to do with each other; a container's first process is no init
        children = _read(f"{folder}/{parent}/task/{parent}/children").split()
        mine = _kind(_read(f"{folder}/{me}/cmdline"))
    except OSError:
        return None
    alike = 0
    for child in children:
        if child != str(me):
            try:
                alike += _kind(_read(f"{folder}/{child}/cmdline")) == mine
            except OSError:
                continue  # it has just ended
    if not mine or not alike:
        return None
    return f"{alike + 1} processes like this one run side by side under process {parent}"


def warn(sign: str) -> None:
    """Say on the logger `broadcaster` that connections are kept in memory although there are several processes."""
    logger().warning(
        "Connections are kept in the memory of process %d, but there seem to be several: %s. Each process knows only "
        "the browsers that registered with it, so events will reach some browsers and not others. Give all of them one "
        "list: registry='redis://host:6379/0' or registry='dynamodb://table-name?region=us-east-1' (or the same in "
        "the variable BROADCASTER_REGISTRY), or run one worker.",
        os.getpid(),
        sign,
    )


def _is_several(number: str) -> bool:
    number = number.strip()
    return number.isdecimal() and int(number) > 1


def _workers_in(words: Sequence[str]) -> str | None:
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in ("-w", "--workers"):
            value = value if equals else "".join(words[at + 1 : at + 2])
        elif word.startswith("-w"):
            value = word[2:]
        else:
            continue
        if _is_several(value):
            return value
    return None


def _server_in(argv: Sequence[str]) -> str | None:
    """Return the server that was started: `gunicorn app:app` or `python -m gunicorn app:app`."""
    if not argv:
        return None
    folder, name = os.path.split(argv[0])  # not pathlib, which costs 6 ms to import
    if name == "__main__.py":
        name = os.path.split(folder)[1]
    name = name.removesuffix(".exe").removesuffix(".py")
    return name if name in SERVERS else None


def _is_server(command: str) -> bool:
    """Return whether a process looks like a server of Python's, or like Python itself."""
    # gunicorn may call itself "gunicorn: master [app:app]".
    names = [os.path.split(word)[1].partition(":")[0] for word in command.split("\0")]
    return names[0].startswith(("python", "pypy")) or any(name in SERVERS for name in names[:3])


def _kind(command: str) -> str:
    # The command of a spawned worker ends in numbers of its own.
    return "".join(character for character in command if not character.isdigit())


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        return file.read()
