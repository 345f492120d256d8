/** Which rows from before deployments were kept apart are still to be read: for one life of a connection, no longer. */
"use strict";

const { LIFE, PAUSE } = require("./unscoped.js");

const MOST_KNOWN = 10_000; // channels

/** Remembers for a minute which old lists were empty, so that they cost next to nothing. Does no I/O; in seconds. */
class OldRows {
  #until;
  #lookAt = new Map(); // channel -> when to look again at a list that was empty

  constructor(now) {
    this.#until = now + LIFE;
  }

  /** Tell whether a connection may still be in such rows. */
  mayExist(now) {
    return now < this.#until;
  }

  /** Tell whether the old list of a channel is to be read now. */
  isToBeRead(channel, now) {
    return now < this.#until && (this.#lookAt.get(channel) ?? now) <= now;
  }

  /** Record that the old list of a channel had nobody in it. */
  foundEmpty(channel, now) {
    if (this.#lookAt.size >= MOST_KNOWN) this.#lookAt.clear();
    this.#lookAt.set(channel, now + PAUSE);
  }
}

module.exports = { OldRows };
