"""What viewers were sent, as a client shows it."""

import json
import time

FAST, SLOW, THIRD = "fast-viewer=", "slow-viewer=", "third-viewer="


def heard(server, connection_id):
    """The events that a connection was sent, in order, each once, as a client shows them."""
    return shown(server.bodies.get(connection_id, []))


def shown(bodies):
    """The events of these messages, in order, each once: channel, name and data."""
    events = {}
    for body in bodies:
        frame = json.loads(body)
        for event in frame.get("events") or [frame]:
            events.setdefault(event["id"], (frame["channel"], event["event"], event["data"]))
    return list(events.values())


def data_of(server, connection_id):
    """The data alone of what a connection was sent."""
    return [data for _, _, data in heard(server, connection_id)]


def wait_until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)
