"""The simulated workflow engine's switch: how fast runs are made, from the page, from curl or from the command line."""

import contextlib
import os
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from broadcaster import publish

from . import edge, runs
from .login import SignedIn
from .simulation import MAX_SPEED, Simulation, TooManyRuns

SPEED = "SIMULATION_SPEED"


def report(channel: str, event: str, data: dict[str, Any]) -> None:
    if channel == "admin":
        runs.change(data)
    publish(channel, event, data)  # the work goes on whether anybody hears of it or not


engine = Simulation(report)
router = APIRouter()


class Traffic(BaseModel):
    speed: Annotated[float, Field(ge=0, le=MAX_SPEED, allow_inf_nan=False)]  # 0 is off, 1 about six runs a minute


class SimulatedRun(BaseModel):
    run_name: edge.Name | None = None


@contextlib.contextmanager
def running() -> Iterator[None]:
    """Have the engine at work, from the start only at the speed that the environment asks for."""
    engine.start()
    engine.speed = Traffic(speed=float(os.environ.get(SPEED) or 0)).speed
    try:
        yield
    finally:
        engine.stop()


@router.get("/simulation")
def traffic(_: SignedIn) -> Traffic:
    return Traffic(speed=engine.speed)


@router.put("/simulation")
def set_traffic(wanted: Traffic, _: SignedIn) -> Traffic:
    """Turn the speed; at 0 no further run begins, and those under way end."""
    engine.speed = wanted.speed
    return Traffic(speed=engine.speed)


@router.post("/simulation/runs", status_code=202)
def simulate_run(run: SimulatedRun, _: SignedIn) -> dict[str, str]:
    """Begin one run now."""
    try:
        return {"thread_id": engine.begin_run(run.run_name)}
    except TooManyRuns as error:
        raise HTTPException(429, str(error)) from error
