"""What was sent on a channel: a cache that proves what it says. The protocol of its stores.

| store | beside | module |
|---|---|---|
| `MemoryHistory` | the memory registry | `memory` |
| `RedisHistory` | the Redis registry | `redis` |
| `DynamoDBHistory` | the DynamoDB registry | `dynamodb` |

A message gets its number from the store in the step that stores it. Numbers count 1, 2, 3 … within an epoch, without a
hole. A store that has forgotten where it was in an epoch, or may have, begins a new one, in which nobody can have a
position yet. So whoever has (epoch, n) and gets the messages n+1 to m of the same epoch has missed nothing: see
`recovery`.

A store forgets the oldest messages when there are more than the channel keeps, and all of them some time after the
last.
"""

from ..cheap_typing import Protocol
from .lifetimes import FORGOTTEN_AFTER
from .positions import Position, Rewind, Slice

__all__ = ["FORGOTTEN_AFTER", "HistoryStore", "Position", "Rewind", "Slice"]


class HistoryStore(Protocol):
    """Numbers messages, keeps the newest of each channel, and gives them back. Safe to call from any thread.

    All methods raise `RegistryError` when the place where the messages live cannot be reached.
    """

    def append(self, channel: str, message: bytes, *, events: int, keep: int, token: str) -> Position:
        """Store a message and return its epoch and number, in one atomic step.

        When this raises, the message may have been stored or not. Calling it again with the same token within a minute
        is safe: it returns the number that the message has.

        Args:
            channel: its name.
            message: as JSON, without epoch and number, and without a line break.
            events: how many events the message holds.
            keep: how many events the channel keeps; older messages than hold the newest of these may be forgotten.
            token: names this message alone.
        """

    def end(self, channel: str) -> None:
        """End the epoch of a channel, on which a message without a number is to be sent."""

    def read(self, channel: str, *, since: Position | None, rewind: Rewind | None, limit: int) -> Slice:
        """Return the newest position of a channel, and the messages that follow upon another, in one atomic step.

        Begins an epoch where there is none, so that everybody can have a position before the first message.

        Args:
            channel: its name.
            since: return the messages after it: all that are left, and none if it is of another epoch.
            rewind: without `since`, return the newest messages. Without both, return none.
            limit: messages, of which the oldest are returned first.
        """
