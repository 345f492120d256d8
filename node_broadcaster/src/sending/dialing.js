/**
 * How many connections to the service are worth opening, and what to make of those that cannot be. No I/O, no clock.
 *
 * A link is one kept connection between this process and the service, as opposed to the browsers' connections.
 */
"use strict";

// A TLS handshake costs as much CPU as 20 to 50 messages, so a link has to carry some to be worth it.
const MESSAGES_PER_LINK = 40;
// So many are opened for a handful of messages already, so that one that hangs does not hold up the others.
const FIRST_LINKS = 8;
// At a time: while these are shaking hands the open ones work, and perhaps no more are needed.
const MOST_OPENING = 32;
const FIRST_BACKOFF = 0.1; // seconds; doubled each time
const LONGEST_BACKOFF = 1;

/**
 * Return how many more links to open now.
 *
 * `waiting`: messages that could be sent if there were a link for them. `moving`: links that work or can:
 * free, answering in time, or about to be open. `opening`: those being opened. `room`: how many more may be.
 */
function linksToOpen({ waiting, moving, opening, room }) {
  const useful = Math.min(waiting, Math.max(FIRST_LINKS, Math.ceil(waiting / MESSAGES_PER_LINK)));
  return Math.max(0, Math.min(useful - moving, MOST_OPENING - opening, room));
}

/**
 * What opening links has come to lately: when it may be tried again, and whether there is no hope.
 *
 * Failures are counted in rounds, because links that are being opened at the same time fail for the same reason;
 * after `rounds` of them in which nothing opened there is no hope.
 */
class Dialing {
  nextAt = -Infinity;
  reason = "";
  #rounds;
  #failedRounds = 0;
  #roundBegan = -Infinity;
  #backoff = FIRST_BACKOFF;
  #isFinal = false;

  constructor(rounds) {
    this.#rounds = rounds;
  }

  /** Take that one has been opened: all is well. */
  opened() {
    this.#failedRounds = 0;
    this.#backoff = FIRST_BACKOFF;
    this.#isFinal = false;
    this.reason = "";
  }

  /**
   * Take that one could not be opened, which was tried at `began`; `isFinal`: trying again would give the same, e.g. a
   * certificate that is not trusted.
   */
  failed(reason, began, now, { isFinal = false } = {}) {
    this.reason = reason;
    this.#isFinal ||= isFinal;
    if (began < this.#roundBegan) return;
    this.#failedRounds += 1;
    this.#roundBegan = now;
    this.nextAt = now + this.#backoff;
    this.#backoff = Math.min(this.#backoff * 2, LONGEST_BACKOFF);
  }

  /** Count anew, after a pause: the caller has taken note that there was no hope, and wants to go on. */
  startOver(now) {
    this.#failedRounds = 0;
    this.#isFinal = false;
    this.nextAt = now + this.#backoff;
  }

  get isHopeless() {
    return this.#isFinal || this.#failedRounds >= this.#rounds;
  }
}

module.exports = { Dialing, MESSAGES_PER_LINK, linksToOpen };
