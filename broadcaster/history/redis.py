"""The history of a backend of several processes or machines, in the Redis server of its registry.

One round trip for a message and one for a reading. `redis_keys` tells how the messages lie in the server, and why one
that was restarted never says that nothing is missing. A user of the server with few rights needs that to `INFO`.
"""

from ..registries.redis import RedisRegistry
from . import FORGOTTEN_AFTER
from .epochs import new_epoch
from .positions import Position, Rewind, Slice
from .redis_keys import APPEND, END, READ

_TOKENS_KEPT = 60  # seconds


class RedisHistory:
    """Keeps the messages of each channel in a stream. Implements `HistoryStore`.

    Args:
        registry: whose server, prefix and scope to use. It is not closed here.
        lifetime: seconds that a message is kept.
    """

    def __init__(self, registry: RedisRegistry, *, lifetime: float) -> None:
        self._registry = registry
        self._message_seconds = max(1, int(lifetime))
        self._key_seconds = self._message_seconds + FORGOTTEN_AFTER

    def append(self, channel: str, message: bytes, *, events: int, keep: int, token: str) -> Position:
        """See `HistoryStore.append`."""
        start = self._registry.keys.tagged(f"history:{channel}")
        keys = [f"{start}:messages", f"{start}:token:{token}"]
        seconds = self._message_seconds, self._key_seconds, _TOKENS_KEPT
        what = f"store a message of channel {channel!r}"
        epoch, seq = self._registry.call(what, APPEND, keys, new_epoch(), message, events, keep, *seconds)
        return Position(_text(epoch), int(seq))

    def end(self, channel: str) -> None:
        """See `HistoryStore.end`."""
        key = self._registry.keys.tagged(f"history:{channel}") + ":messages"
        self._registry.call(f"end the history of channel {channel!r}", END, [key])

    def read(self, channel: str, *, since: Position | None, rewind: Rewind | None, limit: int) -> Slice:
        """See `HistoryStore.read`."""
        asked: tuple[str, float, str] = "", 0, ""
        if since is not None:
            asked = "since", since.seq, since.epoch
        elif rewind is not None and rewind.events is not None:
            asked = "events", rewind.events, ""
        elif rewind is not None and rewind.seconds is not None:
            asked = "seconds", rewind.seconds, ""
        key = self._registry.keys.tagged(f"history:{channel}") + ":messages"
        what = f"read the history of channel {channel!r}"
        epoch, seq, numbers, messages = self._registry.call(
            what, READ, [key], new_epoch(), self._key_seconds, limit, *asked
        )
        texts = _text(messages)
        return Slice(
            Position(_text(epoch), int(seq)),
            [int(number) for number in _text(numbers).split()],
            texts.split("\n") if texts else [],
        )


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
