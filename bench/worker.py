"""The process of one sender: it reads what to send from its input, line by line, and tells what that cost."""

import importlib
import json
import resource
import sys
import time

from . import message
from .sink import pin


def main() -> None:
    """Serve until the end of the input. Arguments: the sender's module, the sink's address, the authority to trust."""
    name, url, authority = sys.argv[1:]
    pin(last=False)
    sender = importlib.import_module(f"bench.senders.{name}").Sender(url, authority)
    for line in sys.stdin:
        order = json.loads(line)
        body, ids = message.body(order["size"]), message.connection_ids(order["count"])
        cpu_before, wall_before = cpu(), time.perf_counter()
        sender.send(order["stage"], body, ids)
        cost = {"cpu": cpu() - cpu_before, "wall": time.perf_counter() - wall_before}
        print(json.dumps({**cost, "messages": len(ids)}), flush=True)
    sender.close()


def cpu() -> float:
    """Return the user and system time of this process and all its threads, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
