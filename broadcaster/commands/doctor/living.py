"""Who is registered, and how many of a sample of them are still there."""

import random
from concurrent.futures import ThreadPoolExecutor

from ...endpoint import Endpoint
from ...errors import BroadcasterError
from ...registries.lists.entries import Entry
from ...sending.choose import make_sender
from ...sending.sender import Reply, Sender
from .finding import Finding, good, split_advice

SAMPLE = 20  # connections


def ask_sample(endpoint: Endpoint, entries: list[Entry]) -> Finding:
    """Return how many are registered, and how many of at most 20 of them API Gateway knows."""
    if not entries:
        return good("connections", "nobody is registered")
    sample = random.sample(entries, min(SAMPLE, len(entries)))
    sender: Sender = make_sender(endpoint)

    def ask(entry: Entry) -> Reply:
        return sender.request("GET", entry.connection_id)

    try:
        with ThreadPoolExecutor(len(sample)) as pool:
            statuses = [reply.status for reply in pool.map(ask, sample)]
    except BroadcasterError as error:
        return split_advice("connections", error)
    finally:
        sender.close()
    there = sum(status == 200 for status in statuses)
    unknown = sum(status not in (200, 400, 410) for status in statuses)
    text = f"{len(entries)} registered; of a sample of {len(sample)} still there: {there}"
    if unknown:
        text += f"; of {unknown} nothing was told"
    elif not there:
        text += "; they have left since, or the list is of another API or stage"
    return good("connections", text)
