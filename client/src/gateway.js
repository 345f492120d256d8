/**
 * Live events from one's own API Gateway WebSocket API, with the names that users of Pusher know.
 *
 *     Gateway     what a component holds: its own claims on channels; any number of them on a page
 *     Connection  what the Gateways of a page share: when to connect, reconnect and hand over
 *     Link        one WebSocket
 */
import { address } from "./address.js";
import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { environment } from "./environment.js";

// One per page whatever copies of this module a bundler or a hot reload made. The number changes with what is shared.
const SHARED = Symbol.for("apigw-broadcaster-client/1");

/** One claim on a channel, with its own callbacks: what `subscribe` returns. */
class Channel extends Emitter {
  subscribed = false;

  constructor(gateway, name) {
    super();
    this._gateway = gateway;
    this.name = name;
  }

  unsubscribe() {
    this._gateway._release(this);
  }
}

export class Gateway extends Emitter {
  #claims = new Map(); // channel name -> { channels: Set of open Channels, returned: how many `unsubscribe` gave back }

  constructor(key, { cluster, stage, register, auth, activityTimeout, pongTimeout, platform } = {}) {
    super();
    const url = address(key, cluster, stage);
    const options = { register, auth, activityTimeout, pongTimeout };
    const shared = (globalThis[SHARED] ??= { connections: new Map() });
    // Every render and hot reload makes functions anew: the same text is the same option, and the newest is used.
    const same = JSON.stringify([url, options], (_, value) => (typeof value === "function" ? `${value}` : value));
    const { connections } = shared;
    if (!connections.has(same)) connections.set(same, new Connection(url, { ...environment, ...platform }));
    this.connection = connections.get(same);
    this.connection._options = options;
    this.connection._connect();
    shared.latest = this;
  }

  static get latest() {
    return globalThis[SHARED]?.latest;
  }

  subscribe(name) {
    if (typeof name !== "string" || !/^[\w\-=@,.;:/]{1,200}$/.test(name)) {
      throw new Error(`channel '${name}' is not 1 to 200 of A-Z a-z 0-9 _ - = @ , . ; : /`);
    }
    const channel = new Channel(this, name);
    if (!this.#claims.has(name)) this.#claims.set(name, { channels: new Set(), returned: 0 });
    this.#claims.get(name).channels.add(channel);
    this.connection._add(channel);
    return channel;
  }

  /** Cannot know which claim is meant, so all callbacks stay until as many are given back as there were. */
  unsubscribe(name) {
    const claim = this.#claims.get(name);
    if (!claim) return;
    claim.returned++;
    this.#settle(name, claim);
  }

  channel(name) {
    return [...(this.#claims.get(name)?.channels ?? [])].pop();
  }

  disconnect() {
    for (const { channels } of this.#claims.values()) {
      for (const channel of channels) channel.unsubscribe();
    }
    if (!this.connection._channels.size) this.connection._disconnect();
  }

  _release(channel) {
    const claim = this.#claims.get(channel.name);
    if (!claim?.channels.delete(channel)) return;
    this.#close(channel);
    this.#settle(channel.name, claim);
  }

  #settle(name, { channels, returned }) {
    if (returned < channels.size) return;
    this.#claims.delete(name);
    for (const channel of channels) this.#close(channel);
  }

  #close(channel) {
    channel.unbind_all();
    channel.subscribed = false;
    this.connection._remove(channel);
  }
}
