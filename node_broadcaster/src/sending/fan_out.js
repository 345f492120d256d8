/**
 * What a broadcast does next: whom to post to, what an answer means, when to try again, when to give up.
 *
 * No I/O, no clock, no sleep: time comes in as an argument (seconds of a monotonic clock), chance as a function.
 *
 * | answer | outcome |
 * |---|---|
 * | 2xx | sent |
 * | 410, or 400 for the id | stale |
 * | 429 on this connection alone | a slow reader: again after a back-off, at most `attempts` times, then failed |
 * | 429 on nearly everybody | the account is throttled: all pause, and it does not count as an attempt |
 * | 5xx, 408, or none at all | again after a back-off, at most `attempts` times, then failed |
 * | none within the timeout | once more, then failed: such posts have been seen to hang for as long as one waits |
 * | 3xx, 401, 403, 404 before anybody was reached | `RefusedError`: it would be the same for all |
 * | the same after somebody was reached | failed; after many in a row everybody who is left |
 * | any other | failed |
 *
 * The same decisions as in the Python library; tests/contract/outcomes.json holds both to them.
 */
"use strict";

const { RefusedError } = require("../errors.js");
const { makeResult } = require("../results.js");
const { ThrottleWatch } = require("./pace.js");
const { describeError, explainRefusal, isAboutTheId, isAboutTheSignature, isRefusal } = require("./refusals.js");
const { DEFAULT_ATTEMPTS, DEFAULT_CONCURRENCY } = require("./settings.js");
const { Targets } = require("./targets.js");

const FIRST_BACKOFF = 0.1; // seconds; doubled each time
const SLOW_READER_BACKOFF = 0.4;
const LONGEST_BACKOFF = 2;
const TIMEOUT_ATTEMPTS = 2;
const THROTTLED_TIMES = 10; // how often one connection waits for the account's throttle before it counts as failed
const REFUSALS_IN_A_ROW = 20;
const GRANT = 32; // requests granted at a time

/**
 * The state of one broadcast. Every target ends in exactly one of sent, stale and failed.
 *
 * `pages` is what `Targets` reads; `url` is for error texts; `deadline` is on the clock that `now` is read from;
 * `random` returns 0 to 1; `renew()` is asked once, after a refusal that may be about the signature: whether
 * signing again may help.
 */
class FanOut {
  inFlight = 0;
  sent = 0;
  stale = []; // those that the driver has not taken away yet
  failures = [];
  refused = null; // why nobody can be reached: the text of a RefusedError
  #url;
  #pace;
  #attempts;
  #concurrency;
  #random;
  #renew;
  #staleCount = 0;
  #targets;
  #tries = new Map(); // of those that did not answer well the first time
  #granted = 0;
  #renewed = null;
  #answers = 0; // other than 2xx
  #throttles = new ThrottleWatch();
  #suspicion = null;
  #suspects = [];
  #refusalsInARow = 0;
  #isTroubled = false; // whether a success would clear a suspicion

  constructor(
    pages,
    {
      url,
      pace,
      deadline,
      attempts = DEFAULT_ATTEMPTS,
      concurrency = DEFAULT_CONCURRENCY,
      random = Math.random,
      renew = () => false,
    },
  ) {
    this.deadline = deadline;
    this.#targets = new Targets(pages);
    this.#url = url;
    this.#pace = pace;
    this.#attempts = attempts;
    this.#concurrency = concurrency;
    this.#random = random;
    this.#renew = renew;
  }

  // Whom next

  /** Return whom to post to now; undefined if nobody can be at the moment, and `wakeAt` tells when to ask again. */
  take(now) {
    if (this.inFlight >= this.#concurrency || this.#suspicion !== null) return undefined;
    if (!this.#granted && !this.#askForGrant(now)) return undefined;
    const connectionId = this.#targets.take(now);
    if (connectionId !== undefined) {
      this.#granted -= 1;
      this.inFlight += 1;
    }
    return connectionId;
  }

  /** Read one more page if fewer than `count` targets are known; return whether there may be more to read ahead. */
  readAhead(count) {
    return this.#targets.readAhead(count);
  }

  /** Return how many targets could be posted to now, as far as they have been read. */
  waiting(now) {
    return this.#suspicion === null ? this.#targets.waiting(now) : 0;
  }

  /** Return when to ask `take`, or `isDone`, again if no answer and no page arrives before. */
  wakeAt(now) {
    let due = this.#targets.nextAt(now);
    if (this.isDone) return now;
    if (this.inFlight >= this.#concurrency || this.#suspicion !== null) return this.deadline;
    if (!this.#granted) due = Math.max(due, this.#pace.nextGrant(now));
    // Past the deadline all that is left is a page that is not there yet.
    return now < this.deadline ? Math.min(due, this.deadline) : due;
  }

  /** Whether every target has its outcome, or the broadcast is refused and nothing is in flight any more. */
  get isDone() {
    return !this.inFlight && (this.refused !== null || this.#targets.isEmpty);
  }

  // What became of it

  /** Take the answer to a post: `{ status, headers, body }`. */
  answered(connectionId, answer, now) {
    const { status } = answer;
    if (status >= 200 && status < 300) {
      this.sent += 1;
      this.inFlight -= 1;
      if (this.#isTroubled) this.#somebodyWasReached();
      return;
    }
    this.#answers += 1;
    if (status === 410 || (status === 400 && isAboutTheId(answer.headers, answer.body))) {
      this.inFlight -= 1;
      this.stale.push(connectionId);
      this.#staleCount += 1;
      this.#somebodyWasReached();
    } else if (isRefusal(status)) {
      this.#takeRefusal(connectionId, answer);
    } else if (status === 429) {
      this.#takeThrottling(connectionId, now);
    } else if (status >= 500 || status === 408) {
      this.#again(connectionId, `HTTP ${status}`, status, now, FIRST_BACKOFF);
    } else {
      this.#fail(connectionId, describe(answer), status);
    }
  }

  /** Take that no answer came; the message may have been delivered or not. It is tried again. */
  lost(connectionId, reason, now, { timedOut = false } = {}) {
    if (timedOut) {
      const tries = this.#triesOf(connectionId);
      tries.timeouts += 1;
      if (tries.timeouts >= TIMEOUT_ATTEMPTS) {
        this.#fail(connectionId, `${reason} (${tries.attempts + 1} attempts)`, null);
        return;
      }
    }
    this.#again(connectionId, reason, null, now, FIRST_BACKOFF);
  }

  /**
   * Take that a kept-alive connection was closed without a byte of an answer.
   *
   * Nearly always the far side had closed it before the post arrived, so that it goes again at once and uncounted; if
   * the same happens once more it counts. Should the server have read the post and then closed, the message is
   * delivered twice: the price of not losing it.
   */
  lostOnKept(connectionId, reason, now) {
    const tries = this.#triesOf(connectionId);
    tries.kept += 1;
    if (tries.kept > 1) this.#again(connectionId, reason, null, now, FIRST_BACKOFF);
    else this.#putBack(connectionId);
  }

  /**
   * Take that no connection can be opened, after as many tries as make sense.
   *
   * If nobody was reached, not even by what is still in flight, that ends the broadcast. Otherwise it is a passing
   * fault, for as long as the deadline allows.
   */
  cannotConnect(reason) {
    if (!this.#reached) {
      this.#isTroubled = true;
      this.#suspicion = `${this.#url} cannot be reached: ${reason}`;
      this.#judgeSuspects();
    }
  }

  /** Count everybody who has no outcome yet as failed, those in flight too, whose posts the driver has abandoned. */
  end(reason, inFlight = []) {
    for (const connectionId of inFlight) this.#fail(connectionId, reason, null);
    this.#judgeSuspects();
    if (this.refused !== null) return;
    for (const connectionId of this.#targets.drain()) this.#countFailed(connectionId, reason, null);
  }

  /** End because the deadline has come. */
  giveUp(inFlight) {
    const throttled = this.#pace.isReduced ? "; the account's requests are throttled (HTTP 429)" : "";
    this.end(`not answered by the broadcast's deadline${throttled}`, inFlight);
  }

  /** Return the connections that were found to be gone since this was called last. */
  takeStale() {
    return this.stale.splice(0);
  }

  /** Return the outcome; throw a RefusedError if nobody was reached, and nobody could be. */
  result() {
    this.#returnGrant();
    if (this.refused !== null) throw new RefusedError(this.refused);
    return makeResult(this.sent, this.failures, this.#staleCount);
  }

  // Why

  /** Whether API Gateway has acted on a post of this broadcast, so that address and access must be right. */
  get #reached() {
    return this.sent > 0 || this.#staleCount > 0;
  }

  /** Ask the pace for as many requests as there are targets, within reason; return whether it gave any. */
  #askForGrant(now) {
    this.#targets.read();
    const wanted = this.#targets.waiting(now);
    this.#granted = wanted ? this.#pace.grant(Math.min(GRANT, wanted), now) : 0;
    return this.#granted > 0;
  }

  #returnGrant() {
    this.#pace.giveBack(this.#granted);
    this.#granted = 0;
  }

  #triesOf(connectionId) {
    let tries = this.#tries.get(connectionId);
    if (!tries) {
      tries = { attempts: 0, kept: 0, throttled: 0, timeouts: 0, refusals: 0 };
      this.#tries.set(connectionId, tries);
    }
    return tries;
  }

  /** Try this connection again after a while, unless it has had its attempts. */
  #again(connectionId, reason, status, now, backoff) {
    const tries = this.#triesOf(connectionId);
    tries.attempts += 1;
    if (tries.attempts >= this.#attempts) {
      this.#fail(connectionId, tries.attempts > 1 ? `${reason} (${tries.attempts} attempts)` : reason, status);
      return;
    }
    // Between half and the whole of it, so that those that failed together do not come back together.
    const wait = Math.min(backoff * 2 ** (tries.attempts - 1), LONGEST_BACKOFF) * (0.5 + this.#random() / 2);
    this.#retryAt(now + wait, connectionId);
  }

  #retryAt(when, connectionId) {
    this.inFlight -= 1;
    this.#targets.postpone(connectionId, when);
    this.#judgeSuspects();
  }

  /** Tell a slow reader from a throttled account by who else was throttled lately. */
  #takeThrottling(connectionId, now) {
    if (!this.#throttles.isEverybody(connectionId, this.sent + this.#answers)) {
      const reason = "throttled, or its client reads too slowly (HTTP 429)";
      this.#again(connectionId, reason, 429, now, SLOW_READER_BACKOFF);
      return;
    }
    const tries = this.#triesOf(connectionId);
    tries.throttled += 1;
    if (tries.throttled >= THROTTLED_TIMES) {
      const reason = `the account's requests are throttled (HTTP 429, ${tries.throttled} times)`;
      this.#fail(connectionId, reason, 429);
      return;
    }
    this.#pace.throttled(now, this.#random());
    this.#returnGrant();
    this.#retryAt(this.#pace.pausedUntil, connectionId);
  }

  /** Let it go first, uncounted. */
  #putBack(connectionId) {
    this.inFlight -= 1;
    this.#granted += 1;
    this.#targets.putFirst(connectionId);
    this.#judgeSuspects();
  }

  #takeRefusal(connectionId, answer) {
    const error = describeError(answer.headers, answer.body);
    if (this.#renewed === null && isAboutTheSignature(error)) this.#renewed = this.#renew();
    if (this.#renewed) {
      const tries = this.#triesOf(connectionId);
      tries.refusals += 1;
      if (tries.refusals === 1) {
        this.#putBack(connectionId);
        return;
      }
    }
    this.inFlight -= 1;
    this.#refusalsInARow += 1;
    this.#isTroubled = true;
    const text = explainRefusal(answer.status, error, this.#url);
    if (this.#reached) {
      this.#countFailed(connectionId, describe(answer), answer.status);
      if (this.#refusalsInARow >= REFUSALS_IN_A_ROW) this.end(text);
    } else {
      // Hold everything back until those in flight have told whether it is the same for everybody.
      this.#suspicion ??= text;
      this.#suspects.push({ connectionId, reason: describe(answer), status: answer.status });
      this.#judgeSuspects();
    }
  }

  #somebodyWasReached() {
    this.#refusalsInARow = 0;
    this.#isTroubled = false;
    this.#judgeSuspects();
  }

  /** Look whether it is known by now if what went wrong before anybody was reached is the same for everybody. */
  #judgeSuspects() {
    if (this.#suspicion === null) return;
    if (this.#reached) {
      this.#suspicion = null;
      this.failures.push(...this.#suspects.splice(0));
    } else if (!this.inFlight) {
      this.refused ??= this.#suspicion;
      this.#targets.clear();
    }
  }

  #fail(connectionId, reason, status) {
    this.inFlight -= 1;
    this.#countFailed(connectionId, reason, status);
    this.#judgeSuspects();
  }

  #countFailed(connectionId, reason, status) {
    this.failures.push({ connectionId, reason, status });
  }
}

function describe({ status, headers, body }) {
  const error = describeError(headers, body);
  return error ? `HTTP ${status}: ${error}` : `HTTP ${status}`;
}

module.exports = { FanOut };
