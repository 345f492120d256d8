/** One broadcast, or one single request, on its way through the sender. */
"use strict";

const { ConnectionSigner } = require("../aws/signing.js");
const { ConfigurationError } = require("../errors.js");
const { serverOffset } = require("./clock_skew.js");
const { FanOut } = require("./fan_out.js");
const { describeError, isAboutTheSignature, isRefusal } = require("./refusals.js");

// A signature is good for five minutes around its time; one that is a minute old survives clocks that differ by four.
const SIGN_AGAIN_AFTER = 60; // seconds
const STALE_BATCH = 1000;

/**
 * What the sender needs to know of a broadcast: what to send, to whom next, and when to stop.
 *
 * `onStale` gets the connections that are gone, in batches, and must not reject; `wake` is called when something
 * that `isReady` had to wait for is there; `wallClock` is the time of day in seconds, which signatures carry.
 */
class Task {
  last = null; // the last answer, for a single request
  hasHadLink = false; // whether anything was posted
  #endpoint;
  #source;
  #onStale;
  #wake;
  #wallClock;
  #credentials;
  #signedAt = -Infinity;
  #offset = 0; // what the server's clock shows more than ours
  #refreshing = null; // a promise
  #renewal = null; // a promise of whether signing again may help, once asked
  #hasRenewed = false;
  #removals = [];

  constructor({ method, body, pages, endpoint, credentials, onStale = async () => {}, wake, wallClock, ...options }) {
    this.method = method;
    this.body = body;
    this.#endpoint = endpoint;
    this.#source = credentials;
    this.#onStale = onStale;
    this.#wake = wake;
    this.#wallClock = wallClock;
    this.fanOut = new FanOut(pages, { url: endpoint.url, renew: () => this.#hasRenewed, ...options });
    this.outcome = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
  }

  /** Tell whether posts can be signed now; otherwise begin to find credentials, and wake the sender after that. */
  get isReady() {
    if (this.#refreshing) return false;
    if (Math.abs(this.#wallClock() - this.#signedAt) <= SIGN_AGAIN_AFTER) return true;
    this.#refreshing = this.#source
      .read()
      .then(
        (credentials) => this.#sign(credentials),
        (error) => this.abort(error),
      )
      .finally(() => {
        this.#refreshing = null;
        this.#wake();
      });
    return false;
  }

  /** What ended the broadcast before its time. */
  error = null;

  abort(error) {
    this.error ??= error;
  }

  /** Take an answer; one that may be about the signature waits until it is known whether signing again may help. */
  answered(connectionId, answer, now) {
    this.last = answer;
    if (isRefusal(answer.status)) {
      const error = describeError(answer.headers, answer.body);
      if (isAboutTheSignature(error)) {
        this.#renewal ??= this.#renew(answer.headers);
        return this.#renewal.then(() => this.fanOut.answered(connectionId, answer, now));
      }
    }
    this.fanOut.answered(connectionId, answer, now);
    return undefined;
  }

  /** Hand over the connections that are gone, if they are many or if it is the end. */
  reportStale({ all = false } = {}) {
    const { fanOut } = this;
    if (!all && fanOut.stale.length < STALE_BATCH) return;
    const stale = fanOut.takeStale();
    for (let start = 0; start < stale.length; start += STALE_BATCH) {
      this.#removals.push(this.#onStale(stale.slice(start, start + STALE_BATCH)));
    }
  }

  /** Settle `outcome`, after the connections that are gone have left the registry. */
  async finish() {
    this.reportStale({ all: true });
    await Promise.all(this.#removals);
    try {
      if (this.error) throw this.error;
      this.resolve(this.fanOut.result());
    } catch (error) {
      this.reject(error);
    }
  }

  #sign(credentials) {
    const { authority: host, region, basePath } = this.#endpoint;
    const now = this.#wallClock();
    this.#credentials = credentials;
    this.#signedAt = now;
    const { method, body } = this;
    this.signer = new ConnectionSigner(credentials, { host, region, basePath, method, body, now: now + this.#offset });
  }

  /** Look whether old credentials or a wrong clock were the reason, and sign again. */
  async #renew(headers) {
    const before = { ...this.#credentials, offset: this.#offset };
    let credentials;
    try {
      credentials = await this.#source.read({ anew: true });
    } catch (error) {
      if (error instanceof ConfigurationError) return;
      throw error;
    }
    this.#offset = serverOffset(headers, this.#wallClock());
    this.#sign(credentials);
    const after = { ...credentials, offset: this.#offset };
    this.#hasRenewed = Object.keys({ ...before, ...after }).some((name) => before[name] !== after[name]);
  }
}

module.exports = { Task };
