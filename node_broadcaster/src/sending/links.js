/** All connections to the service: opening them, keeping the free ones, giving up those that do not answer. */
"use strict";

const http = require("node:http");
const https = require("node:https");
const { Dialing, linksToOpen } = require("./dialing.js");
const { Link } = require("./link.js");

// Firewalls, NAT and load balancers forget a silent connection after a minute at the earliest.
const MOST_IDLE = 50; // seconds
const RECENTLY = 1; // seconds; one that was free for longer may have been closed on the far side without our knowing
// A link that has waited longer than this for an answer, or to be open, is not one that gets work done.
const STUCK_AFTER = 0.1; // seconds
const SLOW_OPENING_AFTER = 0.3;

/**
 * The links to one endpoint.
 *
 * `owner` is told of what happens: `opened(link)`, `answered(link, answer)`, `lost(link, reason, { onKept, timedOut })`
 * of one that carried a request, `closed()` of one that did not.
 */
class Links {
  #endpoint;
  #timeout;
  #attempts;
  #owner;
  #clock;
  #agent;
  #session; // what resumes a TLS session, which saves the next link half of the handshake's work
  #all = new Set();
  #idle = []; // the one used last comes first out
  #dialing;

  constructor(endpoint, { timeout, attempts }, owner, clock) {
    this.#endpoint = endpoint;
    this.#timeout = timeout;
    this.#attempts = attempts;
    this.#owner = owner;
    this.#clock = clock;
    const { Agent } = endpoint.scheme === "https" ? https : http;
    this.#agent = new Agent();
    this.#dialing = new Dialing(attempts);
  }

  // Opening

  /** Take that somebody new wants to send: what could not be reached last time may be reached now. */
  begin(now) {
    if (!this.#all.size) this.#dialing = new Dialing(this.#attempts);
    for (const link of this.#idle.filter(({ since }) => now - since > MOST_IDLE)) this.#close(link);
  }

  /** Begin to open as many links as so many messages are worth; `room`: how many requests may be in flight. */
  openMore(waiting, room, now) {
    if (now < this.#dialing.nextAt) return;
    let [opening, slowOpening, stuck] = [0, 0, 0];
    for (const link of this.#all) {
      const age = now - link.since;
      if (!link.isOpen) opening += 1;
      if (!link.isOpen && age > SLOW_OPENING_AFTER) slowOpening += 1;
      if (link.task && age > STUCK_AFTER) stuck += 1;
    }
    const count = linksToOpen({
      waiting,
      moving: this.#all.size - slowOpening - stuck,
      opening: opening - slowOpening,
      room: room - this.#all.size + slowOpening,
    });
    for (let number = 0; number < count; number += 1) this.#open(now);
  }

  /** Why there is no hope to open a link, if there is none open either; null as long as there is hope. */
  get whyUnreachable() {
    return this.#dialing.isHopeless && !this.#all.size ? this.#dialing.reason : null;
  }

  /** Why no link is open at the moment; null if one is. */
  get whyNotOpen() {
    for (const link of this.#all) if (link.isOpen) return null;
    return this.#dialing.reason || "no connection could be opened in time";
  }

  /** Try again after all, after a pause. */
  tryOn(now) {
    this.#dialing.startOver(now);
  }

  /** When opening links may be tried again. */
  get retryAt() {
    return this.#dialing.nextAt;
  }

  #open(now) {
    const { scheme, host, port } = this.#endpoint;
    const servername = /^[0-9.]+$|:/.test(host) ? "" : host; // an address has no name to ask for
    const isTls = scheme === "https";
    const socket = this.#agent.createConnection({ host, port, servername, session: this.#session });
    if (isTls) socket.on("session", (session) => (this.#session = session));
    this.#all.add(new Link(socket, { isTls, owner: this, now }));
  }

  // What happens to them

  opened(link) {
    link.since = this.#clock();
    this.#dialing.opened();
    this.#owner.opened(link);
  }

  answered(link, answer) {
    if (link.isClosed) this.#all.delete(link);
    this.#owner.answered(link, answer);
  }

  lost(link, error) {
    const now = this.#clock();
    const wasSilent = link.isKept && !link.hasBegun;
    this.#close(link);
    if (!link.isOpen) this.#dialing.failed(describe(error), link.since, now, { isFinal: isFinal(error) });
    if (!link.task) {
      this.#owner.closed();
      return;
    }
    if (wasSilent) {
      // The others that were left alone for a while may be as dead.
      for (const other of this.#idle.filter(({ since }) => now - since > RECENTLY)) this.#close(other);
    }
    this.#owner.lost(link, describe(error), { onKept: wasSilent });
  }

  // Using

  /** Return a free link, the one that was used last; undefined if there is none. */
  takeIdle() {
    return this.#idle.pop();
  }

  get hasIdle() {
    return this.#idle.length > 0;
  }

  get hasBusy() {
    return this.#all.size > this.#idle.length;
  }

  /** Keep a link that has nothing to do. */
  rest(link, now) {
    link.task = null;
    if (link.isClosed) return;
    link.since = now;
    this.#idle.push(link);
  }

  // Closing

  /** Give up requests without an answer, and links that do not open, after their time. */
  giveUpSlow(now) {
    for (const link of this.#all) {
      if (now - link.since < this.#timeout || (link.isOpen && !link.task)) continue;
      this.#close(link);
      if (link.isOpen) {
        this.#owner.lost(link, `no answer within ${this.#timeout} s`, { timedOut: true });
      } else {
        this.#dialing.failed(`no connection within ${this.#timeout} s`, link.since, now);
        this.#owner.closed();
      }
    }
  }

  /** Close the links on which requests of this task are under way; return whom they were about. */
  abandon(task) {
    const links = [...this.#all].filter((link) => link.task === task);
    for (const link of links) this.#close(link);
    return links.map(({ connectionId }) => connectionId);
  }

  closeAll() {
    for (const link of this.#all) this.#close(link);
  }

  #close(link) {
    link.close();
    this.#all.delete(link);
    const at = this.#idle.indexOf(link);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}

const UNTRUSTED = /^(CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|ERR_TLS_CERT_|SELF_SIGNED_CERT|UNABLE_TO_(GET|VERIFY))/;

/** Tell whether trying again would give the same. */
function isFinal({ code = "" }) {
  return code === "ENOTFOUND" || UNTRUSTED.test(code);
}

/** Return an error's own words on one line. */
function describe(error) {
  const { code = "" } = error;
  // Of a name with several addresses each has an error of its own.
  const words = (error.errors?.map(({ message }) => message).join("; ") || error.message || code).replace(/\s+/g, " ");
  if (code === "ENOTFOUND") return `${words}; check the API id and the region`;
  if (UNTRUSTED.test(code)) {
    return (
      `its certificate is not trusted: ${words}; if it is the right host, name its authority's file in the variable ` +
      "NODE_EXTRA_CA_CERTS"
    );
  }
  return words.slice(0, 200);
}

module.exports = { Links };
