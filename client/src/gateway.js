/**
 * Live events from one's own API Gateway WebSocket API, with the names that users of Pusher know.
 *
 *     Gateway     what a component holds: its own claims on channels; any number of them on a page
 *     Connection  what the Gateways of a page share: when to connect, reconnect and hand over
 *     link        one WebSocket
 *     Place       where a claim is among the messages of a channel with history: history.js, which is apart, and loaded
 *                 only where a page asks for history, so that whoever does not has nothing of it
 */
import { address } from "./address.js";
import { Channel } from "./channel.js";
import { Emitter } from "./emitter.js";
import { CHANNEL_OPTIONS, check, checkTargets, GATEWAY_OPTIONS } from "./options.js";
import { connectionOf, page } from "./shared.js";

export class Gateway extends Emitter {
  #returned = new Map(); // channel name -> how many claims `unsubscribe` gave back

  constructor(key, options = {}) {
    super();
    check(options, GATEWAY_OPTIONS);
    checkTargets(options);
    const { cluster, stage, ...others } = options;
    this.connection = connectionOf(address(key, cluster, stage), others);
    this.connection._begin();
    page._latest = this;
    page._made();
  }

  static get latest() {
    return page._latest;
  }

  /** Resolves when there is a Gateway on the page. */
  static get _first() {
    return page._first;
  }

  subscribe(name, options = {}) {
    check(options, CHANNEL_OPTIONS);
    if ((options.rewind || options.since) && !this.connection._options.history)
      throw new Error("without the option 'history' there is no rewind or since");
    if (typeof name !== "string" || !/^[\w\-=@,.;:/]{1,200}$/.test(name))
      throw new Error(`channel '${name}' is not 1 to 200 of A-Z a-z 0-9 _ - = @ , . ; : /`);
    const channel = new Channel(this, name, options);
    this.connection._add(channel);
    return channel;
  }

  /** Cannot know which claim is meant, so all callbacks stay until as many are given back as there were. */
  unsubscribe(name) {
    this.#returned.set(name, 1 + (this.#returned.get(name) ?? 0));
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
    if (!(this.#returned.get(name) >= claims.length)) return;
    this.#returned.delete(name);
    for (const channel of claims) channel._close();
  }
}
