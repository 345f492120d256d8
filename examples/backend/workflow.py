"""What one run of the simulated engine says, and when: pure, so that it can be looked at without waiting."""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import uuid4

LOG_LINES = (190, 260)  # a run
SECONDS = (14.0, 30.0)  # a step, at speed 1


class Event(NamedTuple):
    after: float  # seconds since the run's previous event
    channel: str
    name: str
    data: dict[str, Any]


class Step(NamedTuple):
    name: str
    kind: str
    is_inner: bool = False  # part of the step before


WORKFLOWS = {
    "Invoice intake": [Step("Read document", "tool"), Step("Extract fields", "llm"), Step("Check totals", "check")],
    "Support triage": [Step("Classify ticket", "llm"), Step("Find similar", "search"), Step("Draft reply", "llm")],
    "Contract review": [Step("Split clauses", "tool"), Step("Compare", "llm"), Step("Find precedents", "search", True)],
    "Weekly digest": [Step("Collect sources", "search"), Step("Summarize", "llm")],
    "Lead enrichment": [Step("Look up company", "tool"), Step("Score fit", "llm")],
    "Release notes": [Step("Read commits", "tool"), Step("Group changes", "llm"), Step("Write", "llm", True)],
}

LINES = {
    "debug": [
        "cache miss for prompt {hex}, {m} tokens",
        "retrieved {d} passages in {ms} ms, best score 0.{m}",
        "state saved, {d} keys",
        "token stream open, first token after {ms} ms",
        "tool schema validated: {d} arguments",
    ],
    "info": [
        "{step}: {n} of {total} items done",
        "{step}: model answered in {ms} ms, {m} tokens in, {d}{d} out",
        "{step}: wrote section {n}",
        "{step}: handed {d} records on",
        "{step}: confidence 0.{m}, going on",
    ],
    "warning": [
        "{step}: answer was no JSON, asking again (1 of 3)",
        "{step}: model slow, {ms} ms so far",
        "{step}: context at 9{d} %, dropping the oldest turns",
    ],
    "error": [
        "{step}: tool call failed: upstream answered 503, request {hex}",
        "{step}: the model refused, reason: content filter",
    ],
}
LEVELS = {"debug": 34, "info": 58, "warning": 6.5, "error": 1.5}  # weights


def play(thread_id: str, name: str | None, chance: random.Random) -> Iterator[Event]:
    """Yield the events of one run: 5 to 10 on `admin` and some 200 on `logs`, or 3 and none if it is rejected."""
    workflow = chance.choice(list(WORKFLOWS))
    steps = WORKFLOWS[workflow]

    def admin(type_: str, after: float = 0.0, **data: Any) -> Event:
        return Event(after, "admin", "admin_event", {"type": type_, "thread_id": thread_id, **data})

    yield admin("run_started", run_name=name or workflow, steps=len(steps))
    fate = chance.choices(["completed", "failed", "cancelled", "rejected"], [88, 6, 4, 2])[0]
    is_accepted = fate != "rejected"
    yield admin("ack", 0.15, ack_key=uuid4().hex[:8], status="accepted" if is_accepted else "refused")
    if not is_accepted:
        yield admin("run_rejected", 0.2, reason="the workspace is at its limit of parallel runs")
        return
    ending = chance.randrange(len(steps)) if fate in ("failed", "cancelled") else None
    lines = chance.randint(*LOG_LINES)
    outer: str | None = None
    for number, step in enumerate(steps):
        event_id = uuid4().hex[:8]
        parent = outer if step.is_inner else None
        outer = outer if step.is_inner else event_id
        about = {"event_id": event_id, "parent_event_id": parent, "node_kind": step.kind, "label": step.name}
        yield admin("workflow_ui_update", 0.3, phase="started", **about)
        share = lines // len(steps) + (number < lines % len(steps))
        pause = chance.uniform(*SECONDS) / share
        for done in range(share):
            yield log_line(thread_id, step, done, share, pause * chance.expovariate(1), chance)
        if number == ending and fate == "cancelled":
            yield admin("run_cancelled", 0.1, by="demo")
        elif number == ending:
            yield admin("workflow_ui_update", 0.1, phase="failed", **about)
        if number == ending:
            yield admin("status_updated", 0.1, status=fate)
            return
        yield admin("workflow_ui_update", 0.1, phase="finished", **about)
    if chance.random() < 0.04:
        yield admin("checkpoint_flush_error", 0.1, message="the checkpoint was not written; the result is complete")
    yield admin("status_updated", 0.1, status="completed")


def log_line(thread_id: str, step: Step, done: int, total: int, after: float, chance: random.Random) -> Event:
    level = chance.choices(list(LEVELS), list(LEVELS.values()))[0]
    text = chance.choice(LINES[level]).format(
        step=step.name,
        n=done + 1,
        total=total,
        m=chance.randint(100, 999),
        ms=chance.randint(80, 4000),
        d=chance.randint(2, 9),
        hex=f"{chance.getrandbits(24):06x}",
    )
    data = {"text": text, "thread_id": thread_id, "level": level}
    return Event(after, "logs", "log", data)
