/**
 * Live events from one's own API Gateway WebSocket API, with the names that users of Pusher know.
 *
 *     Gateway     what a component holds: its own claims on channels; any number of them on a page
 *     Connection  what the Gateways of a page share: when to connect, reconnect and hand over
 *     Link        one WebSocket
 */
import { address } from "./address.js";
import { Channel } from "./channel.js";
import { Emitter } from "./emitter.js";
import { kept } from "./kept.js";
import { emit } from "./messages.js";
import { CHANNEL_OPTIONS, check, checkTarget, GATEWAY_OPTIONS } from "./options.js";
import { connectionOf, shared } from "./shared.js";

export class Gateway extends Emitter {
  #relayed = new Map(); // channel name -> epoch -> number of the last message that was handed on
  #claims = new Map(); // channel name -> { channels: Set of open Channels, returned: how many `unsubscribe` gave back }

  constructor(key, options = {}) {
    super();
    check(options, GATEWAY_OPTIONS);
    const { cluster, stage, ...others } = options;
    const { register, auth, history } = options;
    checkTarget("register", register);
    checkTarget("auth", auth?.url ?? auth);
    if (history !== true) checkTarget("history", history);
    this.connection = connectionOf(address(key, cluster, stage), others);
    this.connection._begin();
    shared()._latest = this;
    shared()._tell();
  }

  static get latest() {
    return shared()._latest;
  }

  /** Resolves when there is a Gateway on the page, with the newest. */
  static get _any() {
    return shared()._first.then(() => Gateway.latest);
  }

  subscribe(name, options = {}) {
    check(options, CHANNEL_OPTIONS);
    if ((options.rewind || options.since) && !this.connection._history)
      throw new Error("without the option 'history' there is no rewind or since");
    if (typeof name !== "string" || !/^[\w\-=@,.;:/]{1,200}$/.test(name)) {
      throw new Error(`channel '${name}' is not 1 to 200 of A-Z a-z 0-9 _ - = @ , . ; : /`);
    }
    const channel = new Channel(this, name, options);
    kept(this.#claims, name, () => ({ channels: new Set(), returned: 0 })).channels.add(channel);
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
    if (!this.connection._channels.size) this.connection.disconnect();
  }

  _release(channel) {
    const claim = this.#claims.get(channel.name);
    if (!claim?.channels.delete(channel)) return;
    this.#close(channel);
    this.#settle(channel.name, claim);
  }

  /** What one of its claims has heard, unless another one was as far, or in a later epoch. */
  _relay(message) {
    const { channel, epoch, seq } = message;
    const reached = this._reach(channel, epoch);
    if (seq <= reached.get(epoch) || [...reached.keys()].at(-1) !== epoch) return;
    reached.set(epoch, seq);
    emit(this, message);
  }

  /** The epochs of a channel, the newest last, and how far each has come. */
  _reach(channel, epoch) {
    const reached = kept(this.#relayed, channel, () => new Map());
    kept(reached, epoch, () => 0);
    return reached;
  }

  #settle(name, { channels, returned }) {
    if (returned < channels.size) return;
    this.#claims.delete(name);
    for (const channel of channels) this.#close(channel);
  }

  #close(channel) {
    channel.unbind_all();
    channel._stand(false);
    this.connection._remove(channel);
  }
}
