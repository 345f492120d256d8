"""Where the Redis registry keeps what: the names of its keys and the scripts that change them, without I/O.

| key, after `broadcaster:<scope>:` | type | holds |
|---|---|---|
| `{channel:admin}:ids` | sorted set, each score 0 | who listens to `admin`, in the lasting order of ids |
| `{channel:admin}:expiry` | sorted set | the same ids, scored with the second at which each expires |
| `{everything}:ids` and `{everything}:expiry` | the same | who listens to everything |
| `connection:<id>` | set | the channels of a connection, `*` for everything |
| `connections` | sorted set | every connection, scored with the second at which it expires |

The scope is the API and its stage, `abc123xyz/production`, or whatever tells one deployment from another. What is not
one of `A-Z a-z 0-9 _ . : / -` in it is percent-encoded, byte by byte of its UTF-8. Keys without a scope, `broadcaster:`
and then as above, are those from before deployments were kept apart.

What is in braces is the part of a key that a cluster hashes, so the two keys of a channel are on one node and every
script touches one node alone. Braces can be neither in a channel name nor in a prefix.

There is no background job. Every script first drops expired ids from what it touches, and every key has a time to live
a minute beyond the last entry in it.
"""

from hashlib import sha1
from typing import Final

from ..errors import ConfigurationError
from . import PAGE_SIZE
from .deployments.scope import encode_scope

EVERYTHING: Final = "*"  # among channel names; no channel can have this name

# How many expired ids a script drops at most, so that none of them keeps the server busy for long: about 1 ms.
PURGE_PER_PAGE: Final = 1_000
PURGE_PER_ADD: Final = 100

_KEY_SLACK: Final = 60  # seconds
_PREFIX_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.:/")


class Script:
    """A script, and the digest that a server which knows it knows it by."""

    __slots__ = ("digest", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = sha1(text.encode(), usedforsecurity=False).hexdigest()


class Keys:
    """The names of the keys under one prefix and of one scope, if there is one.

    Raises:
        ConfigurationError: the prefix is not 1 to 100 of `A-Z a-z 0-9 _ - . : /`, or the scope is not 1 to 400
            characters.
    """

    __slots__ = ("_prefix", "connections")

    def __init__(self, prefix: str, scope: str | None = None) -> None:
        if not isinstance(prefix, str) or not 1 <= len(prefix) <= 100 or not _PREFIX_CHARACTERS.issuperset(prefix):
            raise ConfigurationError(
                f"prefix {prefix!r:.120} cannot start the keys of a registry; give 1 to 100 of A-Z a-z 0-9 _ - . : /"
            )
        if scope is not None:
            prefix = f"{prefix}:{encode_scope(scope)}"
        self._prefix = prefix
        self.connections = f"{prefix}:connections"

    def channel(self, channel: str) -> tuple[str, str]:
        """Return the two keys of a channel, or of `EVERYTHING`: ids and expiry."""
        start = self.tagged("everything" if channel == EVERYTHING else f"channel:{channel}")
        return f"{start}:ids", f"{start}:expiry"

    def tagged(self, tag: str) -> str:
        """Return the beginning of keys that are on one node of a cluster."""
        return f"{self._prefix}:{{{tag}}}"

    def connection(self, connection_id: str) -> str:
        return f"{self._prefix}:connection:{connection_id}"


def time_to_live(lifetime: float) -> int:
    """Return how long a key has to live, in milliseconds, whose last entry lives for `lifetime` seconds."""
    return int((lifetime + _KEY_SLACK) * 1000)


_LIVE_AT_LEAST = """
local function live_at_least(key, milliseconds)
    if redis.call('PTTL', key) < tonumber(milliseconds) then redis.call('PEXPIRE', key, milliseconds) end
end
"""

# KEYS: the connection's set. ARGV: the key's milliseconds to live, how many channels it may have (0: any), channels...
# Returns 0, or how many channels it would have had, which is too many, and then nothing has changed.
REMEMBER: Final = (
    _LIVE_AT_LEAST
    + """
if tonumber(ARGV[2]) > 0 then
    local count = redis.call('SCARD', KEYS[1]) - redis.call('SISMEMBER', KEYS[1], '*')
    for i = 3, #ARGV do
        count = count + 1 - redis.call('SISMEMBER', KEYS[1], ARGV[i])
    end
    if count > tonumber(ARGV[2]) then return count end
end
for i = 3, #ARGV do  -- one by one: Lua unpacks no more than 8,000
    redis.call('SADD', KEYS[1], ARGV[i])
end
live_at_least(KEYS[1], ARGV[1])
return 0
"""
)

# KEYS: ids, expiry. ARGV: the keys' milliseconds to live, now, when the id expires, the id, how many to drop at most
JOIN: Final = (
    _LIVE_AT_LEAST
    + """
local expired = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[2], 'LIMIT', 0, ARGV[5])
if #expired > 0 then
    redis.call('ZREM', KEYS[1], unpack(expired))
    redis.call('ZREM', KEYS[2], unpack(expired))
end
redis.call('ZADD', KEYS[1], 0, ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[4])
live_at_least(KEYS[1], ARGV[1])
live_at_least(KEYS[2], ARGV[1])
"""
)

# KEYS: all connections. ARGV: the key's milliseconds to live, now, when the id expires, the id
COUNT_IN: Final = (
    _LIVE_AT_LEAST
    + """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
live_at_least(KEYS[1], ARGV[1])
"""
)

# KEYS: the ids and the expiry of a list, and so on for more lists. ARGV: now, where to start ("-" or "(id"), where to
# end ("+" or "[id"). Returns a page of each list: ids with line breaks between them, because the reading of one text
# costs the caller a tenth of what a thousand cost. Nothing in place of a page means: ask again, more have expired than
# are dropped at once.
PAGE: Final = """
local pages = {}
for list = 1, #KEYS, 2 do
    local ids, expiry = KEYS[list], KEYS[list + 1]
    local expired = redis.call('ZRANGEBYSCORE', expiry, '-inf', ARGV[1], 'LIMIT', 0, PURGE_PER_PAGE)
    if #expired > 0 then
        redis.call('ZREM', ids, unpack(expired))
        redis.call('ZREM', expiry, unpack(expired))
    end
    if #expired < PURGE_PER_PAGE then
        pages[#pages + 1] = table.concat(redis.call('ZRANGEBYLEX', ids, ARGV[2], ARGV[3], 'LIMIT', 0, PAGE_SIZE), '\\n')
    else
        pages[#pages + 1] = false
    end
end
return pages
""".replace("PURGE_PER_PAGE", str(PURGE_PER_PAGE)).replace("PAGE_SIZE", str(PAGE_SIZE))

# KEYS: ids. ARGV: a share of the list, 0 to less than 1. Returns how many there are, and the id at that place.
AT_PLACE: Final = """
local size = redis.call('ZCARD', KEYS[1])
local at = math.floor(size * tonumber(ARGV[1]))
return {size, redis.call('ZRANGE', KEYS[1], at, at)[1] or ''}
"""

# KEYS: all connections. ARGV: now as "(now", where to start, how many. Returns id, when it expires, id, and so on: from
# a script, because what redis-py makes of the command itself depends on the version of the protocol.
ALL: Final = "return redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', ARGV[2], ARGV[3])"
