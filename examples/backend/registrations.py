"""Bounds the connections of one user. Without it, anybody with a login could register ids that he made up, thousands
of them, and every broadcast would post to each for two hours.

Kept in this process's memory, as far as an example goes; several workers count in what they share.
"""

import threading

MAX_CONNECTIONS = 20  # of one user: tabs, devices, and those that a reload has left behind

_lock = threading.Lock()
_connections: dict[str, dict[str, None]] = {}  # user -> connection ids, the one registered last at the end


def note(user: str, connection_id: str) -> list[str]:
    """Note that a user registered a connection; return those that are too many now, to be unregistered.

    They are the ones whose registration is the oldest: a page that is still open registers again and again.
    """
    with _lock:
        ids = _connections.setdefault(user, {})
        ids.pop(connection_id, None)
        ids[connection_id] = None
        excess = list(ids)[:-MAX_CONNECTIONS]
        for former in excess:
            del ids[former]
    return excess
