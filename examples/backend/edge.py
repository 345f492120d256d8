"""Checks what comes from outside before anything else sees it: the size of a body, texts, and how a refusal is said."""

import unicodedata
from typing import Annotated

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broadcaster import BroadcasterError, InvalidArgumentError

MAX_BODY = 64 * 1024  # bytes; the largest honest body registers a connection for 100 channels, in 21 KB
MAX_REASON = 500  # characters
UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # Unicode's categories: control characters, half an emoji, line separators


def check_printable(text: str) -> str:
    for character in text:
        if unicodedata.category(character) in UNPRINTABLE:
            raise ValueError(f"{character!r} cannot be shown; give text on one line")
    return text


Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(check_printable)]


class BodyLimit:
    """Reads no more than `MAX_BODY` of a request, whatever its Content-Length says; answers 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0

        async def receive_part() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY:
                # What is still on its way belongs to this request: the connection cannot carry another one.
                raise HTTPException(413, f"the body has more than {MAX_BODY} bytes", {"Connection": "close"})
            return message

        await self._app(scope, receive_part, send)


def refuse(status: int, reason: str) -> JSONResponse:
    """Answer with a reason that can be sent whatever it quotes; FastAPI's own answer quotes the input as it came."""
    printable = reason.encode("utf-8", "backslashreplace").decode()
    return JSONResponse({"detail": printable[:MAX_REASON]}, status)


def say_what_is_wrong(_: Request, error: RequestValidationError) -> JSONResponse:
    reasons = (": ".join([".".join(map(str, each["loc"][1:])), each["msg"]]) for each in error.errors()[:3])
    return refuse(422, "; ".join(reasons))


def say_which_argument_is_wrong(_: Request, error: InvalidArgumentError) -> JSONResponse:
    """Answer 422, which tells the client library not to repeat it, e.g. a connection id that API Gateway never made."""
    return refuse(422, str(error))


def say_what_to_check(_: Request, error: BroadcasterError) -> JSONResponse:
    """Answer 503 with the reason, e.g. that the gateway cannot be reached."""
    return refuse(503, str(error))


def install(app: FastAPI) -> None:
    app.add_middleware(BodyLimit)
    app.exception_handler(RequestValidationError)(say_what_is_wrong)
    app.exception_handler(InvalidArgumentError)(say_which_argument_is_wrong)
    app.exception_handler(BroadcasterError)(say_what_to_check)
