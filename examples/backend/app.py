"""Two things make a backend push events: it takes in the connection ids of its users' browsers, and it broadcasts."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from broadcaster import (
    BroadcastResult,
    InvalidArgumentError,
    broadcast_admin_event,
    close_broadcaster,
    init_broadcaster,
    register_connection,
)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    init_broadcaster(
        api_id=os.environ["WEBSOCKET_API_ID"],
        region=os.environ["AWS_REGION"],
        stage=os.environ.get("WEBSOCKET_STAGE", "production"),
    )
    yield
    close_broadcaster()


app = FastAPI(title="Example backend", lifespan=lifespan)


class Registration(BaseModel):
    connection_id: str
    channels: list[str] | None = None  # everything


class Run(BaseModel):
    run_name: str


@app.post("/websocket/register", status_code=204)
def register(registration: Registration) -> None:
    """Take in a browser's connection id. Put your own login in front: who is registered receives your events."""
    try:
        register_connection(registration.connection_id, channels=registration.channels)
    except InvalidArgumentError as error:
        raise HTTPException(422, str(error)) from error


@app.post("/runs")
def start_run(run: Run) -> BroadcastResult:
    """Start a run, which here only tells everybody that it has started."""
    return broadcast_admin_event({"type": "run_started", "thread_id": uuid4().hex[:6], "run_name": run.run_name})
