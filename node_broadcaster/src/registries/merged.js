/** Sorted lists of ids as one, each id once, without holding any of them in memory. */
"use strict";

const { PAGE_SIZE } = require("./lifetime.js");

/**
 * Yield the ids of all lists, sorted, each once, in non-empty lists of at most `size`; each gives pages of sorted ids.
 */
async function* eachOnce(lists, size = PAGE_SIZE) {
  let sides = await filled(lists.map((pages) => new Side(pages)));
  let ready = [];
  while (sides.length) {
    // Everything up to the smallest of the last ids can be ordered now.
    const bound = sides.map(({ page }) => page.at(-1)).reduce((least, last) => (last < least ? last : least));
    const ids = sides.flatMap((side) => side.takeUpTo(bound));
    ready.push(...(sides.length > 1 ? new Set(ids.sort()) : ids));
    sides = await filled(sides);
    while (ready.length >= size) yield ready.splice(0, size);
  }
  if (ready.length) yield ready;
}

/** Read on where nothing is left; return those that are not at their end. */
async function filled(sides) {
  await Promise.all(sides.map((side) => side.fill()));
  return sides.filter(({ page }) => page.length);
}

/** One of the lists, and what was read of it and not yet taken. */
class Side {
  page = [];
  #pages;

  constructor(pages) {
    this.#pages = pages[Symbol.asyncIterator]();
  }

  /** Read on if nothing is left; the page stays empty at the end. */
  async fill() {
    while (!this.page.length) {
      const { done, value } = await this.#pages.next();
      if (done) return;
      this.page = value;
    }
  }

  takeUpTo(bound) {
    const { page } = this;
    const end = page.findIndex((connectionId) => connectionId > bound);
    this.page = end < 0 ? [] : page.slice(end); // the page itself is left as whoever gave it may look at it
    return end < 0 ? page : page.slice(0, end);
  }
}

module.exports = { eachOnce };
