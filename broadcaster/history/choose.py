"""Which history to make: the one that lives beside the registry."""

from collections.abc import Mapping
from typing import Any

from ..channel_map import ChannelMap
from ..channels import check_channel
from ..errors import ConfigurationError, InvalidArgumentError
from ..registries import Registry
from ..registries.memory import MemoryRegistry
from . import HistoryStore, Position
from .endings import Endings
from .recovery import history_answer, parse_rewind, parse_since

MAX_KEEP = 100_000  # events of a channel
MAX_LIFETIME = 7 * 86_400  # seconds: it is a cache
DEFAULT_LIFETIME = 3_600  # seconds


class History:
    """The history of those channels that have one. Thread-safe; all methods may block.

    Args:
        keep: how many events each channel keeps, by name or prefix: `{"admin": 200, "run-*": 500}`.
        lifetime: seconds that a message is kept.
        registry: the messages are kept where its entries are.

    Raises:
        ConfigurationError: a setting is malformed, or there is no history beside this registry.
    """

    def __init__(self, keep: Mapping[str, int], lifetime: float, registry: Registry) -> None:
        if not isinstance(keep, Mapping):
            raise ConfigurationError(f"history is {keep!r:.40}; give events by channel: {{'admin': 200, 'run-*': 500}}")
        for name, number in keep.items():
            if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MAX_KEEP:
                raise ConfigurationError(
                    f"history[{name!r:.80}] is {number!r:.40}; give a number of events, 1 to {MAX_KEEP:,}"
                )
        is_number = isinstance(lifetime, int | float) and not isinstance(lifetime, bool)
        if not is_number or not 1 <= lifetime <= MAX_LIFETIME:
            raise ConfigurationError(f"history_ttl is {lifetime!r:.40}; give seconds, 1 to {MAX_LIFETIME:,}")
        self._keep = ChannelMap("history", keep)
        self._store = make_store(registry, lifetime)
        self._endings = Endings()

    def has(self, channel: str) -> bool:
        """Return whether the channel has a history.

        Raises:
            InvalidArgumentError: it is no channel name.
        """
        return self._keep.get(check_channel(channel)) is not None

    def append(self, channel: str, message: bytes, *, events: int = 1, token: str) -> Position | None:
        """Store a message and return its position; None where the channel has no history, which is ended then.

        Args:
            channel: its name.
            message: as it would be sent without history.
            events: how many events it holds.
            token: names this message alone, e.g. the id of its first event; for calling this again after an error.

        Raises:
            RegistryError: the store cannot be reached. The message may have been stored or not.
        """
        keep = self._keep.get(channel)
        if keep is None:
            self.end(channel)
            return None
        return self._store.append(channel, message, events=events, keep=keep, token=token)

    def end(self, channel: str) -> None:
        """End what a channel without history has of one from before: its messages are no longer numbered.

        Looks once a minute, because other processes may still number some, until all have the same settings.

        Raises:
            RegistryError: the store cannot be reached.
        """
        if self._endings.is_due(channel):
            self._store.end(channel)
            self._endings.note(channel)

    def read(self, channel: str, *, since: object = None, rewind: object = None, limit: int = 1_000) -> dict[str, Any]:
        """Return `{"epoch", "seq", "recovered", "messages", "more"}`; see `recovery.history_answer`.

        Of a channel without history `epoch` is None: a page asks for all of its channels at once, whichever have one.

        Args:
            channel: its name.
            since: a position as a client sends it: what has come after it?
            rewind: without `since`: so many of the newest events, or those of a time such as "5m".
            limit: messages, at most; where there are `more`, ask again with the `epoch` and `seq` of the answer.

        Raises:
            InvalidArgumentError: an argument is malformed.
            RegistryError: the store cannot be reached.
        """
        has_history = self.has(channel)
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise InvalidArgumentError(f"limit is {limit!r:.40}; give a number of messages from 1 on")
        position, back = parse_since(since), parse_rewind(rewind)
        if not has_history:
            return {"epoch": None, "seq": 0, "recovered": False, "messages": [], "more": False}
        found = self._store.read(channel, since=position, rewind=back, limit=min(limit, MAX_KEEP))
        return history_answer(position, found)

    def position(self, channel: str) -> Position:
        """Return the newest position of a channel, to put beside a snapshot of the state.

        Raises:
            InvalidArgumentError: the channel has no history.
            RegistryError: the store cannot be reached.
        """
        self._check(channel)
        return self._store.read(channel, since=None, rewind=None, limit=1).newest

    def _check(self, channel: str) -> None:
        if not self.has(channel):
            raise InvalidArgumentError(f"channel {channel!r:.80} has no history; name it in history={{…}}")


def make_store(registry: Registry, lifetime: float) -> HistoryStore:
    """Return the store that lives beside a registry.

    Raises:
        ConfigurationError: there is none.
    """
    if isinstance(registry, MemoryRegistry):
        from .memory import MemoryHistory

        return MemoryHistory(lifetime=lifetime)
    if type(registry).__module__.endswith("registries.redis"):  # asked so, because not everybody has redis-py
        from .redis import RedisHistory

        return RedisHistory(registry, lifetime=lifetime)  # type: ignore[arg-type]
    if type(registry).__module__.endswith("registries.dynamodb"):
        from .dynamodb import DynamoDBHistory

        return DynamoDBHistory(registry, lifetime=lifetime)  # type: ignore[arg-type]
    raise ConfigurationError(
        f"there is no history beside a {type(registry).__name__}; it needs registry='memory://', 'redis://…' or 'dynamodb://…'"
    )
