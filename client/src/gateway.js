/**
 * Live events from one's own API Gateway WebSocket API, with the names that users of Pusher know.
 *
 *     Gateway     what a component holds: its own claims on channels; any number of them on a page
 *     channel     one claim, and where it is among the messages of a channel with history
 *     connection  what the Gateways of a page share: when to connect, reconnect and hand over
 *     link        one WebSocket
 */
import { address } from "./address.js";
import { openChannel } from "./channel.js";
import { Emitter } from "./emitter.js";
import { kept } from "./kept.js";
import { CHANNEL_OPTIONS, check, demand, GATEWAY_OPTIONS, isText } from "./options.js";
import { connectionOf, page } from "./shared.js";

const CHANNEL = /^[\w\-=@,.;:/]{1,200}$/;

export class Gateway extends Emitter {
  #returned = []; // a channel's name for each of its claims that `unsubscribe` gave back
  #reached = new Map(); // channel name -> epoch, the newest last -> number of the last message that was handed on

  constructor(key, options = {}) {
    super();
    check(options, GATEWAY_OPTIONS);
    this.connection = connectionOf(address(key, options.cluster, options.stage), options);
    this.connection._begin();
    page._latest = this;
    page._made();
  }

  static get latest() {
    return page._latest;
  }

  static _page = page; // for React's hook

  subscribe(name, options = {}) {
    check(options, CHANNEL_OPTIONS);
    const isPlain = !options.rewind && !options.since;
    demand(isPlain || this.connection._options.history, "no option 'history' to rewind", "one");
    demand(isText(name) && CHANNEL.test(name), `the channel is '${name}'`, `${CHANNEL}`);
    const channel = openChannel(this, name, options);
    this.connection._add(channel);
    return channel;
  }

  /** Cannot know which claim is meant, so all callbacks stay until as many are given back as there were. */
  unsubscribe(name) {
    this.#returned.push(name);
    this._settle(name);
  }

  channel(name) {
    return this.#claims(name).at(-1);
  }

  disconnect() {
    const { connection } = this;
    for (const claim of connection._allClaims()) if (claim._gateway === this) claim.unsubscribe();
    if (!connection._channels.size) connection.disconnect();
  }

  /** Its open claims on a channel, the newest last. */
  #claims(name) {
    return this.connection._claims(name).filter((channel) => channel._gateway === this);
  }

  /** Closes the claims on a channel if as many were given back as there are. */
  _settle(name) {
    const claims = this.#claims(name);
    const others = this.#returned.filter((other) => other !== name);
    if (this.#returned.length - others.length < claims.length) return;
    this.#returned = others;
    for (const channel of claims) channel._close();
  }

  /** How far one of its claims has come; returns whether none was as far, or in a later epoch. */
  _reach(channel, epoch, seq = 0) {
    const reached = kept(this.#reached, channel, () => new Map());
    const isNews = kept(reached, epoch, () => 0) < seq && [...reached.keys()].at(-1) === epoch;
    if (isNews) reached.set(epoch, seq);
    return isNews;
  }
}
