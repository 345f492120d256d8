import { Emitter } from "./emitter.js";
import { SECOND } from "./limits.js";
import { eventsIn } from "./messages.js";

const key = (position) => `${position?.seq} ${position?.epoch}`;

/** The position that a message follows; null without one. */
const before = (message) => (message ? { epoch: message.epoch, seq: message.seq - 1 } : null);

/**
 * One claim on a channel, with its own callbacks: what `subscribe` returns. On a channel with history it has a place of
 * its own among the messages: hands them on in order, each once, and reads from history what does not come.
 */
export function openChannel(gateway, name, { since = null, rewind }) {
  const { connection } = gateway;
  const { setTimeout, clearTimeout } = connection._platform;
  let reading; // whatever stands for the reading that counts
  let timer; // until a message that is missing is read

  const channel = new Emitter({
    name,
    subscribed: false,
    position: since, // { epoch, seq } of the last message that was handed on
    _gateway: gateway,
    _held: new Map(), // messages that came early

    unsubscribe() {
      channel._close();
      gateway._settle(name);
    },

    _close() {
      channel.unbind_all();
      channel._stand(false);
      connection._remove(channel);
    },

    /** From now on the gateway posts to us whatever is sent, and history has what was sent before; or not any more. */
    _stand(stands) {
      if (stands === (channel.subscribed || !!reading)) return;
      channel.subscribed = reading = false;
      wait(false);
      if (stands && connection._claims(name).includes(channel)) join(); // or else a callback has just closed it
    },

    _take(message) {
      const { epoch, seq } = message;
      const { position } = channel;
      if (epoch === position?.epoch && seq <= position.seq) return;
      channel._held.set(key(before(message)), message);
      advance();
    },
  });
  return channel;

  function join() {
    const joined = connection._claims(name).find((other) => other.subscribed);
    if (!connection._options.history) {
      tell();
    } else if (!joined || channel.position || rewind) {
      read();
    } else {
      channel.position = joined.position;
      channel._held = new Map(joined._held);
      tell(false);
      advance();
    }
  }

  function tell(recovered) {
    const { position } = channel;
    channel.subscribed = true;
    if (position) gateway._reach(name, position.epoch);
    channel._emit("pusher:subscription_succeeded", connection._options.history ? { recovered, position } : {});
  }

  function advance() {
    if (!channel.subscribed || reading) return;
    const held = channel._held;
    channel.position ??= before([...held.values()][0]); // what is before the first that came was lost
    for (let message; (message = held.get(key(channel.position))); ) {
      const { epoch, seq } = message;
      held.delete(key(channel.position));
      channel.position = { epoch, seq };
      const targets = gateway._reach(name, epoch, seq) ? [channel, gateway] : [channel];
      for (const told of eventsIn(message)) for (const target of targets) target._emit(told.event, told.data, told);
    }
    wait(held.size && channel.subscribed);
  }

  function wait(isNeeded) {
    if (isNeeded) {
      timer ??= setTimeout(read, SECOND);
    } else {
      clearTimeout(timer);
      timer = null;
    }
  }

  /** Reads what follows its position, or as much of the end as is wanted, and goes on from there. */
  async function read() {
    const mine = (reading = {});
    wait(false);
    const { position } = channel;
    const found = [];
    let isWhole = !!position;
    let end = position; // of the pages so far
    let page;
    do {
      page = await connection._read({ channel: name, ...(end ? { since: end } : { rewind: rewind || 0 }) });
      if (reading !== mine) return;
      const { epoch, seq, recovered, messages } = page ?? {};
      const isSame = epoch === end?.epoch;
      const news = messages?.filter((message) => !isSame || message.seq > end.seq) ?? [];
      isWhole &&= recovered && isSame && seq >= end.seq;
      found.push(...news);
      end = { epoch, seq: news.at(-1)?.seq };
    } while (page?.more && end.seq);
    reading = null;
    // Believed only as far as it proves itself: there is no hole from where we were to where it ends.
    const follows = ({ seq }, i) => seq === position.seq + 1 + i;
    isWhole = !!(isWhole && found.every(follows) && position.seq + found.length >= page.seq);
    // Without a page the channel has no history, or it cannot be read: live events do not wait for it. Names of epochs
    // sort by when they began, so what is of an earlier one is from before.
    const held = [...channel._held.values()];
    const isNext = ({ epoch }) => !(epoch < position?.epoch);
    const place = page?.epoch ? page : (before(held.find(isNext)) ?? (page ? null : position));
    const news = [...found, ...held].filter(({ epoch }) => epoch === place?.epoch);
    channel._held = new Map(news.map((message) => [key(before(message)), message]));
    if (!isWhole)
      channel.position = place && { epoch: place.epoch, seq: Math.min(place.seq, ...news.map(({ seq }) => seq - 1)) };
    if (!(channel.subscribed && isWhole)) tell(isWhole);
    advance();
  }
}
