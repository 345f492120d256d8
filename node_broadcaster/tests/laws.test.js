// What holds of the decisions for any schedule, on a clock of the test's own.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { RefusedError } = require("..");
const { FanOut } = require("../src/sending/fan_out.js");
const { Pace } = require("../src/sending/pace.js");

const OUTCOMES = [200, 200, 204, 410, 429, 500, 503, 408, 400, 413, 403, "lost", "timed out", "on kept"];

/** Return a function like Math.random whose numbers depend on the seed alone, so that a failure comes again. */
function chanceOf(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0;
    return ((state ^ (state >>> 14)) >>> 0) / 2 ** 32;
  };
}

function tell(plan, id, outcome, now) {
  if (outcome === "lost") plan.lost(id, "reset", now);
  else if (outcome === "timed out") plan.lost(id, "no answer", now, { timedOut: true });
  else if (outcome === "on kept") plan.lostOnKept(id, "closed", now);
  else plan.answered(id, { status: outcome, headers: {}, body: "" }, now);
}

function playAnything(seed) {
  const chance = chanceOf(seed);
  const upTo = (count) => Math.floor(chance() * count);
  const pick = (list) => list[upTo(list.length)];
  let number = 0;
  const pages = Array.from({ length: upTo(8) }, () => Array.from({ length: upTo(30) }, () => `id-${(number += 1)}`));
  const ids = pages.flat();
  const late = pages.flatMap((page) => (chance() < 0.3 ? [null, page] : [page])); // null: not there yet
  const [concurrency, attempts, rate, deadline] = [
    1 + upTo(20),
    1 + upTo(4),
    pick([Infinity, 50, 1000]),
    0.5 + upTo(30),
  ];
  const outcomes = Array.from({ length: 1 + upTo(6) }, () => pick(OUTCOMES));
  const options = { url: "https://h/p", pace: new Pace(rate), deadline, attempts, concurrency, random: chance };
  const plan = new FanOut({ read: () => late.shift() }, options);
  const inFlight = [];
  const [sent, stale] = [[], []];
  let now = 0;
  for (let step = 0; !plan.isDone; step += 1) {
    assert.ok(step < 100_000, "it never ends");
    if (now >= deadline) {
      plan.giveUp(inFlight.splice(0));
      if (plan.isDone) break;
    }
    for (let id; now < deadline && (id = plan.take(now)) !== undefined;) inFlight.push(id);
    assert.ok(inFlight.length <= concurrency);
    assert.equal(plan.inFlight, inFlight.length);
    if (inFlight.length && (chance() < 0.8 || plan.wakeAt(now) > deadline)) {
      const [id] = inFlight.splice(upTo(inFlight.length), 1);
      const outcome = pick(outcomes);
      if (outcome === 200 || outcome === 204) sent.push(id);
      if (outcome === 410) stale.push(id);
      tell(plan, id, outcome, now);
      now += 0.001;
    } else {
      now = Math.max(Math.min(plan.wakeAt(now), deadline), now + 0.001);
    }
  }
  try {
    const result = plan.result();
    const failed = result.failures.map(({ connectionId }) => connectionId);
    assert.deepEqual([...sent, ...stale, ...failed].sort(), ids.sort());
    assert.deepEqual({ ...result }, { sent: sent.length, failed: failed.length, stale: stale.length });
    assert.deepEqual(plan.takeStale(), stale);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    assert.deepEqual([sent, stale], [[], []]);
  }
}

test("every target ends in exactly one of sent, stale and failed, or nobody was reached", () => {
  for (let seed = 1; seed <= 2000; seed += 1) {
    try {
      playAnything(seed);
    } catch (error) {
      error.message = `seed ${seed}: ${error.message}`;
      throw error;
    }
  }
});

test("the pace is kept over any time, and comes down when everybody is throttled", () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const chance = chanceOf(seed);
    const rate = 10 + chance() * 1000;
    const pace = new Pace(rate);
    let [now, granted] = [0, 0];
    while (now < 5) {
      granted += pace.grant(Math.ceil(chance() * 50), now);
      assert.ok(granted <= Math.max(1, rate / 2) + rate * now + 1e-6);
      now = Math.max(pace.nextGrant(now), now + chance() * 0.01);
    }
    assert.ok(granted > rate * 4);
    assert.ok(!pace.isReduced);
    pace.throttled(now, 0.5);
    assert.ok(pace.isReduced);
    assert.equal(pace.grant(1, now), 0);
    assert.ok(pace.pausedUntil > now);
    assert.ok(pace.grant(10_000, pace.pausedUntil) <= rate / 4 + rate * 0.2 + 1);
  }
});
