"""Two things make a backend push events: it takes in the connection ids of its users' browsers, and it publishes."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import uuid4

from fastapi import FastAPI
from pydantic import BaseModel, Field

from broadcaster import (
    BroadcastResult,
    authorize_subscription,
    broadcast_admin_event,
    close_broadcaster,
    init_broadcaster,
    read_history,
    register_connection,
    unregister_connection,
)

from . import dashboard, edge, login, registrations, runs, traffic


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    init_broadcaster(
        api_id=os.environ["WEBSOCKET_API_ID"],
        region=os.environ["AWS_REGION"],
        stage=os.environ.get("WEBSOCKET_STAGE", "production"),
        window={"logs": 1.0, "*": 0.1},  # a second of the log shares a message; status comes at once
        history={"admin": 200, "logs": 5_000},  # events of some 25 runs: of those under way, all
    )
    with traffic.running():
        yield
    close_broadcaster()


# Without the generated pages of documentation, which load scripts from another host.
app = FastAPI(title="Example backend", lifespan=lifespan, docs_url=None, redoc_url=None)
login.install(app)
edge.install(app)  # a malformed connection id or channel is answered with 422, by a handler for all endpoints


class Registration(BaseModel):
    connection_id: str
    channels: list[str] | None = None  # everything


class Subscription(BaseModel):
    connection_id: str
    channel: str


class Reading(BaseModel):
    channel: str
    since: dict[str, str | int] | None = None
    rewind: int | str | None = None


class Readings(BaseModel):
    channels: Annotated[list[Reading], Field(max_length=10)]


class Run(BaseModel):
    run_name: edge.Name


@app.post("/websocket/register", status_code=204)
def register(registration: Registration, user: login.SignedIn) -> None:
    """Take in a browser's connection id. The login in front is the lock: who is registered receives the events."""
    register_connection(registration.connection_id, channels=registration.channels)
    for former in registrations.note(user, registration.connection_id):
        unregister_connection(former)


@app.post("/websocket/auth")
def authorize(subscription: Subscription, _: login.SignedIn) -> dict[str, str]:
    """Let a browser subscribe where the gateway registers connections; here everybody who is signed in may."""
    return {"auth": authorize_subscription(subscription.connection_id, subscription.channel)}


@app.post("/websocket/history")
def history(asked: Reading | Readings, _: login.SignedIn) -> dict[str, Any]:
    """Return what was sent on one channel or on several; here everybody who is signed in may read it."""
    if isinstance(asked, Readings):
        return {"channels": [read_history(**dict(reading)) for reading in asked.channels]}
    return read_history(**dict(asked))


@app.post("/runs")
def start_run(run: Run, _: login.SignedIn) -> BroadcastResult:
    """Start a run, which here only tells everybody that it has started."""
    event = {"type": "run_started", "thread_id": uuid4().hex[:6], "run_name": run.run_name}
    runs.change(event)
    return broadcast_admin_event(event)


app.include_router(runs.router)
app.include_router(traffic.router)
dashboard.install(app)  # last, because it also serves whatever path nobody else does
