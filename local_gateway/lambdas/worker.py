"""The inside of one Lambda execution environment: imports a handler and calls it for one event after the other.

Runs as a process of its own, on the Python that the template names, so it uses the standard library alone and works
from Python 3.9 on. Events come as lines of JSON on standard input, answers go as lines of JSON to standard output;
whatever the handler prints goes to standard error, where the gateway reads its log.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import logging
import os
import socket
import sys
import time
import traceback

TYPE_CHECKING = False  # importing typing would cost as much as all the rest
if TYPE_CHECKING:
    from typing import Any


class Context:
    """What a handler gets as its second argument."""

    def __init__(self, invocation: dict[str, Any], config: dict[str, Any]) -> None:
        self.aws_request_id = invocation["request_id"]
        self.function_name = config["function_name"]
        self.function_version = "$LATEST"
        self.invoked_function_arn = config["function_arn"]
        self.memory_limit_in_mb = str(config["memory"])
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.identity: Any = None
        self.client_context: Any = None
        self._deadline = time.monotonic() + invocation["timeout"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class ProvidedError(ImportError):
    """A package that Lambda's runtime provides does not run on this Python."""


class ProvidedLoader(importlib.machinery.SourceFileLoader):
    """Loads a module of a provided package, with its bytecode in a cache of the gateway's.

    Beside the package there may be none for this Python, and boto3 takes a second to compile. The handler's own code is
    compiled each time: bytecode is told apart by seconds, and an edit takes effect at once.
    """

    cache = ""

    def get_code(self, fullname: str) -> Any:
        before = sys.pycache_prefix, sys.dont_write_bytecode
        sys.pycache_prefix, sys.dont_write_bytecode = self.cache, False
        try:
            return super().get_code(fullname)
        finally:
            sys.pycache_prefix, sys.dont_write_bytecode = before

    def exec_module(self, module: Any) -> None:
        try:
            super().exec_module(module)
        except ProvidedError:
            raise
        except Exception as error:
            if "." in self.name:
                raise
            python = f"{sys.version_info[0]}.{sys.version_info[1]}"
            raise ProvidedError(
                f"{self.name}, as the gateway's environment has it, does not run on Python {python}"
                f" ({type(error).__name__}: {error}); name a newer runtime in the template, or put one that does into"
                " the function's code"
            ) from error


class ProvidedPackages:
    """Finds what Lambda's own runtime provides (boto3 and what it needs), unless the function brings its own."""

    def __init__(self, folders: dict[str, str]) -> None:
        self._folders = folders  # name of a top-level package: folder that holds it
        self._found: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: object = None) -> Any:
        package, _, inner = name.partition(".")
        if package not in self._folders or (inner and package not in self._found):
            return None
        find = importlib.machinery.PathFinder.find_spec
        if not inner:
            if find(name, None) is not None:  # the function's own
                return None
            self._found.add(package)
        spec = find(name, path if inner else [self._folders[package]])
        if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = ProvidedLoader(spec.loader.name, spec.loader.path)
        return spec


class RequestIdFilter(logging.Filter):
    """Puts the current request's id on each log record, as Lambda's own handler does."""

    request_id = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.request_id
        return True


def limit_memory(megabytes: int) -> None:
    """Keep the process's data to the function's memory, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    # RLIMIT_DATA rather than RLIMIT_AS: reserved but unused address space, such as threads' arenas, is not memory.
    size = megabytes * 1024 * 1024
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    except (OSError, ValueError):  # macOS refuses some sizes
        return


def max_memory_used() -> int:
    """Return the process's largest resident size so far in MB, 0 where the system does not tell."""
    try:
        # Not getrusage, which on Linux goes on counting from what the gateway had when it started this process.
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123 - a slow import
            peak = next((line for line in status if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    except OSError:
        return 0
    return int(peak.split()[1]) // 1024


def resolve_here(name: str, host: str, port: int) -> None:
    """Send connections to port 443 of `name`, the API's on AWS, to the gateway, if Python resolves the name."""
    resolve = socket.getaddrinfo

    def getaddrinfo(asked: Any, service: Any, *options: Any, **named: Any) -> Any:
        text = asked.decode("ascii", "replace") if isinstance(asked, bytes) else asked
        if isinstance(text, str) and text.rstrip(".").lower() == name and service in (443, "443", "https"):
            return resolve(host, port, *options, **named)
        return resolve(asked, service, *options, **named)

    socket.getaddrinfo = getaddrinfo  # type: ignore[assignment]


def begin_coverage(folder: str | None) -> Any:
    """Have coverage.py count the handler's lines if its variables ask for it; returns what saves the counts.

    Its own hook is a file in site-packages, which this process does not read. Counts are saved after each event,
    because the process is killed when it is not needed any more.
    """
    if folder is None:
        return lambda: None
    root = os.getcwd()  # noqa: PTH109 - pathlib is a slow import
    os.chdir(folder)  # where the paths of its configuration start from
    try:
        import coverage
    except ImportError as error:
        print(f"coverage cannot be imported, so lines are not counted: {error}", flush=True)
        return lambda: None
    else:
        counting = coverage.process_startup()
        return counting.save if counting is not None else lambda: None
    finally:
        os.chdir(root)


def log_like_lambda() -> RequestIdFilter:
    """Set the root logger up as Lambda's runtime does, and return the filter that knows the request's id."""
    request_ids = RequestIdFilter()
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter(
        "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(request_ids)
    logging.getLogger().addHandler(handler)
    return request_ids


def load_handler(spec: str) -> Any:
    """Import the function that `spec` ("module.function") names; errors carry the type names of Lambda's runtime."""
    module_name, _, function_name = spec.rpartition(".")
    if not module_name:
        raise InitError("Runtime.MalformedHandlerName", f"Bad handler '{spec}': it takes module.function")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except SyntaxError as error:
        raise InitError(
            "Runtime.UserCodeSyntaxError",
            f"Syntax error in module '{module_name}': {error.msg} (line {error.lineno})",
        ) from error
    except ImportError as error:
        raise InitError("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except Exception as error:
        print_traceback(error)
        raise InitError(type(error).__name__, f"importing module '{module_name}' raised: {error}") from error
    handler = getattr(module, function_name, None)
    if not callable(handler):
        raise InitError("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")
    return handler


class InitError(Exception):
    """The handler cannot be loaded."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def print_traceback(error: BaseException) -> None:
    """Write an error of the handler to the log, its first line as Lambda writes it, without the frames of this file."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    print(f"[ERROR] {type(error).__name__}: {error}")
    print("".join(traceback.format_list(own)), end="", flush=True)


def answer(handler: Any, invocation: dict[str, Any], config: dict[str, Any]) -> str:
    """Call the handler and return the answer line's JSON."""
    os.environ["_X_AMZN_TRACE_ID"] = invocation["trace_id"]
    try:
        result = handler(invocation["event"], Context(invocation, config))
    except MemoryError:
        # Lambda kills a process that outgrows its memory; the gateway reports an answerless end in the same words.
        print("[ERROR] Runtime.OutOfMemory: the function outgrew its memory", flush=True)
        os._exit(137)
    except Exception as error:
        print_traceback(error)
        return json.dumps({"error_type": type(error).__name__, "error": str(error), "memory": max_memory_used()})
    try:
        payload = json.dumps(result)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"Unable to marshal response: {error}"
        print(f"[ERROR] Runtime.MarshalError: {message}", flush=True)
        return json.dumps({"error_type": "Runtime.MarshalError", "error": message, "memory": max_memory_used()})
    return f'{{"memory": {max_memory_used()}, "result": {payload}}}'


def main() -> None:
    events = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what the handler prints is log, not answer
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115

    def send(line: str) -> None:
        sys.stdout.flush()
        answers.write(line.encode("utf-8") + b"\n")
        answers.flush()

    config = json.loads(events.readline())
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    ProvidedLoader.cache = config["bytecode"]
    sys.meta_path.insert(0, ProvidedPackages(config["provided"]))
    resolve_here(*config["endpoint"])
    request_ids = log_like_lambda()
    save_coverage = begin_coverage(config["coverage"])
    limit_memory(config["memory"])
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except InitError as error:
        send(json.dumps({"error_type": error.error_type, "error": str(error)}))
        return
    save_coverage()
    send("{}")
    for line in events:
        invocation = json.loads(line)
        request_ids.request_id = invocation["request_id"]
        told = answer(handler, invocation, config)
        save_coverage()
        send(told)


if __name__ == "__main__":
    main()
