import { kept } from "./kept.js";
import { SECOND } from "./limits.js";
import { eventsIn } from "./messages.js";
import { reader } from "./reader.js";

const key = (position) => `${position?.seq} ${position?.epoch}`;

/** The position that a message follows; null without one. */
const before = (message) => (message ? { epoch: message.epoch, seq: message.seq - 1 } : null);

/** Calls back whoever listens to the events of a message. */
function emit(target, message) {
  for (const envelope of eventsIn(message)) target._emit(envelope.event, envelope.data, envelope);
}

/** Gives each claim of a connection its place among the messages of its channel. */
export function places(connection) {
  const made = new WeakMap(); // claim -> its Place
  const reached = new WeakMap(); // Gateway -> channel name -> epoch, the newest last -> number of the last message
  const read = reader(connection);

  /** How far one of a Gateway's claims has come; returns whether none was as far, or in a later epoch. */
  function reach({ _gateway: gateway, name }, epoch, seq = 0) {
    const channels = kept(reached, gateway, () => new Map());
    const epochs = kept(channels, name, () => new Map());
    const isNews = kept(epochs, epoch, () => 0) < seq && [...epochs.keys()].at(-1) === epoch;
    if (isNews) epochs.set(epoch, seq);
    return isNews;
  }

  const place = (claim) => kept(made, claim, () => new Place(claim, { place, read, reach }));
  return place;
}

/** Hands a claim's messages on in order, each once, and reads from history what does not come. */
class Place {
  #claim;
  #shared; // by the places of a connection
  #held = new Map(); // messages that came early
  #reading; // whatever stands for the reading that counts
  #timer; // until a message that is missing is read

  constructor(claim, shared) {
    this.#claim = claim;
    this.#shared = shared;
  }

  /** From now on history has what was sent before. */
  _stand(stands) {
    this.#reading = null;
    this.#wait(false);
    if (stands) this.#join();
  }

  #join() {
    const claim = this.#claim;
    const { connection } = claim._gateway;
    const joined = connection._claims(claim.name).find((other) => other.subscribed);
    if (!connection._options.history) {
      claim._tell({});
    } else if (!joined || claim.position || claim._rewind) {
      this.#fetch();
    } else {
      claim.position = joined.position;
      this.#held = new Map(this.#shared.place(joined).#held);
      this.#tell(false);
      this.#advance();
    }
  }

  #tell(recovered) {
    const claim = this.#claim;
    const { position } = claim;
    if (position) this.#shared.reach(claim, position.epoch);
    claim._tell({ recovered, position });
  }

  _take(message) {
    const { epoch, seq } = message;
    const { position } = this.#claim;
    if (epoch === position?.epoch && seq <= position.seq) return;
    this.#held.set(key(before(message)), message);
    this.#advance();
  }

  #advance() {
    const claim = this.#claim;
    if (!claim.subscribed || this.#reading) return;
    const held = this.#held;
    claim.position ??= before([...held.values()][0]); // what is before the first that came was lost
    for (let message; (message = held.get(key(claim.position))); ) {
      const { epoch, seq } = message;
      held.delete(key(claim.position));
      claim.position = { epoch, seq };
      emit(claim, message);
      if (this.#shared.reach(claim, epoch, seq)) emit(claim._gateway, message);
    }
    this.#wait(held.size && claim.subscribed);
  }

  #wait(isNeeded) {
    const { setTimeout, clearTimeout } = this.#claim._gateway.connection._platform;
    if (isNeeded) {
      this.#timer ??= setTimeout(() => this.#fetch(), SECOND);
    } else {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
  }

  /** Reads what follows its position, or as much of the end as is wanted, and goes on from there. */
  async #fetch() {
    const claim = this.#claim;
    const reading = (this.#reading = {});
    this.#wait(false);
    const { position } = claim;
    const found = [];
    let isWhole = !!position;
    let end = position; // of the pages so far
    let page;
    for (let more = true; more; ) {
      const from = end ? { since: end } : { rewind: claim._rewind ?? 0 };
      page = await this.#shared.read({ channel: claim.name, ...from });
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
      claim.position = place && { epoch: place.epoch, seq: Math.min(place.seq, ...news.map(({ seq }) => seq - 1)) };
    if (!claim.subscribed || !isWhole) this.#tell(isWhole);
    this.#advance();
  }
}
