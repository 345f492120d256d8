/**
 * When to read the lists from before registries kept deployments apart: for one life of a connection, and no longer.
 */
"use strict";

const { ENTRY_LIFETIME } = require("./lifetime.js");

// A process of an older version may register connections until this one has taken its place.
const LIFE = ENTRY_LIFETIME + 300; // seconds: 2 hours and 10 minutes
const PAUSE = 60; // seconds

/** Tells whether there may be connections in the lists without a scope. Does no I/O; `now` is in seconds. */
class Unscoped {
  #until;
  #lookAt;
  #hasSome = true;

  constructor(now) {
    this.#until = now + LIFE;
    this.#lookAt = now;
  }

  /** Return whether to look if there are any, and to say so to `found`: at first, and then once a minute. */
  isToBeLookedFor(now) {
    return this.#lookAt <= now && now < this.#until;
  }

  found(hasSome, now) {
    this.#hasSome = hasSome;
    this.#lookAt = now + PAUSE;
  }

  /** Return whether to read them now, and to remove from them what is removed. */
  areRead(now) {
    return this.#hasSome && now < this.#until;
  }
}

module.exports = { LIFE, PAUSE, Unscoped };
