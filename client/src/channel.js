import { Emitter } from "./emitter.js";
import { SECOND } from "./limits.js";
import { emit } from "./messages.js";

const key = ({ epoch, seq }) => `${seq} ${epoch}`;

/** Where to begin when nothing is known but what came: what is before it was lost. */
const beforeFirst = ([first]) => first && { epoch: first.epoch, seq: first.seq - 1 };

/**
 * One claim on a channel, with its own callbacks: what `subscribe` returns. On a channel with history it has a place of
 * its own among the messages: hands them on in order, each once, and reads from history what does not come.
 */
export class Channel extends Emitter {
  subscribed = false;
  #rewind;
  #stands = false; // the gateway posts to us: whatever is sent from now on comes, and history has what was sent before
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

  /** Its subscription stands, or does not any more. */
  _stand(stands) {
    if (stands === this.#stands) return;
    this.#stands = stands;
    this.subscribed = this.#reading = false;
    this.#wait(false);
    if (stands) this.#join();
  }

  #join() {
    const { connection } = this._gateway;
    const joined = [...connection._channels.get(this.name)].find((other) => other.subscribed);
    if (!connection._history) {
      this.#tell();
    } else if (!joined || this.position || this.#rewind) {
      this.#read(true);
    } else {
      this.position = joined.position;
      this.#held = new Map(joined.#held);
      this.#tell(false);
      this.#advance();
    }
  }

  #tell(recovered) {
    this.subscribed = true;
    if (this.position) this._gateway._reach(this.name, this.position.epoch);
    this._emit("pusher:subscription_succeeded", recovered === undefined ? {} : { recovered, position: this.position });
  }

  _take(message) {
    this.#held.set(key(message), message);
    this.#advance();
  }

  #advance() {
    if (!this.subscribed || this.#reading) return;
    const held = this.#held;
    this.position ??= beforeFirst(held.values());
    const next = () => this.position && held.get(key({ ...this.position, seq: this.position.seq + 1 }));
    for (let message; (message = next()); ) {
      const { epoch, seq } = message;
      this.position = { epoch, seq };
      emit(this, message);
      this._gateway._relay(message);
    }
    for (const [key, { epoch, seq }] of held) {
      if (epoch === this.position.epoch && seq <= this.position.seq) held.delete(key);
    }
    this.#wait(held.size && this.subscribed);
  }

  #wait(isNeeded) {
    const { setTimeout, clearTimeout } = this._gateway.connection._platform;
    if (isNeeded) {
      this.#timer ??= setTimeout(() => this.#read(false), SECOND);
    } else {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
  }

  /** Reads what follows its position, or as much of the end as is wanted, and goes on from there. */
  async #read(isJoining) {
    const reading = (this.#reading = {});
    this.#wait(false);
    let start = this.position;
    let end = start; // of the pages so far
    let isWhole = !!start;
    let found = [];
    for (let more = true; more; ) {
      const from = end ? { since: end } : { rewind: this.#rewind };
      const page = await this._gateway.connection._history({ channel: this.name, ...from });
      if (this.#reading !== reading) return;
      const { epoch, seq, recovered, messages = [] } = page ?? {};
      more = page?.more && messages.length;
      if (!epoch) {
        // The channel has no history, or it cannot be read: live events do not wait for it.
        isWhole = false;
        if (page || this.#held.size) start = null;
        break;
      }
      // Believed only as far as it proves itself: there is no hole from where we are to where it ends.
      const isSame = epoch === end?.epoch && seq >= end.seq;
      const news = messages.filter((message) => !isSame || message.seq > end.seq);
      const follows = isSame && news.every((message, i) => message.seq === end.seq + 1 + i);
      if (!recovered || !follows || (!more && end.seq + news.length < seq)) {
        isWhole = false;
        start = { epoch, seq: news.length ? news[0].seq - 1 : seq };
        found = [];
      }
      found.push(...news);
      end = { epoch, seq: news.at(-1)?.seq ?? seq };
    }
    this.#reading = null;
    start ??= beforeFirst(this.#held.values());
    const early = [...this.#held.values()].filter(({ epoch }) => epoch === start?.epoch);
    if (!isWhole && start) start = { ...start, seq: Math.min(start.seq, ...early.map(({ seq }) => seq - 1)) };
    this.position = start ?? null;
    this.#held = new Map([...found, ...early].map((message) => [key(message), message]));
    if (isJoining || !isWhole) this.#tell(isWhole);
    this.#advance();
  }
}
