/**
 * Where in a list a broadcast begins: at a different place each time, so that nobody is always the last.
 *
 * A broadcast that its deadline cuts off has then left out other connections than the one before. A list that begins
 * with a hundred thousand dead connections would else silence everybody behind them.
 */
"use strict";

const { PAGE_SIZE } = require("./lifetime.js");

// Steps of this share of a list come close to every place in it sooner than random ones do.
// https://en.wikipedia.org/wiki/Low-discrepancy_sequence#Additive_recurrence
const STEP = 0.6180339887498949;

let place = Math.random();

/** Return where to begin this time, as a share of the list: 0 to less than 1. */
function nextPlace() {
  place = (place + STEP) % 1;
  return place;
}

/** Return the ids from `share` on, then those before it. */
function rotated(ids, share) {
  const at = Math.floor(ids.length * share);
  return at ? [...ids.slice(at), ...ids.slice(0, at)] : ids;
}

/**
 * Yield the pages of a sorted list from `share` to its end, then those before it.
 *
 * A list of less than a page is read as if nothing of this were: its one page is rotated. Of a longer one the first
 * page is kept in memory until its turn comes. `read(after, until)` gives the sorted, non-empty pages of the ids after
 * one up to another, that one included; an empty one is no bound, and all but the last page are of `size`.
 * `find(share)` resolves with the id at a share of the list; roughly is enough, and so is an id that is not there any
 * more.
 */
async function* pagesFrom(share, { read, find, size = PAGE_SIZE }) {
  const pages = read("", "")[Symbol.asyncIterator]();
  const { done, value: first } = await pages.next();
  if (done) return;
  if (first.length < size) {
    yield rotated(first, share);
    return;
  }
  const middle = await find(share);
  const endOfFirst = first.at(-1);
  if (middle > endOfFirst) {
    yield* read(middle, "");
    yield first;
    yield* read(endOfFirst, middle);
    return;
  }
  const after = first.filter((connectionId) => connectionId > middle);
  if (after.length) yield after;
  yield* { [Symbol.asyncIterator]: () => pages };
  if (after.length < first.length) yield first.slice(0, first.length - after.length);
}

module.exports = { nextPlace, pagesFrom, rotated };
