/** The listeners of one broadcast, read from a registry page by page while it is sent. */
"use strict";

const { BroadcasterError, RegistryError, show } = require("../errors.js");

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

  /** Read the first page; reject with a RegistryError if it cannot be read, or another error of ours. */
  static async begin(registry, channel) {
    const listeners = new Listeners(connectionsIn(registry, channel));
    try {
      listeners.#next = await listeners.#page();
    } catch (error) {
      throw error instanceof BroadcasterError ? error : brokenOff(error);
    }
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
    return (await this.#pages.next()).value;
  }

  #endWith(error) {
    // Of a registry that is somebody's own, or of credentials that are gone.
    this.error = error instanceof RegistryError ? error : brokenOff(error);
  }
}

/** Yield the pages of a registry without what no connection can be posted to by; throw for what is no text. */
async function* connectionsIn(registry, channel) {
  for await (const page of registry.pages(channel)) {
    for (const connectionId of page) {
      if (typeof connectionId === "string") continue;
      throw new RegistryError(`the registry lists ${show(connectionId)}, which is no text; connection ids are strings`);
    }
    const ids = page.filter((connectionId) => IS_ID.test(connectionId));
    if (ids.length) yield ids;
  }
}

function brokenOff(error) {
  const words = error instanceof Error ? `${error.name}: ${error.message}` : show(error);
  return new RegistryError(`the list of connections broke off: ${words}`, { cause: error });
}

module.exports = { Listeners };
