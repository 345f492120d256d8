/**
 * The registry of a backend of several processes or machines: a Redis server, a cluster, or what speaks like one.
 *
 * Needs the package `redis` and Redis 5 or newer, Valkey included. How the entries lie in the server is told in
 * `redis_keys`. Round trips of each operation: two for `add`, three for each 1,000 ids of `remove`, two for `pages` and
 * one more for each further 1,000 ids, one for `count`.
 */
"use strict";

const { MAX_CHANNELS, tooManyChannels } = require("../names.js");
const { ENTRY_LIFETIME, PAGE_SIZE } = require("./lifetime.js");
const { eachOnce } = require("./merged.js");
const { RedisCalls } = require("./redis_calls.js");
const scripts = require("./redis_keys.js");
const { parseRedisUrl } = require("./redis_url.js");
const { nextPlace, pagesFrom } = require("./rotation.js");
const { Unscoped } = require("./unscoped.js");

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
  #unscopedKeys; // of lists from before deployments were kept apart; null if there is no scope
  #unscoped;
  #maxChannels;
  #clock;

  constructor(url, { scope, maxChannels = MAX_CHANNELS, clock = () => Date.now() / 1000 } = {}) {
    const target = parseRedisUrl(url);
    const ours = target.scope || scope;
    this.#keys = new scripts.Keys(target.prefix, ours);
    this.#unscopedKeys = ours ? new scripts.Keys(target.prefix) : null;
    this.#unscoped = new Unscoped(clock());
    this.#maxChannels = maxChannels;
    this.#calls = new RedisCalls(target);
    this.#clock = clock;
  }

  /**
   * Record that a connection listens to `channels`, or to everything when there is none; an empty list is no change.
   */
  async add(connectionId, channels, { lifetime = ENTRY_LIFETIME } = {}) {
    const names = channels ? [...new Set(channels)] : [EVERYTHING];
    if (!names.length) return;
    const now = this.#clock();
    const milliseconds = scripts.timeToLive(lifetime);
    const entry = [milliseconds, now, now + lifetime, connectionId];
    const what = `register connection '${connectionId}'`;
    const most = channels ? this.#maxChannels : 0;
    // First how to remove it, so that nothing is left that could not be removed.
    const remember = script(scripts.REMEMBER, [this.#keys.connection(connectionId)], milliseconds, most, ...names);
    const [count] = await this.#calls.run(what, [remember]);
    if (Number(count)) throw tooManyChannels(connectionId, count, most);
    await this.#calls.run(what, [
      ...names.map((name) => script(scripts.JOIN, this.#keys.channel(name), ...entry, scripts.PURGE_PER_ADD)),
      script(scripts.COUNT_IN, [this.#keys.connections], ...entry),
    ]);
  }

  /** Forget these connections with all their channels; unknown ones are passed over. */
  async remove(connectionIds) {
    for (const keys of await this.#layouts()) {
      for (let start = 0; start < connectionIds.length; start += BATCH) {
        await this.#remove(keys, connectionIds.slice(start, start + BATCH));
      }
    }
  }

  /** Yield who listens to `channel` or to everything, each once, in lists of at most 1,000. */
  async *pages(channel) {
    const lists = (await this.#layouts()).flatMap((keys) => [keys.channel(channel), keys.channel(EVERYTHING)]);
    yield* pagesFrom(nextPlace(), {
      read: (after, until) => eachOnce(lists.map((keys) => this.#sortedPages(keys, after, until))),
      find: (share) => this.#find(lists, share),
    });
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

  /** Return the keys of this scope, and those without one while connections may be found under them. */
  async #layouts() {
    const now = this.#clock();
    if (!this.#unscopedKeys) return [this.#keys];
    if (this.#unscoped.isToBeLookedFor(now)) {
      const command = ["EXISTS", this.#unscopedKeys.connections];
      const [found] = await this.#calls.run("list the connections", [command]);
      this.#unscoped.found(Number(found) > 0, now);
    }
    return this.#unscoped.areRead(now) ? [this.#keys, this.#unscopedKeys] : [this.#keys];
  }

  async #remove(keys, ids) {
    const what = `remove ${ids.length} connections`;
    const channels = await this.#calls.run(
      what,
      ids.map((connectionId) => ["SMEMBERS", keys.connection(connectionId)]),
    );
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
    await this.#calls.run(
      what,
      leave.filter((command) => command.length > 2),
    );
  }

  /** Return the id at this share of the longest list. */
  async #find(lists, share) {
    const commands = lists.map(([ids]) => script(scripts.AT_PLACE, [ids], share));
    const found = await this.#calls.run("list the connections", commands);
    return found.reduce((longest, each) => (Number(each[0]) > Number(longest[0]) ? each : longest))[1];
  }

  async *#sortedPages(keys, after, until) {
    const end = until ? `[${until}` : "+";
    for (let start = after ? `(${after}` : "-"; ;) {
      const command = script(scripts.PAGE, keys, this.#clock(), start, end, PAGE_SIZE, scripts.PURGE_PER_PAGE);
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
