/** History as a backend keeps it: a number and a place in one step; what it has forgotten is not recovered. */
export class Store {
  channels = new Map(); // name -> { epoch, seq, messages }
  #epochs = 0; // whose names sort by when they began

  /** Stores a message of some events; returns it as it is then posted. */
  append(channel, events) {
    const log = this.#log(channel);
    const content = events.length === 1 ? events[0] : { events };
    const message = { channel, ...content, epoch: log.epoch, seq: ++log.seq };
    log.messages.push(message);
    return message;
  }

  /** All of a channel's rows are gone, and with them its epoch. */
  expire(channel) {
    this.channels.delete(channel);
  }

  /** Keeps the newest alone, as a bound on their number does. */
  trim(channel, count) {
    const log = this.#log(channel);
    log.messages = count ? log.messages.slice(-count) : [];
  }

  read({ channel, since, rewind }, limit = Infinity) {
    const { epoch, seq, messages } = this.#log(channel);
    const oldest = messages[0]?.seq ?? seq + 1;
    const recovered = !since || (since.epoch === epoch && since.seq <= seq && since.seq + 1 >= oldest);
    let wanted = recovered && since ? messages.filter((message) => message.seq > since.seq) : [];
    if (!since) {
      for (let i = messages.length - 1, events = 0; i >= 0 && events < rewind; i--) {
        events += messages[i].events?.length ?? 1;
        wanted.unshift(messages[i]);
      }
    }
    return { channel, epoch, seq, recovered, messages: wanted.slice(0, limit), more: wanted.length > limit };
  }

  #log(channel) {
    if (!this.channels.has(channel)) this.channels.set(channel, { epoch: `e${String(++this.#epochs).padStart(3, "0")}`, seq: 0, messages: [] });
    return this.channels.get(channel);
  }
}
