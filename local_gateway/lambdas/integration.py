"""Hand an event to the function behind a route and read what it returns (Lambda proxy integration)."""

import asyncio
import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..connections.error_frames import ENDPOINT_REQUEST_TIMED_OUT, INTERNAL_SERVER_ERROR
from ..connections.events import new_trace_id
from ..limits import MAX_MESSAGE
from ..template.api import Route
from .pool import Invocation, LambdaPool
from .process import Outcome


class Reply(NamedTuple):
    """What an integration came to: a status with headers and body, or a problem."""

    status: int = 0
    headers: Mapping[str, str] = {}  # names in lower case
    body: bytes = b""
    problem: str | None = None  # an error frame's message
    outcome: Outcome | None = None  # none when the integration's time ran out before the function's


class MalformedResultError(Exception):
    """A function returned something that API Gateway does not take."""


class Integrations:
    """Invokes the functions of the current routes."""

    def __init__(self, pool_of: Callable[[Route], LambdaPool]) -> None:
        self._pool_of = pool_of
        self._running: set[asyncio.Task[Outcome]] = set()

    async def invoke(
        self, route: Route, event: Mapping[str, Any], *, request_id: str, trace_id: str | None = None
    ) -> Reply:
        """Run one event; never raises for what the function does.

        A function that outlasts the integration's timeout goes on until its own, as on AWS; nobody hears its result.
        An event that had to wait so long for a process is not run any more.
        """
        outcome = await self.run(route, event, request_id=request_id, trace_id=trace_id or new_trace_id())
        if outcome is None:
            return Reply(problem=ENDPOINT_REQUEST_TIMED_OUT)
        if outcome.error is not None:
            return Reply(problem=INTERNAL_SERVER_ERROR, outcome=outcome)
        try:
            return read_proxy_result(outcome.result)._replace(outcome=outcome)
        except MalformedResultError as error:
            return Reply(problem=INTERNAL_SERVER_ERROR, outcome=outcome._replace(error=str(error)))

    async def run(self, route: Route, event: Mapping[str, Any], *, request_id: str, trace_id: str) -> Outcome | None:
        """Run one event and return what became of it, `None` if that takes longer than the route waits."""
        invocation = Invocation(event, request_id, trace_id)
        task = asyncio.create_task(self._pool_of(route).invoke(invocation, queue_timeout=route.timeout))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        done, _ = await asyncio.wait({task}, timeout=route.timeout)
        return task.result() if done else None

    async def close(self) -> None:
        """Stop waiting for what still runs."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def read_proxy_result(result: Any) -> Reply:
    """Read the reply in a handler's `{"statusCode": …, "headers": …, "body": …}`.

    Raises:
        MalformedResultError: it is not of that form, or the body is larger than a message may be.
    """
    if not isinstance(result, dict):
        raise MalformedResultError(
            f"malformed result: the handler returned {_json_type(result)}; it takes an object with statusCode"
        )
    status, body, headers = result.get("statusCode"), result.get("body"), result.get("headers") or {}
    if isinstance(status, str) and status.isascii() and status.isdigit():
        status = int(status)
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        raise MalformedResultError(f"malformed result: statusCode is {status!r}; it takes a whole number, e.g. 200")
    if not isinstance(headers, dict):
        raise MalformedResultError(f"malformed result: headers is {_json_type(headers)}; it takes an object")
    if body is not None and not isinstance(body, str):
        raise MalformedResultError(f"malformed result: body is {_json_type(body)}; it takes a string")
    try:
        data = base64.b64decode(body or "") if result.get("isBase64Encoded") else (body or "").encode()
    except (binascii.Error, UnicodeEncodeError) as error:
        raise MalformedResultError(f"malformed result: body cannot be sent as text: {error}") from error
    if len(data) > MAX_MESSAGE:
        raise MalformedResultError(f"malformed result: body has {len(data)} bytes; a message has at most {MAX_MESSAGE}")
    return Reply(status, {str(name).lower(): str(value) for name, value in headers.items()}, data)


def _json_type(value: Any) -> str:
    names = {
        dict: "an object",
        list: "an array",
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), "something else")
