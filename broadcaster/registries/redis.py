"""The registry of a backend of several processes or machines: a Redis server, a cluster, or what speaks like one.

Needs redis-py (`pip install "redis>=6.4"`) and Redis 5 or newer, Valkey included. How the entries lie in
the server is told in `redis_keys`. Round trips and commands of each operation:

| operation | round trips | commands |
|---|---|---|
| `add` | 2 | one script for the connection; then one for each channel, and one for the number of connections |
| `remove` | 3 for each 1,000 ids | one for each id; two for each channel that has some of them; one for each id again |
| `pages` | 1; of more than 1,000 ids 3, and 1 more for each further 1,000 | as many scripts |
| `count` | 1 | 1 |
"""

import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ..channels import MAX_CHANNELS, too_many_channels
from ..errors import ConfigurationError, RegistryError
from ..forks import importing
from . import ENTRY_LIFETIME, PAGE_SIZE, redis_keys
from .deployments.unscoped import Unscoped
from .lists.entries import Entry, merge
from .lists.merged import each_once
from .lists.rotation import next_place, pages_from
from .redis_keys import EVERYTHING, Keys, Script
from .redis_url import RedisTarget, parse_redis_url

if TYPE_CHECKING:
    from redis import Redis
    from redis.cluster import RedisCluster

    Client: TypeAlias = Redis | RedisCluster

DEFAULT_PREFIX = "broadcaster"

CONNECT_TIMEOUT = 1.0  # seconds
SOCKET_TIMEOUT = 2.0  # seconds for one answer
# Attempts after the first where the connection was refused or lost, or the server is still loading; about 1.5 seconds
# altogether, so that a quick restart goes unnoticed. One that does not answer at all is not asked again.
RETRIES = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 0.8  # seconds, at most; random below that

_BATCH = 1_000  # connection ids
# How bytes that are no UTF-8 are read: others have written them, and they must not end what concerns everybody.
_NO_UTF_8 = "surrogateescape"
_PAGE = Script(redis_keys.PAGE)


class RedisRegistry:
    """Keeps connections in Redis, where every process and machine that uses the same server and prefix sees them.

    A server that cannot be reached is tried for a few seconds by every call, so nothing has to be restarted when it is
    back. What a restart without persistence forgets is registered again as the browsers register again. The clocks of
    the machines that share a registry should agree within a minute.

    Args:
        server: a URL, `redis://[user:password@]host[:port][/db][?options]`, or another of those in `redis_url`;
            connected to at the first use. Or a `redis.Redis` or `redis.cluster.RedisCluster`, which is
            never closed here and keeps its own timeouts and retries.
        prefix: what all keys start with; wins over the URL's.
        scope: keeps the connections of one deployment apart from those of others under the same prefix; wins over the
            URL's. Without it, the broadcaster that the registry is given to says which: its API and stage. Lists
            without a scope, as they were before, are still read and removed from for 2 hours and 10 minutes.
        max_channels: how many channels one connection may add up to; without it, the broadcaster's setting.
        clock: seconds since the epoch; for tests.

    Raises:
        ConfigurationError: the URL or the prefix is malformed, or redis-py is not installed.
    """

    def __init__(
        self,
        server: "str | Client",
        *,
        prefix: str | None = None,
        scope: str | None = None,
        max_channels: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._errors, self._unknown_script = _errors()
        target = parse_redis_url(server) if isinstance(server, str) else None
        self._owned = target is not None
        self._open = partial(_connect, target) if target else partial(_same, server)
        self._is_tls = target and target.is_tls  # None of a client that was passed in
        self._clients: dict[str, Client] = {}
        self._prefix = prefix or (target and target.prefix) or DEFAULT_PREFIX
        self._unscoped_keys = self._keys = Keys(self._prefix)
        self._unscoped = Unscoped(clock())
        self._default_scope: str | None = None
        self._max_channels = max_channels
        scope = scope or (target and target.scope) or None
        self._has_own_scope = scope is not None
        if scope is not None:
            self._keys = Keys(self._prefix, scope)
        self._name = str(target or type(server).__name__)
        self._clock = clock

    def __repr__(self) -> str:
        return f"RedisRegistry({self._name!r})"

    def take_defaults(self, *, scope: str, max_channels: int) -> None:
        """Adopt the scope and the bound on channels where none was given.

        Raises:
            ConfigurationError: a broadcaster of another API or stage has this registry already.
        """
        if self._max_channels is None:
            self._max_channels = max_channels
        if self._has_own_scope:
            return
        if self._default_scope not in (None, scope):
            raise ConfigurationError(
                f"{self!r} keeps the connections of {self._default_scope} already, and is now given to a broadcaster "
                f"of {scope}; make a registry for each, or give it a scope= if the two are to share one list"
            )
        self._default_scope = scope
        self._keys = Keys(self._prefix, scope)

    def add(
        self, connection_id: str, channels: Collection[str] | None = None, *, lifetime: float = ENTRY_LIFETIME
    ) -> None:
        """Record that a connection listens to `channels`, or to everything when that is None; none at all is no change.

        Two round trips. How to remove the connection is written first, so nothing is left that could not be removed.

        Raises:
            InvalidArgumentError: the connection would listen to more channels than one may. Nothing was recorded.
        """
        names = [EVERYTHING] if channels is None else list(dict.fromkeys(channels))
        if not names:
            return
        now = self._clock()
        time_to_live = redis_keys.time_to_live(lifetime)
        entry = (time_to_live, now, now + lifetime, connection_id)
        what = f"register connection {connection_id!r}"
        most = 0 if channels is None else MAX_CHANNELS if self._max_channels is None else self._max_channels
        arguments = (time_to_live, most, *names)
        [count] = self._run(what, [_script(redis_keys.REMEMBER, [self._keys.connection(connection_id)], *arguments)])
        if count:
            raise too_many_channels(connection_id, int(count), most)
        commands = [
            _script(redis_keys.JOIN, self._keys.channel(name), *entry, redis_keys.PURGE_PER_ADD) for name in names
        ]
        commands.append(_script(redis_keys.COUNT_IN, [self._keys.connections], *entry))
        self._run(what, commands)

    def remove(self, connection_ids: Collection[str]) -> None:
        """Forget these connections with all their channels; unknown ones are ignored.

        Three round trips for each 1,000 of them.
        """
        ids = list(connection_ids)
        for keys in self._layouts():
            for start in range(0, len(ids), _BATCH):
                self._remove(keys, ids[start : start + _BATCH])

    def pages(self, channel: str) -> Iterator[list[str]]:
        """Yield who listens to `channel` or to everything, each once, in lists of at most 1,000.

        Holds a few pages in memory however many there are. Up to 1,000 are one round trip.
        """
        lists = [keys.channel(name) for keys in self._layouts() for name in (channel, EVERYTHING)]
        yield from pages_from(next_place(), partial(self._read, lists), partial(self._find, lists))

    def count(self) -> int:
        """Return the number of connections that have not expired, without those in lists that have no scope."""
        [number] = self._run(
            "count the connections", [("ZCOUNT", self._keys.connections, f"({self._clock()!r}", "+inf")]
        )
        return int(number)

    def entries(self) -> list[Entry]:
        """Return every connection that has not expired with its channels, those first that registered longest ago.

        For people to look at: reads everything, in two round trips for each 1,000. What is in lists that have no scope
        is left out.
        """
        found: list[tuple[str, str, float]] = []
        now, what, start = f"({self._clock()!r}", "list the connections", 0
        while True:
            command = _script(redis_keys.ALL, [self._keys.connections], now, start, _BATCH)
            [flat] = self._run(what, [command])
            ids = [_text(each) for each in flat[::2]]
            channels = self._run(what, [("SMEMBERS", self._keys.connection(each)) for each in ids])
            for connection_id, names, expires in zip(ids, channels, flat[1::2], strict=True):
                found += ((connection_id, _text(name), float(expires)) for name in names)
            start += len(ids)
            if len(ids) < _BATCH:
                return merge(found)

    @property
    def keys(self) -> Keys:
        """The names of the keys, those of the scope if there is one."""
        return self._keys

    def call(self, what: str, script: Script, keys: list[str], *arguments: Any) -> list[Any]:
        """Run a script whose keys are on one node, in one round trip, and return its answer.

        One command, not a pipeline of one, which costs redis-py more; this is done for every event.

        Raises:
            RegistryError: the server cannot be reached, or the script failed.
        """
        rest = (len(keys), *keys, *arguments)
        try:
            run: Callable[..., list[Any]] = self._connected().execute_command
            try:
                return run("EVALSHA", script.digest, *rest)
            except self._unknown_script:
                return run("EVAL", script.text, *rest)
        except self._errors as error:
            raise self._failed(what, error) from error

    def close(self) -> None:
        """Close the connections to the server, unless the client was passed in; the next use opens them again."""
        client = self._clients.pop("client", None)
        if client is not None and self._owned:
            client.close()

    def _layouts(self) -> list[Keys]:
        """Return the keys of this scope, and those without one while connections may be found under them."""
        unscoped = self._unscoped
        if self._keys is self._unscoped_keys:
            return [self._keys]
        now = self._clock()
        if unscoped.is_to_be_looked_for(now):
            [found] = self._run("list the connections", [("EXISTS", self._unscoped_keys.connections)])
            unscoped.found(bool(found), now)
        return [self._keys, self._unscoped_keys] if unscoped.are_read(now) else [self._keys]

    def _remove(self, keys: Keys, ids: list[str]) -> None:
        what = f"remove {len(ids)} connections"
        found = self._run(what, [("SMEMBERS", keys.connection(connection_id)) for connection_id in ids])
        channels = [[_text(name) for name in names] for names in found]
        members: dict[str, list[str]] = {}
        for connection_id, names in zip(ids, channels, strict=True):
            for name in names:
                members.setdefault(name, []).append(connection_id)
        commands: list[tuple[Any, ...]] = [
            ("ZREM", key, *gone) for name, gone in members.items() for key in keys.channel(name)
        ]
        self._run(what, [*commands, ("ZREM", keys.connections, *ids)])
        # Last, and only the channels that were seen: of one that is registered meanwhile, the way to remove it stays.
        self._run(
            what,
            [
                ("SREM", keys.connection(connection_id), *names)
                for connection_id, names in zip(ids, channels, strict=True)
                if names
            ],
        )

    def _read(self, lists: list[tuple[str, str]], after: str, until: str) -> Iterator[list[str]]:
        """Yield the sorted pages of all lists as one, beginning with the first page of each in one round trip."""
        first_pages = self._pages(lists, after, until)
        return each_once(*[self._rest(*each, until) for each in zip(lists, first_pages, strict=True)])

    def _rest(self, keys: tuple[str, str], page: list[str], until: str) -> Iterator[list[str]]:
        yield page
        while len(page) == PAGE_SIZE:
            [page] = self._pages([keys], page[-1], until)
            yield page

    def _pages(self, lists: list[tuple[str, str]], after: str, until: str) -> list[list[str]]:
        """Return a page of each list."""
        bounds = f"({after}" if after else "-", f"[{until}" if until else "+"
        while True:
            pages = self._ask_for_pages(lists, repr(self._clock()), *bounds)
            if None not in pages:
                return [_text(page).split("\n") if page else [] for page in pages]

    def _ask_for_pages(self, lists: list[tuple[str, str]], *arguments: str) -> list[Any]:
        what = "list the connections"
        if self._is_cluster():
            return [page for [page] in self._run(what, [_script(redis_keys.PAGE, keys, *arguments) for keys in lists])]
        return self.call(what, _PAGE, [key for keys in lists for key in keys], *arguments)

    def _find(self, lists: list[tuple[str, str]], place: float) -> str:
        """Return the id at this place of the longest list."""
        scripts = [_script(redis_keys.AT_PLACE, keys[:1], place) for keys in lists]
        sizes_and_ids = self._run("list the connections", scripts)
        return _text(max(sizes_and_ids, key=lambda answer: int(answer[0]))[1])

    def _run(self, what: str, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Send all commands at once and return their answers.

        Raises:
            RegistryError: the server cannot be reached, or refused one of them.
        """
        if not commands:
            return []
        try:
            with self._connected().pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return pipeline.execute()
        except self._errors as error:
            raise self._failed(what, error) from error

    def _failed(self, what: str, error: Exception) -> RegistryError:
        # What redis-py puts before this names the whole command.
        reason = str(error).rpartition("of pipeline caused error: ")[2].rstrip(".")
        if self._is_tls and "Timeout connecting" in reason:
            reason += "; a server without TLS never answers, and wants 'redis://' in place of 'rediss://'"
        elif self._is_tls is False and "reset by peer" in reason:
            reason += "; a server with TLS does this, and wants 'rediss://' in place of 'redis://'"
        return RegistryError(f"{self!r} could not {what}: {reason}")

    def _is_cluster(self) -> bool:
        return hasattr(self._connected(), "get_nodes")

    def _connected(self) -> "Client":
        client = self._clients.get("client")
        if client is None:
            # No lock, which a fork could leave locked: of clients that are made at once all but one go unused.
            client = self._clients.setdefault("client", self._open())
        return client


def _script(script: str, keys: Collection[str], *arguments: Any) -> tuple[Any, ...]:
    return "EVAL", script, len(keys), *keys, *arguments


def _same(client: Any) -> Any:
    return client


def _text(value: Any) -> str:
    return value if isinstance(value, str) else value.decode(errors=_NO_UTF_8)


def _errors() -> tuple[tuple[type[Exception], ...], type[Exception]]:
    """Return what redis-py raises when something goes wrong, and what when a script has to be sent first."""
    try:
        from redis.exceptions import NoScriptError, RedisClusterException, RedisError
    except ImportError as error:
        raise ConfigurationError(
            'a Redis registry needs redis-py, which is not installed; pip install "redis>=6.4"'
        ) from error
    return (RedisError, RedisClusterException, OSError), NoScriptError


def _connect(target: RedisTarget) -> "Client":
    """Return a client for the server. One for a cluster asks it for its nodes at once."""
    with importing:
        import encodings.idna  # noqa: F401 - else the first look-up of a name does

        import redis
        from redis.backoff import ExponentialWithJitterBackoff
        from redis.retry import Retry

    options: dict[str, Any] = {
        "decode_responses": True,
        "encoding_errors": _NO_UTF_8,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": SOCKET_TIMEOUT,
        "retry": Retry(
            ExponentialWithJitterBackoff(base=_FIRST_PAUSE, cap=_LONGEST_PAUSE),
            RETRIES,
            supported_errors=(redis.exceptions.ConnectionError,),
        ),
        **({"ssl": True} if target.is_tls else {}),
        **target.options,
    }
    if target.is_cluster:
        [(host, port)] = target.hosts
        del options["db"]
        return redis.cluster.RedisCluster(host=host, port=port, **options)
    # A server that has become a replica refuses writes until the address is looked up afresh.
    options["retry_on_error"] = [redis.exceptions.ReadOnlyError]
    if target.service:
        for_sentinels = {name: value for name, value in options.items() if name not in ("db", "username", "password")}
        sentinels = redis.Sentinel(  # type: ignore[no-untyped-call]
            target.hosts, sentinel_kwargs={**for_sentinels, **target.sentinel_options}
        )
        service: Client = sentinels.master_for(target.service, **options)  # type: ignore[no-untyped-call]
        return service
    if target.path is not None:
        return redis.Redis(unix_socket_path=target.path, **options)
    [(host, port)] = target.hosts
    return redis.Redis(host=host, port=port, **options)
