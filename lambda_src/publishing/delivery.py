"""Sending messages to whoever listens, with the library's engine, and removing whoever is gone."""

import time
from contextlib import suppress

from broadcaster.aws.environment import stage_endpoint
from broadcaster.aws.retries import AwsError
from broadcaster.cheap_typing import TYPE_CHECKING
from broadcaster.errors import BroadcasterError
from own_environment import required

from . import table
from .messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from broadcaster.aws.address import Endpoint
    from broadcaster.sending.engine.engine import Engine

    Append = Callable[..., list[Message]]

# Seconds that removing those who are gone may take, after all has been sent.
REMOVAL_SECONDS = 1.0

_kept: "tuple[Endpoint, Engine] | None" = None


class Counts:
    """How many connections were reached, how many were not, and how many are gone."""

    def __init__(self) -> None:
        self.sent = self.failed = self.stale = 0
        self.gone: dict[str, None] = {}

    def as_members(self) -> dict[str, int]:
        """Return them as the answer of the plain form has them."""
        return {"sent": self.sent, "failed": self.failed, "stale": self.stale}


def send(
    messages: list[Message],
    *,
    append: "Append | None" = None,
    claim: "Any" = None,
    deadline: float,
) -> Counts:
    """Send each message to whoever listens to its channel, one message after the other; return what became of it.

    Args:
        append: `history.append` where channels have a history: stores the messages and numbers them, before it is read
            who listens.
        claim: a job of `table.claim_of`, done before anything is stored or sent.
        deadline: a time of `time.monotonic()`.

    Raises:
        RepeatedError: the request was claimed before. Nothing was sent.
        AwsError: the table could not be read or written. Nothing was sent.
        BroadcasterError: API Gateway refuses everybody. Nothing was sent.
    """
    if append:
        # One after the other: whoever subscribes in between finds in the history what is not posted to them.
        if claim:
            table.run([claim], deadline=deadline)
            claim = None
        messages = append(messages, deadline=deadline)
    channels = list(dict.fromkeys(message.channel for message in messages))
    listeners = table.read_listeners(channels, claim=claim, deadline=deadline)
    counts = Counts()
    for message in messages:
        ids = [each for each in listeners[message.channel] if each != message.excluded and each not in counts.gone]
        if not ids:
            continue
        if time.monotonic() >= deadline:  # Lambda ends an invocation that goes on, and then nobody answers
            counts.failed += len(ids)
            continue
        try:
            result = _engine().broadcast(
                [ids],
                message.body,
                on_stale=lambda stale: counts.gone.update(dict.fromkeys(stale)),
                deadline=max(0.1, deadline - time.monotonic()),
            )
        except BroadcasterError:
            if not counts.sent:
                raise
            # Raised, it would have the caller repeat what others have received.
            counts.failed += len(ids)
            continue
        counts.sent += result.sent
        counts.failed += result.failed
        counts.stale += result.stale
    if counts.gone:
        _forget(list(counts.gone))
    return counts


def close() -> None:
    """Close the kept connections; the next call opens others."""
    global _kept
    if _kept:
        _kept[1].close()
    _kept = None


def _forget(connection_ids: list[str]) -> None:
    with suppress(AwsError):  # else the next message finds them gone again, and the rows expire
        table.forget(connection_ids, deadline=time.monotonic() + REMOVAL_SECONDS)


def _engine() -> "Engine":
    global _kept
    endpoint = stage_endpoint(required("WEBSOCKET_API_ID"), required("WEBSOCKET_STAGE"), required("AWS_REGION"))
    if not _kept or _kept[0] != endpoint:
        # Imported when somebody listens: it takes several times what a request costs that is refused.
        from broadcaster.sending.engine.engine import Engine
        from broadcaster.sending.sender import Settings

        close()
        _kept = endpoint, Engine(endpoint, Settings())
    return _kept[1]
