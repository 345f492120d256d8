/** How fast requests may go out: a token bucket that also learns from throttling. No I/O, no clock. */
"use strict";

const { DEFAULT_RATE } = require("./settings.js");

const BURST_SECONDS = 0.5; // AWS lets half a second's requests go at once; the source is in settings.js
// One waits for the requests of so many seconds at once; waking up for each would cost more than sending it.
const GRANT_SECONDS = 0.004;
const FIRST_PAUSE = 0.1; // seconds
const LONGEST_PAUSE = 2;
const SLOWEST_SHARE = 0.02; // of the set rate
const RECOVERY_SHARE = 0.1; // of the set rate, gained back in each second without throttling
const CALM_AFTER = 5; // seconds without throttling after which the next pause is a first one again

/** Grants requests at no more than `rate` per second (`Infinity`: no limit), fewer after everybody was throttled. */
class Pace {
  pausedUntil = -Infinity;
  #fullRate;
  #burst;
  #tokens;
  #filledAt = null;
  #rate;
  #throttledAt = -Infinity;
  #pause = FIRST_PAUSE;

  constructor(rate = DEFAULT_RATE) {
    this.#fullRate = this.#rate = rate;
    this.#burst = this.#tokens = Math.max(1, rate * BURST_SECONDS);
  }

  /** Return how many of the wanted requests may go out now; the rest has to wait until `nextGrant`. */
  grant(wanted, now) {
    if (now < this.pausedUntil) return 0;
    if (this.#fullRate === Infinity) return wanted;
    this.#fill(now);
    const granted = Math.min(wanted, Math.floor(this.#tokens));
    this.#tokens -= granted;
    return granted;
  }

  /** Return what was granted and not used. */
  giveBack(granted) {
    this.#tokens = Math.min(this.#burst, this.#tokens + granted);
  }

  /** Return the time at which one more request may go out; `now` or earlier if it may at once. */
  nextGrant(now) {
    if (this.#fullRate === Infinity) return this.pausedUntil;
    this.#fill(now);
    if (this.#tokens >= 1) return Math.max(this.pausedUntil, now);
    const missing = Math.max(1, this.#rate * GRANT_SECONDS) - this.#tokens;
    // A hair later than exact, so that rounding cannot leave the caller a moment before a whole token.
    return Math.max(this.pausedUntil, now + missing / this.#rate + 1e-6);
  }

  /** Whether it is slower than it was set to be, because the account was throttled. */
  get isReduced() {
    return this.#rate < this.#fullRate;
  }

  /**
   * Pause all and go on at half the rate: not one connection but everybody was throttled.
   *
   * What arrives during the pause was sent before it and changes nothing. `jitter` is 0 to 1, random, so that several
   * processes do not come back at the same moment.
   */
  throttled(now, jitter) {
    if (now < this.pausedUntil) return;
    if (this.#fullRate < Infinity) {
      this.#fill(now);
      this.#rate = Math.max(this.#rate / 2, this.#fullRate * SLOWEST_SHARE);
      this.#tokens = Math.min(this.#tokens, this.#rate * BURST_SECONDS);
    }
    const isCalm = now - this.#throttledAt > CALM_AFTER;
    this.#pause = isCalm ? FIRST_PAUSE : Math.min(this.#pause * 2, LONGEST_PAUSE);
    this.#throttledAt = now;
    this.pausedUntil = now + this.#pause * (0.5 + jitter / 2);
  }

  #fill(now) {
    this.#filledAt ??= now;
    const passed = now - this.#filledAt;
    if (passed <= 0) return;
    this.#filledAt = now;
    this.#tokens = Math.min(this.#burst, this.#tokens + passed * this.#rate);
    this.#rate = Math.min(this.#fullRate, this.#rate + passed * this.#fullRate * RECOVERY_SHARE);
  }
}

const SAMPLE = 8;
const WINDOW = 16;
const CONNECTIONS = 6;

/**
 * Tells one slow reader's 429 from a throttled account's, by who else was throttled lately in the same broadcast.
 *
 * It is everybody if of the latest sixteen answers half are 429, for at least six connections.
 */
class ThrottleWatch {
  #latest = []; // [number of the answer, connection id]

  /** Take that this connection was throttled, in the answer of this number; return whether it is everybody. */
  isEverybody(connectionId, number) {
    this.#latest.push([number, connectionId]);
    if (this.#latest.length > SAMPLE) this.#latest.shift();
    return (
      this.#latest.length === SAMPLE &&
      number - this.#latest[0][0] < WINDOW &&
      new Set(this.#latest.map(([, throttled]) => throttled)).size >= CONNECTIONS
    );
  }
}

module.exports = { Pace, ThrottleWatch };
