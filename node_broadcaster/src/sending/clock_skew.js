/** How far this machine's clock is off, from what a server says of its own. */
"use strict";

// AWS accepts signatures that are up to five minutes off; below this a difference is not why one was refused.
const TOLERATED = 240; // seconds

/** Return by how many seconds the server's clock is ahead of `now`; 0 if it is about right or not known. */
function serverOffset(headers, now) {
  const date = Date.parse(headers.date ?? "") / 1000;
  return Math.abs(date - now) > TOLERATED ? date - now : 0; // also where there is no date: NaN is not greater
}

module.exports = { serverOffset };
