"""Serves the function URLs of a template, each on a port of its own, since callers expect to be at the host's root."""

import time
import uuid
from collections.abc import Callable, Mapping

from aiohttp import web

from ..connections.events import new_trace_id
from ..event_log import EventLog
from ..lambdas.integration import Integrations
from ..lambdas.process import Outcome
from ..limits import LAMBDA_MAX_REQUEST
from ..template.api import Function, Route, WebSocketApi
from .payload import HttpAnswer, HttpRequest, MalformedAnswerError, read_answer, request_event


class FunctionUrls:
    """The function URLs that the template has when the gateway starts.

    Args:
        api: gives the API as it is now; a function that has changed takes effect with the next request.
    """

    def __init__(self, api: Callable[[], WebSocketApi], integrations: Integrations, log: EventLog) -> None:
        self._api = api
        self._integrations = integrations
        self._log = log
        self._runners: list[web.ServerRunner] = []
        self.urls: Mapping[str, str] = {}  # by the logical id of the function URL

    async def start(self, host: str, port: int) -> None:
        """Listen: on `port` for the first of them, on the ports above it for the others; 0 stands for any free ones.

        Raises:
            OSError: a port is taken.
        """
        shown = f"[{host}]" if ":" in host else host
        urls = {}
        for number, url_id in enumerate(self._api().urls):
            runner = web.ServerRunner(self._server(url_id), shutdown_timeout=1.0)
            await runner.setup()
            self._runners.append(runner)
            await web.TCPSite(runner, host, port + number if port else 0).start()
            urls[url_id] = f"http://{shown}:{runner.addresses[0][1]}/"
        self.urls = urls

    async def stop(self) -> None:
        """Stop listening. May be called again."""
        for runner in self._runners:
            await runner.cleanup()

    def _server(self, url_id: str) -> web.Server:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            function = self._api().urls.get(url_id)
            answer = _refusal(403, "Forbidden") if function is None else await self._invoke(url_id, function, request)
            response = web.Response(status=answer.status, body=answer.body)
            for name, value in answer.headers:
                response.headers.add(name, value)
            return response

        return web.Server(handle, access_log=None, auto_decompress=False)

    async def _invoke(self, url_id: str, function: Function, request: web.BaseRequest) -> HttpAnswer:
        began = time.perf_counter()
        outcome: Outcome | None = None
        body = await _read(request)
        if body is None:
            answer = _refusal(413, "Request Entity Too Large")
        else:
            path, _, query = request.raw_path.partition("?")
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
            asked = HttpRequest(request.method, path, query, headers, body, request.remote or "")
            request_id, trace_id = str(uuid.uuid4()), new_trace_id()
            event = request_event(
                asked, url_id=url_id.lower(), host=request.host, request_id=request_id, trace_id=trace_id
            )
            route = Route("$default", function, timeout=function.timeout)
            outcome = await self._integrations.run(route, event, request_id=request_id, trace_id=trace_id)
            answer, outcome = _answer(outcome)
        self._log.event(
            request.method,
            url_id[:16],
            str(answer.status),
            seconds=time.perf_counter() - began,
            billed=0,
            outcome=outcome,
            is_error=answer.status >= 400,
        )
        return answer


def _answer(outcome: Outcome | None) -> tuple[HttpAnswer, Outcome | None]:
    """Make an answer of what became of the event, with what is to be logged of it."""
    if outcome is None or outcome.error is not None:
        return _refusal(502, "Internal Server Error"), outcome
    try:
        return read_answer(outcome.result), outcome
    except MalformedAnswerError as error:
        return _refusal(502, "Internal Server Error"), outcome._replace(error=f"malformed result: {error}")


def _refusal(status: int, message: str) -> HttpAnswer:
    return HttpAnswer(status, [("Content-Type", "application/json")], f'{{"Message":"{message}"}}'.encode())


async def _read(request: web.BaseRequest) -> bytes | None:
    """Return the body, `None` if it is larger than an invocation may be."""
    body = bytearray()
    async for part in request.content.iter_any():
        body += part
        if len(body) > LAMBDA_MAX_REQUEST:
            return None
    return bytes(body)
