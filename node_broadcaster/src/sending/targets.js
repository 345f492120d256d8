/** Whom a broadcast has still to post to: those read from the registry, and those to try again later. No clock. */
"use strict";

/**
 * A queue of connection ids that reads its pages as they are needed: a million ids never stand in it at once.
 *
 * `pages.read()` returns a page, null if the next one is not there yet, or undefined if there is none any more.
 */
class Targets {
  #pages;
  #hasPages = true;
  #page = []; // being taken from, at #at
  #at = 0;
  #further = []; // pages read ahead
  #first = []; // those to be taken before all others
  #later = []; // [when, connection id], the earliest last

  constructor(pages) {
    this.#pages = pages;
  }

  /** Return the next one, those whose time has come first; undefined if there is nobody now. */
  take(now) {
    if (this.#later.length && this.#later.at(-1)[0] <= now) return this.#later.pop()[1];
    if (this.#first.length) return this.#first.pop();
    if (this.#at < this.#page.length || this.read()) return this.#page[this.#at++];
    return undefined;
  }

  /** Let this one be the next. */
  putFirst(connectionId) {
    this.#first.push(connectionId);
  }

  /** Let this one come back at that time. */
  postpone(connectionId, when) {
    let at = this.#later.length;
    while (at > 0 && this.#later[at - 1][0] <= when) at -= 1;
    this.#later.splice(at, 0, [when, connectionId]);
  }

  /** Return how many could be taken now, as far as they have been read. */
  waiting(now) {
    let count = this.#known;
    for (let at = this.#later.length - 1; at >= 0 && this.#later[at][0] <= now; at -= 1) count += 1;
    return count;
  }

  /** Return when there is somebody to take: `now`, a later time, or never; reads a page to find out. */
  nextAt(now) {
    if (this.#known || this.read()) return now;
    return this.#later.at(-1)?.[0] ?? Infinity;
  }

  /** Whether nobody is left, now or later; reads a page to find out. */
  get isEmpty() {
    return !(this.#known || this.#later.length || this.read() || this.#hasPages);
  }

  /** Read until somebody can be taken at once; return whether somebody can. Reads nothing if so already. */
  read() {
    while (this.#hasPages && !this.#known && this.#readPage());
    return this.#known > 0;
  }

  /** Read one more page if fewer than `count` are known; return whether there may be more to read ahead. */
  readAhead(count) {
    if (!this.#hasPages || this.#known >= count) return false;
    return this.#readPage() && this.#hasPages && this.#known < count;
  }

  /** Take everybody out, at whatever time they were to come; whoever is on a page that is not there yet is left. */
  *drain() {
    while (this.read()) yield this.#first.pop() ?? this.#page[this.#at++];
    yield* this.#later
      .splice(0)
      .reverse()
      .map(([, connectionId]) => connectionId);
  }

  /** Forget everybody, and the pages that were not read. */
  clear() {
    this.#first = [];
    this.#page = [];
    this.#further = [];
    this.#later = [];
    this.#hasPages = false;
  }

  /** How many can be taken at once, and need not be read first. Moves on to the next page where one is at its end. */
  get #known() {
    while (this.#at >= this.#page.length && this.#further.length) {
      this.#page = this.#further.shift();
      this.#at = 0;
    }
    const ahead = this.#further.reduce((sum, page) => sum + page.length, 0);
    return this.#first.length + this.#page.length - this.#at + ahead;
  }

  /** Read a page if it is there; return whether it was, or it is known that there is none any more. */
  #readPage() {
    const page = this.#pages.read();
    if (page === null) return false;
    if (page === undefined) this.#hasPages = false;
    else this.#further.push(page);
    return true;
  }
}

module.exports = { Targets };
