import { Emitter } from "./emitter.js";
import { SECOND } from "./limits.js";
import { emit } from "./messages.js";

const key = (position) => `${position?.seq} ${position?.epoch}`;

/** The position that a message follows; null without one. */
const before = (message) => (message ? { epoch: message.epoch, seq: message.seq - 1 } : null);

/**
 * One claim on a channel, with its own callbacks: what `subscribe` returns. On a channel with history it has a place of
 * its own among the messages: hands them on in order, each once, and reads from history what does not come.
 */
export class Channel extends Emitter {
  subscribed = false;
  #rewind;
  #held = new Map(); // messages that came early
  #reading; // whatever stands for the reading that counts
  #timer; // until a message that is missing is read

  constructor(gateway, name, { since = null, rewind = 0 }) {
    super();
    this._gateway = gateway;
    this.name = name;
    this.position = since; // { epoch, seq } of the last message that was handed on
    this.#rewind = rewind;
  }

  unsubscribe() {
    this._close();
    this._gateway._settle(this.name);
  }

  _close() {
    this.unbind_all();
    this._stand(false);
    this._gateway.connection._remove(this);
  }

  /** From now on the gateway posts to us whatever is sent, and history has what was sent before; or not any more. */
  _stand(stands) {
    if (stands === (this.subscribed || !!this.#reading)) return;
    this.subscribed = this.#reading = false;
    this.#wait(false);
    if (stands) this.#join();
  }

  #join() {
    const { connection } = this._gateway;
    const joined = connection._claims(this.name).find((other) => other.subscribed);
    if (!connection._options.history) {
      this.#tell();
    } else if (!joined || this.position || this.#rewind) {
      this.#read();
    } else {
      this.position = joined.position;
      this.#held = new Map(joined.#held);
      this.#tell(false);
      this.#advance();
    }
  }

  #tell(recovered) {
    const { position } = this;
    this.subscribed = true;
    if (position) this._gateway._reach(this.name, position.epoch);
    this._emit("pusher:subscription_succeeded", recovered === undefined ? {} : { recovered, position });
  }

  _take(message) {
    const { epoch, seq } = message;
    if (epoch === this.position?.epoch && seq <= this.position.seq) return;
    this.#held.set(key(before(message)), message);
    this.#advance();
  }

  #advance() {
    if (!this.subscribed || this.#reading) return;
    const held = this.#held;
    this.position ??= before([...held.values()][0]); // what is before the first that came was lost
    for (let message; (message = held.get(key(this.position))); ) {
      const { epoch, seq } = message;
      held.delete(key(this.position));
      this.position = { epoch, seq };
      emit(this, message);
      if (this._gateway._reach(this.name, epoch, seq)) emit(this._gateway, message);
    }
    this.#wait(held.size && this.subscribed);
  }

  #wait(isNeeded) {
    const { setTimeout, clearTimeout } = this._gateway.connection._platform;
    if (isNeeded) {
      this.#timer ??= setTimeout(() => this.#read(), SECOND);
    } else {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
  }

  /** Reads what follows its position, or as much of the end as is wanted, and goes on from there. */
  async #read() {
    const reading = (this.#reading = {});
    this.#wait(false);
    const { position } = this;
    const found = [];
    let isWhole = !!position;
    let end = position; // of the pages so far
    let page;
    for (let more = true; more; ) {
      const from = end ? { since: end } : { rewind: this.#rewind };
      page = await this._gateway.connection._read({ channel: this.name, ...from });
      if (this.#reading !== reading) return;
      if (!page?.epoch) break;
      const { epoch, seq, recovered, messages = [] } = page;
      const isSame = epoch === end?.epoch;
      const news = messages.filter((message) => !isSame || message.seq > end.seq);
      isWhole = isWhole && recovered && isSame && seq >= end.seq;
      found.push(...news);
      more = page.more && news.length;
      end = { epoch, seq: news.at(-1)?.seq };
    }
    this.#reading = null;
    // Believed only as far as it proves itself: there is no hole from where we were to where it ends.
    const follows = ({ seq }, i) => seq === position.seq + 1 + i;
    isWhole = !!(isWhole && page?.epoch && found.every(follows) && position.seq + found.length >= page.seq);
    // Without a page the channel has no history, or it cannot be read: live events do not wait for it.
    const held = [...this.#held.values()];
    const place = page?.epoch ? page : (before(held[0]) ?? (page ? null : position));
    const news = [...found, ...held].filter(({ epoch }) => epoch === place?.epoch);
    this.#held = new Map(news.map((message) => [key(before(message)), message]));
    if (!isWhole)
      this.position = place && { epoch: place.epoch, seq: Math.min(place.seq, ...news.map(({ seq }) => seq - 1)) };
    if (!this.subscribed || !isWhole) this.#tell(isWhole);
    this.#advance();
  }
}
