/**
 * Where the Redis registry keeps what: the names of its keys and the scripts that change them, without I/O.
 *
 * | key | type | holds |
 * |---|---|---|
 * | `broadcaster:<scope>:{channel:admin}:ids` | sorted set, each score 0 | who listens to `admin`, in the order of ids |
 * | `broadcaster:<scope>:{channel:admin}:expiry` | sorted set | the same ids, scored with the second of their expiry |
 * | `broadcaster:<scope>:{everything}:ids` and `:expiry` | the same | who listens to everything |
 * | `broadcaster:<scope>:connection:<id>` | set | the channels of a connection, `*` for everything |
 * | `broadcaster:<scope>:connections` | sorted set | every connection, scored with the second of its expiry |
 *
 * The layout is the Python library's, told in `broadcaster/registries/redis_keys.py`: both share one list. What is in
 * braces is the part of a key that a cluster hashes, so the two keys of a channel are on one node and every script
 * touches one node alone. Every script first drops expired ids from what it touches, and every key has a time to live a
 * minute beyond the last entry in it.
 */
"use strict";

const { ConfigurationError, show } = require("../errors.js");
const { encodeScope } = require("./scope.js");

const DEFAULT_PREFIX = "broadcaster";
const EVERYTHING = "*"; // among channel names; no channel can have this name

// How many expired ids a script drops at most, so that none of them keeps the server busy for long: about 1 ms.
const PURGE_PER_PAGE = 1000;
const PURGE_PER_ADD = 100;

const KEY_SLACK = 60; // seconds

/** The names of the keys under one prefix. */
class Keys {
  #start;

  constructor(prefix = DEFAULT_PREFIX, scope) {
    if (!/^[A-Za-z0-9_\-.:/]{1,100}$/.test(prefix)) {
      throw new ConfigurationError(
        `prefix ${show(prefix)} cannot start the keys of a registry; give 1 to 100 of A-Z a-z 0-9 _ - . : /`,
      );
    }
    this.#start = scope === undefined ? prefix : `${prefix}:${encodeScope(scope)}`;
    this.connections = `${this.#start}:connections`;
  }

  /** Return the two keys of a channel, or of `EVERYTHING`: ids and expiry. */
  channel(channel) {
    const tag = channel === EVERYTHING ? "everything" : `channel:${channel}`;
    return [`${this.#start}:{${tag}}:ids`, `${this.#start}:{${tag}}:expiry`];
  }

  connection(connectionId) {
    return `${this.#start}:connection:${connectionId}`;
  }
}

/** Return how long a key has to live, in milliseconds, whose last entry lives for `lifetime` seconds. */
function timeToLive(lifetime) {
  return Math.trunc((lifetime + KEY_SLACK) * 1000);
}

const LIVE_AT_LEAST = `
local function live_at_least(key, milliseconds)
    if redis.call('PTTL', key) < tonumber(milliseconds) then redis.call('PEXPIRE', key, milliseconds) end
end
`;

// KEYS: the connection's set. ARGV: the key's milliseconds to live, how many channels it may have (0: any), channels...
// Returns 0, or how many channels it would have had, which is too many, and then nothing has changed.
const REMEMBER = `${LIVE_AT_LEAST}
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
`;

// KEYS: ids, expiry. ARGV: the keys' milliseconds to live, now, when the id expires, the id, how many to drop at most
const JOIN = `${LIVE_AT_LEAST}
local expired = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[2], 'LIMIT', 0, ARGV[5])
if #expired > 0 then
    redis.call('ZREM', KEYS[1], unpack(expired))
    redis.call('ZREM', KEYS[2], unpack(expired))
end
redis.call('ZADD', KEYS[1], 0, ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[4])
live_at_least(KEYS[1], ARGV[1])
live_at_least(KEYS[2], ARGV[1])
`;

// KEYS: all connections. ARGV: the key's milliseconds to live, now, when the id expires, the id
const COUNT_IN = `${LIVE_AT_LEAST}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
live_at_least(KEYS[1], ARGV[1])
`;

// KEYS: ids, expiry. ARGV: now, where to start ("-" or "(id") and to end ("+" or "[id"), ids in a page, how many to
// drop Returns how many were dropped, and a page. If that is as many as allowed there may be more, and some in the
// page.
const PAGE = `
local expired = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, ARGV[5])
if #expired > 0 then
    redis.call('ZREM', KEYS[1], unpack(expired))
    redis.call('ZREM', KEYS[2], unpack(expired))
end
return {#expired, redis.call('ZRANGEBYLEX', KEYS[1], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])}
`;

// KEYS: ids. ARGV: a share of the list, 0 to less than 1. Returns how many there are, and the id at that place.
const AT_PLACE = `
local size = redis.call('ZCARD', KEYS[1])
local at = math.floor(size * tonumber(ARGV[1]))
return {size, redis.call('ZRANGE', KEYS[1], at, at)[1] or ''}
`;

module.exports = {
  AT_PLACE,
  COUNT_IN,
  DEFAULT_PREFIX,
  EVERYTHING,
  JOIN,
  Keys,
  PAGE,
  PURGE_PER_ADD,
  PURGE_PER_PAGE,
  REMEMBER,
  timeToLive,
};
