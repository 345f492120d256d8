"""Two things make a backend push events: it takes in the connection ids of its users' browsers, and it broadcasts."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from broadcaster import (
    BroadcasterError,
    BroadcastResult,
    InvalidArgumentError,
    authorize_subscription,
    broadcast_admin_event,
    close_broadcaster,
    init_broadcaster,
    register_connection,
)

from . import dashboard, history, login, traffic


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    init_broadcaster(
        api_id=os.environ["WEBSOCKET_API_ID"],
        region=os.environ["AWS_REGION"],
        stage=os.environ.get("WEBSOCKET_STAGE", "production"),
    )
    with traffic.running():
        yield
    close_broadcaster()


# Without the generated pages of documentation, which load scripts from another host.
app = FastAPI(title="Example backend", lifespan=lifespan, docs_url=None, redoc_url=None)
login.install(app)


@app.exception_handler(BroadcasterError)
def say_what_to_check(_: Request, error: BroadcasterError) -> JSONResponse:
    """Answer 503 with the reason, e.g. that the gateway cannot be reached."""
    return JSONResponse({"detail": str(error)}, 503)


class Registration(BaseModel):
    connection_id: str
    channels: list[str] | None = None  # everything


class Subscription(BaseModel):
    connection_id: str
    channel: str


class Run(BaseModel):
    run_name: str


@app.post("/websocket/register", status_code=204)
def register(registration: Registration, _: login.SignedIn) -> None:
    """Take in a browser's connection id. The login in front is the lock: who is registered receives the events."""
    try:
        register_connection(registration.connection_id, channels=registration.channels)
    except InvalidArgumentError as error:
        raise HTTPException(422, str(error)) from error


@app.post("/websocket/auth")
def authorize(subscription: Subscription, _: login.SignedIn) -> dict[str, str]:
    """Let a browser subscribe where the gateway registers connections; here everybody who is signed in may."""
    try:
        return {"auth": authorize_subscription(subscription.connection_id, subscription.channel)}
    except InvalidArgumentError as error:
        raise HTTPException(422, str(error)) from error


@app.post("/runs")
def start_run(run: Run, _: login.SignedIn) -> BroadcastResult:
    """Start a run, which here only tells everybody that it has started."""
    event = {"type": "run_started", "thread_id": uuid4().hex[:6], "run_name": run.run_name}
    history.record(event)
    return broadcast_admin_event(event)


app.include_router(history.router)
app.include_router(traffic.router)
dashboard.install(app)  # last, because it also serves whatever path nobody else does
