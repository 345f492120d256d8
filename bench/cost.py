"""What API Gateway bills for a team's load, each event posted and with `publish`: 1,000 runs a day of some 210 events.

The runs of the example's workflow begin at random over eight hours, on a clock that is turned up; the windows are on
the same clock. What decides which events share a message is the library's own (`publishing.backlog`). Public prices of
us-east-1, September 2026: $1.00 for a million messages of up to 32 KB, $0.25 for a million minutes of connection.
https://aws.amazon.com/api-gateway/pricing/
"""

import argparse
import random
import sys
from collections.abc import Iterator
from itertools import pairwise
from math import ceil, inf
from typing import NamedTuple

from broadcaster.messages import MessageEncoder, envelope
from broadcaster.publishing.backlog import BILLED_BYTES, Backlog
from broadcaster.publishing.courier import UNWATCHED_SECONDS
from broadcaster.publishing.ledger import Ledger
from broadcaster.publishing.settings import check_publishing
from examples.backend.workflow import play

from .rows import Row, show

RUNS_A_DAY = 1_000
HOURS = 8
DAYS = 30
MESSAGE_PRICE = 1.00 / 1e6
MINUTE_PRICE = 0.25 / 1e6
VIEWERS = (1, 5, 50)
REJECTED_EVENTS = 3  # of a run that is over before it has begun
ROW_BYTES = 172  # of a row of the history beside its message: keys, attributes and their names

Windows = float | dict[str, float]
# How it is called in the table, and the setting `window`; None posts each event.
WAYS: tuple[tuple[str, Windows | None], ...] = (
    ("each event posted", None),
    ("window 0.1", 0.1),
    ("logs 1, others 0.1", {"logs": 1.0, "*": 0.1}),
    ("logs 2, others 0.1", {"logs": 2.0, "*": 0.1}),
)


class Published(NamedTuple):
    """One event of the load: when, on which channel, and its members as JSON."""

    at: float
    channel: str
    body: bytes


class Sent(NamedTuple):
    """What became of a day's load."""

    events: int
    messages: int  # billed, for each viewer
    reads: int  # of the registry
    units: int = 0  # that DynamoDB bills for keeping them in a history


def load(runs: int, hours: float, seed: int) -> list[Published]:
    """Return the events of so many runs, begun at random within so many hours, in the order of their times."""
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    encoder = MessageEncoder()
    events = []
    for number in range(runs):
        now = chance.uniform(0, hours * 3_600)
        for event in play(f"{number:06x}", None, chance):
            now += event.after
            events.append(Published(now, event.channel, encoder.event(event.name, event.data)))
    return sorted(events)


def burst(runs: int, seed: int) -> tuple[list[Published], list[Published]]:
    """Return the events of so many runs that begin together: while all of them go on, and until the last has ended."""
    each = [load(1, 0, seed + number) for number in range(runs)]
    first_end = min(events[-1].at for events in each if len(events) > REJECTED_EVENTS)
    all_events = sorted(event for events in each for event in events)
    return [event for event in all_events if event.at <= first_end], all_events


def send(events: list[Published], window: Windows, *, is_watched: bool = True) -> Sent:
    """Publish the events on their own clock; return what goes out to each viewer."""
    windows = check_publishing(window=window).window
    backlog = Backlog(windows, Ledger(), most_events=10_000, most_bytes=2**25, max_age=inf)
    messages = reads = units = 0
    unwatched: dict[str, float] = {}
    for event, following in pairwise([*events, Published(inf, "", b"")]):
        backlog.add(event.channel, event.body, None, event.at)
        now = event.at
        while (now := max(now, backlog.next_due())) < following.at:
            for channel in backlog.due(now):
                if unwatched.get(channel, -inf) <= now:
                    reads += 1
                    if not is_watched:
                        unwatched[channel] = now + UNWATCHED_SECONDS
                for body in _bodies(backlog, channel, now):
                    messages += ceil(len(body) / BILLED_BYTES) * is_watched
                    units += ceil((len(body) + ROW_BYTES) / 1024)
    return Sent(len(events), messages, reads, units)


def fewest(events: list[Published], delay: float) -> int:
    """Return the fewest messages in which all can go if nobody waits longer than `delay`, however they are shared."""
    ends: dict[str, float] = {}  # by channel: until when its last message can still wait
    count = 0
    for event in events:
        if event.at > ends.get(event.channel, -inf):
            ends[event.channel] = event.at + delay
            count += 1
    return count


def _bodies(backlog: Backlog, channel: str, now: float) -> Iterator[bytes]:
    while taken := backlog.take(channel, now):
        yield envelope(channel, [event.body for event in taken])


def month(messages: int, viewers: int) -> float:
    """Return the dollars of a month, of so many messages a day for each viewer."""
    return DAYS * viewers * (messages * MESSAGE_PRICE + HOURS * 60 * MINUTE_PRICE)


def main() -> int:
    """Print the month's bill, and what the promised figures are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS_A_DAY)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    day = load(options.runs, HOURS, options.seed)
    sent = {name: _each(day) if window is None else send(day, window) for name, window in WAYS}
    nobody = send(day, 0.1, is_watched=False)
    print(f"{options.runs:,} runs a day, {len(day) * DAYS / 1e6:.1f} million events a month; dollars a month\n")
    print(f"{'':22}{'events a message':>18}" + "".join(f"{f'{viewers} watching':>14}" for viewers in VIEWERS))
    for name, what in sent.items():
        prices = "".join(f"{month(what.messages, viewers):14.2f}" for viewers in VIEWERS)
        print(f"{name:22}{what.events / what.messages:18.1f}{prices}")
    print(f"{'nobody watches':22}{'':18}{month(nobody.messages, 0):14.2f}")
    under_way, to_the_end = burst(25, options.seed)
    at_once = send(under_way, 0.1)
    in_all = send(to_the_end, 0.1)
    fast = send([Published(event.at / 4, *event[1:]) for event in to_the_end], 0.1)
    rows = [
        Row("events a message, logs 1", sent[WAYS[2][0]].events / sent[WAYS[2][0]].messages, "", 5, 5, is_floor=True),
        Row("events a message, logs 2", sent[WAYS[3][0]].events / sent[WAYS[3][0]].messages, "", 8, 8, is_floor=True),
        Row("events a message, 25 runs at once", in_all.events / in_all.messages, "", 8, 20, is_floor=True),
        Row(
            "the same, of an engine four times as fast",
            fast.events / fast.messages,
            "",
            8,
            20,
            is_floor=True,
        ),
        Row("messages an event, nobody watches", nobody.messages / nobody.events, "", 0, 0),
        Row("reads of the registry an event, nobody watches", nobody.reads / nobody.events, "", 0.2, 0.2),
    ]
    show(rows)
    print(
        f"25 runs at once, while none of them has ended: {at_once.events / at_once.messages:.1f} events a message; "
        "until the last has ended, where nobody waits longer than 0.1 s, no way of sharing has more than "
        f"{in_all.events / fewest(to_the_end, 0.1):.1f}"
    )
    return int(any(row.verdict == "MISSED" for row in rows))


def _each(events: list[Published]) -> Sent:
    return Sent(len(events), len(events), len(events))


if __name__ == "__main__":
    sys.exit(main())
