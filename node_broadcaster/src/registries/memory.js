/** The registry of a backend that runs as one process: everything in memory, gone when the process ends. */
"use strict";

const cluster = require("node:cluster");
const { MAX_CHANNELS, tooManyChannels } = require("../names.js");
const { ENTRY_LIFETIME, PAGE_SIZE } = require("./lifetime.js");
const { nextPlace, rotated } = require("./rotation.js");

const COUNT_VARIABLES = ["WEB_CONCURRENCY", "instances"]; // the second is PM2's

/**
 * Keeps connections in this process alone: other workers of the same server see none of them.
 *
 * Says so with one warning of the process when there are signs of several. `clock` is in seconds, for tests.
 */
class MemoryRegistry {
  #clock;
  #maxChannels;
  #expires = new Map(); // connection id -> second; in the order of the latest registration, so the oldest is first
  #channels = new Map(); // connection id -> Set of channels; none for those that listen to everything alone
  #members = new Map(); // channel -> Set of connection ids
  #everything = new Set();

  constructor({ maxChannels, clock = () => performance.now() / 1000, environment = process.env } = {}) {
    this.#maxChannels = maxChannels;
    this.#clock = clock;
    const sign = workerSign(environment);
    if (sign) warn(sign);
  }

  /** Adopt the broadcaster's bound on the channels of a connection, where none was given. */
  takeDefaults({ maxChannels }) {
    this.#maxChannels ??= maxChannels;
  }

  /**
   * Record that a connection listens to `channels`, or to everything when there is none; an empty list is no change.
   *
   * Done when this returns; the promise is there for the registries that need time.
   */
  async add(connectionId, channels, { lifetime = ENTRY_LIFETIME } = {}) {
    if (channels && !channels.length) return;
    const now = this.#clock();
    this.#dropOldestExpired(now);
    if (channels) {
      const { size } = new Set([...(this.#channels.get(connectionId) ?? []), ...channels]);
      const most = this.#maxChannels ?? MAX_CHANNELS;
      if (size > most) throw tooManyChannels(connectionId, size, most);
    }
    const expires = Math.max(this.#expires.get(connectionId) ?? 0, now + lifetime);
    this.#expires.delete(connectionId);
    this.#expires.set(connectionId, expires);
    if (!channels) this.#everything.add(connectionId);
    for (const channel of channels ?? []) {
      setOf(this.#channels, connectionId).add(channel);
      setOf(this.#members, channel).add(connectionId);
    }
  }

  /** Forget these connections with all their channels; unknown ones are passed over. */
  async remove(connectionIds) {
    for (const connectionId of connectionIds) this.#forget(connectionId);
  }

  /** Yield who listens to `channel` or to everything when the first page is asked for, in lists of at most 1,000. */
  async *pages(channel) {
    const now = this.#clock();
    const everybody = new Set([...this.#everything, ...(this.#members.get(channel) ?? [])]);
    const those = [...everybody].filter((connectionId) => this.#expires.get(connectionId) > now);
    const ids = rotated(those, nextPlace());
    for (let start = 0; start < ids.length; start += PAGE_SIZE) yield ids.slice(start, start + PAGE_SIZE);
  }

  /** Return the number of connections that have not expired. */
  async count() {
    const now = this.#clock();
    return [...this.#expires.values()].filter((expires) => expires > now).length;
  }

  /** Do nothing: there is nothing to give back. */
  async close() {}

  #dropOldestExpired(now) {
    // Lifetimes are nearly always the same, so the front of the map is what expires next. One that is not at the front
    // stays a little longer, and `pages` passes over it.
    for (const [connectionId, expires] of this.#expires) {
      if (expires > now) return;
      this.#forget(connectionId);
    }
  }

  #forget(connectionId) {
    if (!this.#expires.delete(connectionId)) return;
    this.#everything.delete(connectionId);
    for (const channel of this.#channels.get(connectionId) ?? []) {
      const members = this.#members.get(channel);
      members.delete(connectionId);
      if (!members.size) this.#members.delete(channel);
    }
    this.#channels.delete(connectionId);
  }
}

function setOf(sets, key) {
  if (!sets.has(key)) sets.set(key, new Set());
  return sets.get(key);
}

/** Return what says that this process is one of several that serve the same application, or undefined. */
function workerSign(environment) {
  if (cluster.isWorker) return "it is a worker of node:cluster";
  const variable = COUNT_VARIABLES.find((name) => Number(environment[name]) > 1);
  return variable && `${variable} is ${environment[variable]}`;
}

function warn(sign) {
  process.emitWarning(
    `Connections are kept in the memory of process ${process.pid}, but there seem to be several: ${sign}. Each process ` +
      "knows only the browsers that registered with it, so events will reach some browsers and not others. Give all of " +
      "them one list: registry: 'redis://host:6379/0' or 'dynamodb://table-name?region=us-east-1' (or the same in the " +
      "variable BROADCASTER_REGISTRY), or run one process.",
    { type: "BroadcasterWarning", code: "BROADCASTER_SEVERAL_PROCESSES" },
  );
}

module.exports = { MemoryRegistry, workerSign };
