"""Two things make a backend push events: it takes in the connection ids of its users' browsers, and it publishes."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from fastapi import FastAPI
from pydantic import BaseModel

from broadcaster import (
    BroadcastResult,
    authorize_subscription,
    broadcast_admin_event,
    close_broadcaster,
    init_broadcaster,
    register_connection,
    unregister_connection,
)

from . import dashboard, edge, history, login, registrations, traffic


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    init_broadcaster(
        api_id=os.environ["WEBSOCKET_API_ID"],
        region=os.environ["AWS_REGION"],
        stage=os.environ.get("WEBSOCKET_STAGE", "production"),
        window={"logs": 1.0, "*": 0.1},  # a second of the log shares a message; status comes at once
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


@app.post("/runs")
def start_run(run: Run, _: login.SignedIn) -> BroadcastResult:
    """Start a run, which here only tells everybody that it has started."""
    event = {"type": "run_started", "thread_id": uuid4().hex[:6], "run_name": run.run_name}
    history.record(event)
    return broadcast_admin_event(event)


app.include_router(history.router)
app.include_router(traffic.router)
dashboard.install(app)  # last, because it also serves whatever path nobody else does
