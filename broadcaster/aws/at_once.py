"""Several exchanges at once in the calling thread, without a thread or an event loop for any of them.

An exchange is a generator that yields what it waits for: a socket with `READ` or `WRITE`, or no socket, and until when.
It is resumed when the socket is ready or the time of a wait without a socket is over; a socket that is not ready in
time raises TimeoutError in it.
"""

import select
from collections.abc import Generator, Iterable
from math import ceil

from ..cheap_typing import TYPE_CHECKING, Any
from .retries import Time

if TYPE_CHECKING:
    import socket
    from typing import TypeVar

    Got = TypeVar("Got")
    Wait = tuple[socket.socket | None, int, float]
    Exchange = Generator[Wait, None, Got]

READ, WRITE = 1, 4  # as POLLIN and POLLOUT; Windows has no poll


def run_at_once(exchanges: "Iterable[Exchange[Got]]", *, most: int, time: Time) -> "list[Got]":
    """Return the results in order. If one raises, the others end first, and then that is raised.

    Args:
        most: how many are under way at a time.
    """
    works = list(exchanges)
    results: list[Any] = [None] * len(works)
    errors: dict[int, Exception] = {}
    waits: dict[int, Wait] = {}
    begun = 0

    def resume(number: int, error: Exception | None = None) -> None:
        waits.pop(number, None)
        try:
            waits[number] = works[number].throw(error) if error else next(works[number])
        except StopIteration as end:
            results[number] = end.value
        except Exception as raised:
            errors[number] = raised

    try:
        while waits or begun < len(works):
            while begun < len(works) and len(waits) < most:
                begun += 1
                resume(begun - 1)
            for number, error in _ended(waits, time) if waits else ():
                resume(number, error)
    finally:
        for work in works:  # after an interruption from the keyboard, for instance
            work.close()
    if errors:
        raise errors[min(errors)]
    return results


def is_readable(connected: "socket.socket") -> bool:
    """Tell whether something, or the end, has arrived at a socket."""
    if hasattr(select, "poll"):
        poll = select.poll()  # not kept: gevent's sees nothing in another thread than the one that made it
        poll.register(connected, READ)
        return bool(poll.poll(0))
    return bool(select.select([connected], [], [], 0)[0])


def _ended(waits: "dict[int, Wait]", time: Time) -> list[tuple[int, Exception | None]]:
    """Wait for whichever wait ends first; return those that have ended, each with what to raise."""
    first = min([until for _, _, until in waits.values()])
    seconds = max(0.0, first - time.clock())
    sockets = [(number, connected, events) for number, (connected, events, _) in waits.items() if connected]
    if sockets:
        ready = _ready(sockets, seconds)
    else:
        ready = set()
        time.sleep(seconds)
    if len(ready) == len(waits):
        return [(number, None) for number in ready]
    # The clock after the sockets: what arrived while this process was stopped has arrived in time.
    now = time.clock()
    ended: list[tuple[int, Exception | None]] = []
    for number, (connected, _, until) in waits.items():
        if number in ready:
            ended.append((number, None))
        elif until <= now:
            ended.append((number, TimeoutError("timed out") if connected else None))
    return ended


def _ready(sockets: "list[tuple[int, socket.socket, int]]", seconds: float) -> set[int]:
    """Return the numbers of the sockets that are ready, or become so in time."""
    numbers = {connected.fileno(): number for number, connected, _ in sockets}
    if hasattr(select, "poll"):
        poll = select.poll()
        for descriptor, (_, _, events) in zip(numbers, sockets, strict=True):
            poll.register(descriptor, events)
        return {numbers[descriptor] for descriptor, _ in poll.poll(ceil(seconds * 1000))}
    reads, writes = ([each for _, each, events in sockets if events == side] for side in (READ, WRITE))
    # Windows reports a connection that was refused among the exceptional.
    return {numbers[each.fileno()] for side in select.select(reads, writes, writes, seconds) for each in side}
