"""One Lambda execution environment, seen from the gateway: a process that handles one event at a time."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..limits import LAMBDA_INIT_TIMEOUT, LAMBDA_MAX_RESPONSE
from ..template.api import Function
from .environment import bytecode_cache, coverage_variables

_WORKER = Path(__file__).with_name("worker.py")
_CAN_FREEZE = hasattr(signal, "SIGSTOP")


class Outcome(NamedTuple):
    """What became of one event."""

    result: Any = None
    error: str | None = None  # a sentence for the log, when the function raised, was killed or could not start
    seconds: float = 0.0
    cold_start: float | None = None  # seconds, when this event waited for a new environment
    memory: int = 0  # MB, the environment's largest so far


class Endpoint(NamedTuple):
    """Where calls to the API's own name go."""

    name: str  # as on AWS
    host: str
    port: int


class LambdaStartError(Exception):
    """An environment could not be started: the handler does not import, or takes too long to."""


class LambdaProcess:
    """A worker process. Made by `start`; ended by `kill`."""

    def __init__(self, function: Function, process: asyncio.subprocess.Process, version: int) -> None:
        self.version = version  # of the source that it loaded
        self.started = time.monotonic()
        self.last_used = self.started
        self.events = 0
        self._function = function
        self._process = process
        self._reading: asyncio.Task[None] | None = None
        self._is_frozen = False

    @classmethod
    async def start(
        cls,
        function: Function,
        *,
        python: str,
        root: Path,
        version: int,
        environment: Mapping[str, str],
        provided: Mapping[str, str],
        endpoint: Endpoint,
        log: Callable[[str, str], None],
    ) -> "LambdaProcess":
        """Start a process and have it import the handler.

        Raises:
            LambdaStartError: it ended, or said why it cannot, or took more than Lambda's ten seconds.
        """
        # -I and -S: nothing of the developer's environment or packages. -B: no bytecode in the asset's folder, from
        # where a deployment would upload it.
        command = [python, "-I", "-S", "-B", str(_WORKER)]
        options: dict[str, Any] = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined,unused-ignore]
            if sys.platform == "win32"
            # A process group of its own: Ctrl-C in the terminal is the gateway's alone, what the handler starts can be
            # killed with it, and should the gateway be killed, the system wakes and ends the group even if frozen.
            else {"process_group": 0}
        )
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                cwd=root,
                limit=2 * LAMBDA_MAX_RESPONSE,
                **options,
            )
        except OSError as error:
            raise LambdaStartError(f"a process for function {function.name} cannot be started: {error}") from error
        worker = cls(function, process, version)
        worker._reading = asyncio.create_task(worker._read_log(log))
        config = {
            "function_name": function.name,
            "function_arn": function.arn,
            "memory": function.memory,
            "provided": dict(provided),
            "endpoint": endpoint,
            "bytecode": str(bytecode_cache()),
            "coverage": str(Path.cwd()) if coverage_variables() else None,
        }
        try:
            answer = await worker._exchange(config, LAMBDA_INIT_TIMEOUT)
        except asyncio.CancelledError:
            await worker.kill()
            raise
        except TimeoutError:
            problem = f"took more than {LAMBDA_INIT_TIMEOUT:.0f} s to import"
        else:
            if answer is not None and "error" not in answer:
                return worker
            problem = f"{answer['error_type']}: {answer['error']}" if answer else worker._end()
        await worker.kill()
        raise LambdaStartError(f"handler {function.handler} of function {function.name} does not load: {problem}")

    async def invoke(self, event: Mapping[str, Any], *, request_id: str, trace_id: str) -> Outcome:
        """Hand one event over and wait for its answer; at the function's timeout the process is killed."""
        began = time.monotonic()
        timeout = self._function.timeout
        self.events += 1
        invocation = {"event": event, "request_id": request_id, "trace_id": trace_id, "timeout": timeout}
        try:
            answer = await self._exchange(invocation, timeout)
        except TimeoutError:
            await self.kill()
            return Outcome(error=f"Task timed out after {timeout:.2f} seconds", seconds=timeout)
        self.last_used = time.monotonic()
        seconds = self.last_used - began
        if answer is None:
            await self.kill()
            return Outcome(error=f"Runtime exited with error: {self._end()}", seconds=seconds)
        if "error" in answer:
            return Outcome(error=f"{answer['error_type']}: {answer['error']}", seconds=seconds, memory=answer["memory"])
        return Outcome(answer["result"], seconds=seconds, memory=answer["memory"])

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    def freeze(self) -> None:
        """Stop the process's clock until its next event, as Lambda does; threads left running stand still."""
        if _CAN_FREEZE and not self._is_frozen:
            self._is_frozen = True
            self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process run on."""
        if self._is_frozen:
            self._is_frozen = False
            self._signal(signal.SIGCONT)

    async def kill(self) -> None:
        """End the process and whatever it started, and wait until it has gone. May be called again."""
        if self.is_alive:
            self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def _exchange(self, message: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        """Write a line and read the answer's, `None` if the process ended instead."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process was started without pipes")
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        async with asyncio.timeout(seconds):
            line = await self._process.stdout.readline()
            if not line:
                await self._process.wait()
        if not line:
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self) -> str:
        """Say how the process ended, in Lambda's words."""
        code = self._process.returncode
        if code == 137 or code == -9:
            return "signal: killed (Runtime.OutOfMemory)" if code == 137 else "signal: killed"
        return f"exit status {code}"

    def _signal(self, number: int) -> None:
        try:
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):  # it has just ended
            return

    async def _read_log(self, log: Callable[[str, str], None]) -> None:
        """Pass on what the function prints, line by line."""
        while self._process.stderr is not None:
            try:
                line = await self._process.stderr.readline()
            except ValueError:  # a line longer than the buffer: it was dropped
                continue
            if not line:
                return
            log(self._function.name, line.decode("utf-8", "backslashreplace").rstrip())
