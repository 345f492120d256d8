/** The listeners of one broadcast, read from a registry page by page while it is sent. */
"use strict";

const { RegistryError } = require("../errors.js");

// Each names another path than that of a connection, so neither is posted to. Nothing here registers them, but whoever
// can write where the entries live could put one there, and one such entry must not end the broadcast for everybody.
const IS_ID = /^[A-Za-z0-9_-]+={0,2}$/;

/**
 * The pages of a registry, of which the first is read at once, so that a registry that is away ends it all.
 *
 * When a later page cannot be read the pages end there: whoever was read before is still sent to, for leaving them out
 * would lose the event for them too. `error` says why the pages ended too early, if they did.
 */
class Listeners {
  error = null;
  #pages;
  #next; // undefined: none any more; null: on its way
  #whenThere = () => {};

  /** Read the first page; reject with a RegistryError if it cannot be read. */
  static async begin(pages) {
    const listeners = new Listeners(pages[Symbol.asyncIterator]());
    listeners.#next = await listeners.#page();
    return listeners;
  }

  constructor(pages) {
    this.#pages = pages;
  }

  /** Whether nobody listens; to be asked before the pages are read. */
  get isEmpty() {
    return this.#next === undefined;
  }

  /** Call this function whenever a page is there that was not when `read` asked for it. */
  whenThere(call) {
    this.#whenThere = call;
  }

  /** Return a page, null if the next one is not there yet, or undefined if there is none any more. */
  read() {
    const page = this.#next;
    if (page) {
      this.#next = null;
      this.#page()
        .catch((error) => this.#endWith(error))
        .then((next) => {
          this.#next = next;
          this.#whenThere();
        });
    }
    return page;
  }

  async #page() {
    for (;;) {
      const { done, value } = await this.#pages.next();
      if (done) return undefined;
      const ids = value.filter((connectionId) => IS_ID.test(connectionId));
      if (ids.length) return ids;
    }
  }

  #endWith(error) {
    this.error = error instanceof RegistryError ? error : new RegistryError(error.message, { cause: error });
  }
}

module.exports = { Listeners };
