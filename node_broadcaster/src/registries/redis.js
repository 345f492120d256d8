/**
 * The registry of a backend of several processes or machines: a Redis server, a cluster, or what speaks like one.
 *
 * Needs the package `redis` and Redis 5 or newer, Valkey included. How the entries lie in the server is told in
 * `redis_keys`. Round trips of each operation: one for `add`, three for each 1,000 ids of `remove`, two for `pages` and
 * one more for each further 1,000 ids, one for `count`.
 */
"use strict";

const { ENTRY_LIFETIME, PAGE_SIZE } = require("./lifetime.js");
const { eachOnce } = require("./merged.js");
const { RedisCalls } = require("./redis_calls.js");
const scripts = require("./redis_keys.js");
const { parseRedisUrl } = require("./redis_url.js");

const { EVERYTHING } = scripts;
const BATCH = 1000; // connection ids

/**
 * Keeps connections in Redis, where every process and machine that uses the same server and prefix sees them.
 *
 * Nothing is connected to before the first use. A server that cannot be reached is tried for a few seconds by every
 * call, so nothing has to be restarted when it is back. The clocks of the machines that share a registry should agree
 * within a minute. `clock` is in seconds since the epoch, for tests.
 */
class RedisRegistry {
  #calls;
  #keys;
  #clock;

  constructor(url, { scope, clock = () => Date.now() / 1000 } = {}) {
    const target = parseRedisUrl(url);
    this.#keys = new scripts.Keys(target.prefix, target.scope ?? scope);
    this.#calls = new RedisCalls(target);
    this.#clock = clock;
  }

  /** Record that a connection listens to `channels`, or to everything when there is none; an empty list is no change. */
  async add(connectionId, channels, { lifetime = ENTRY_LIFETIME } = {}) {
    const names = channels ? [...new Set(channels)] : [EVERYTHING];
    if (!names.length) return;
    const now = this.#clock();
    const milliseconds = scripts.timeToLive(lifetime);
    const entry = [milliseconds, now, now + lifetime, connectionId];
    await this.#calls.run(`register connection '${connectionId}'`, [
      // First how to remove it, so that nothing is left that could not be removed.
      script(scripts.REMEMBER, [this.#keys.connection(connectionId)], milliseconds, ...names),
      ...names.map((name) => script(scripts.JOIN, this.#keys.channel(name), ...entry, scripts.PURGE_PER_ADD)),
      script(scripts.COUNT_IN, [this.#keys.connections], ...entry),
    ]);
  }

  /** Forget these connections with all their channels; unknown ones are passed over. */
  async remove(connectionIds) {
    for (let start = 0; start < connectionIds.length; start += BATCH) {
      await this.#remove(connectionIds.slice(start, start + BATCH));
    }
  }

  /** Yield who listens to `channel` or to everything, sorted, each once, in lists of at most 1,000. */
  pages(channel) {
    return eachOnce(this.#sortedPages(channel), this.#sortedPages(EVERYTHING));
  }

  /** Return the number of connections that have not expired. */
  async count() {
    const command = ["ZCOUNT", this.#keys.connections, `(${this.#clock()}`, "+inf"];
    const [number] = await this.#calls.run("count the connections", [command]);
    return Number(number);
  }

  /** Close the connection to the server; the next use opens it again. */
  async close() {
    this.#calls.close();
  }

  async #remove(ids) {
    const what = `remove ${ids.length} connections`;
    const keys = this.#keys;
    const channels = await this.#calls.run(what, ids.map((connectionId) => ["SMEMBERS", keys.connection(connectionId)]));
    const members = new Map();
    ids.forEach((connectionId, at) => {
      for (const name of channels[at]) members.set(name, [...(members.get(name) ?? []), connectionId]);
    });
    await this.#calls.run(what, [
      ...[...members].flatMap(([name, gone]) => keys.channel(name).map((key) => ["ZREM", key, ...gone])),
      ["ZREM", keys.connections, ...ids],
    ]);
    // Last, and only the channels that were seen: of one that is registered meanwhile, the way to remove it stays.
    const leave = ids.map((connectionId, at) => ["SREM", keys.connection(connectionId), ...channels[at]]);
    await this.#calls.run(what, leave.filter((command) => command.length > 2));
  }

  async *#sortedPages(channel) {
    const keys = this.#keys.channel(channel);
    for (let start = "-"; ; ) {
      const command = script(scripts.PAGE, keys, this.#clock(), start, PAGE_SIZE, scripts.PURGE_PER_PAGE);
      const [[dropped, page]] = await this.#calls.run("list the connections", [command]);
      if (Number(dropped) >= scripts.PURGE_PER_PAGE) continue; // there may be more that have expired, in this page too
      yield page;
      if (page.length < PAGE_SIZE) return;
      start = `(${page.at(-1)}`;
    }
  }
}

function script(text, keys, ...more) {
  return ["EVAL", text, keys.length, ...keys, ...more];
}

module.exports = { RedisRegistry };
