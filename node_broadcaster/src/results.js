/** What became of a broadcast. */
"use strict";

/**
 * Return `{ sent: 1, failed: 0, stale: 0 }`, which equals, prints and serialises as just that.
 *
 * Every target is in exactly one of the three. `failures`, which is not enumerable, has one
 * `{ connectionId, reason, status }` for each that failed; `status` is null where there was no HTTP answer.
 */
function makeResult(sent = 0, failures = [], stale = 0) {
  return Object.defineProperty({ sent, failed: failures.length, stale }, "failures", { value: failures });
}

module.exports = { makeResult };
