/** Two sorted lists of ids as one, each id once, without holding either in memory. */
"use strict";

const { PAGE_SIZE } = require("./lifetime.js");

/** Yield the ids of both, sorted, each once, in non-empty lists of at most `size`; either gives pages of sorted ids. */
async function* eachOnce(left, right, size = PAGE_SIZE) {
  const sides = [new Side(left), new Side(right)];
  await Promise.all(sides.map((side) => side.fill()));
  let ready = [];
  while (sides.every(({ page }) => page.length)) {
    // Everything up to the smaller of the two last ids can be ordered now.
    const lasts = sides.map(({ page }) => page.at(-1));
    const bound = lasts[0] < lasts[1] ? lasts[0] : lasts[1];
    ready.push(...new Set(sides.flatMap((side) => side.takeUpTo(bound)).sort()));
    await Promise.all(sides.map((side) => side.fill()));
    while (ready.length >= size) yield ready.splice(0, size);
  }
  for (const side of sides) {
    while (side.page.length) {
      ready.push(...side.page.splice(0));
      while (ready.length >= size) yield ready.splice(0, size);
      await side.fill();
    }
  }
  if (ready.length) yield ready;
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
    const end = this.page.findIndex((connectionId) => connectionId > bound);
    return this.page.splice(0, end < 0 ? this.page.length : end);
  }
}

module.exports = { eachOnce };
