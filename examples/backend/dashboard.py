"""Serves the dashboard: its files, the client's, and where to connect to."""

import mimetypes
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles

from .login import user_of

ROOT = Path(__file__).parents[2]
INSTANCE = secrets.token_hex(4)  # of this process: another one has an empty list of connections and knows no runs

# Windows takes the type from its registry, where an editor may have left one that browsers refuse for modules.
mimetypes.add_type("text/javascript", ".js")


def websocket_url() -> str:
    """Where browsers connect: `WEBSOCKET_URL`, or what AWS calls an API by default."""
    default = "wss://{WEBSOCKET_API_ID}.execute-api.{AWS_REGION}.amazonaws.com/{WEBSOCKET_STAGE}"
    return os.environ.get("WEBSOCKET_URL") or default.format_map({"WEBSOCKET_STAGE": "production", **os.environ})


def config(request: Request) -> dict[str, Any]:
    """Tell the page where to connect and how, who is signed in, whether this process is new to it, and the time.

    The page asks again and again: to know that the backend is there, and to measure latency by its clock.
    """
    # There is a secret to sign with where the gateway registers connections by itself.
    is_signed = bool(os.environ.get("BROADCASTER_SECRET"))
    joining = {"auth": "/websocket/auth"} if is_signed else {"register": "/websocket/register"}
    return {
        "websocket_url": websocket_url(),
        "options": {"history": "/websocket/history", **joining},
        "user": user_of(request),
        "instance": INSTANCE,
        "time": time.time(),
    }


async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Let the page talk to nobody but this backend and the gateway, and be up to date."""
    response = await call_next(request)
    gateway = urlsplit(websocket_url())
    response.headers["Content-Security-Policy"] = (
        f"default-src 'self'; connect-src 'self' {gateway.scheme}://{gateway.netloc}; img-src 'self' data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-cache")
    return response


def install(app: FastAPI) -> None:
    app.middleware("http")(add_headers)
    app.add_api_route("/config.json", config)
    app.mount("/client", StaticFiles(directory=ROOT / "client" / "src"))
    app.mount("/", StaticFiles(directory=ROOT / "examples" / "dashboard", html=True))
