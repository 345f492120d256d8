// How many links are worth opening: for a handful of messages, for many, beside slow ones, and never too many.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { linksToOpen } = require("../src/sending/dialing.js");

const NOTHING = { waiting: 0, moving: 0, opening: 0, room: 64 };
const EXPECTED = [
  [{}, 0],
  [{ waiting: 1 }, 1],
  [{ waiting: 5 }, 5],
  [{ waiting: 30 }, 8],
  [{ waiting: 320 }, 8],
  [{ waiting: 321 }, 9],
  [{ waiting: 22, moving: 8 }, 0],
  [{ waiting: 22, moving: 5 }, 3], // three are slow
  [{ waiting: 30, moving: 8, opening: 8 }, 0],
  [{ waiting: 2000 }, 32],
  [{ waiting: 2000, moving: 20, opening: 20 }, 12],
  [{ waiting: 2000, moving: 50 }, 0],
  [{ waiting: 30, room: 3 }, 3],
  [{ waiting: 30, room: -2 }, 0],
];

test("so many links are opened", () => {
  for (const [state, expected] of EXPECTED) {
    assert.equal(linksToOpen({ ...NOTHING, ...state }), expected, JSON.stringify(state));
  }
});
