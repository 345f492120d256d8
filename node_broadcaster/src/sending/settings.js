/** The knobs of sending, checked and with their defaults filled in. */
"use strict";

const { ConfigurationError, show } = require("../errors.js");

// The account's quota over all of its HTTP, REST, WebSocket and callback APIs in a Region is 10,000 requests per second
// with a burst of half of that; 2,500 in many newer Regions.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const AWS_REQUESTS_PER_SECOND = 10_000;
// Just under it: what else the account does needs some, and a request that is throttled is one more request.
const DEFAULT_RATE = 0.97 * AWS_REQUESTS_PER_SECOND;

const DEFAULT_ATTEMPTS = 3; // posts to one connection at most
const DEFAULT_CONCURRENCY = 256; // requests in flight
// Posts to clients whose network has vanished have been seen to hang for as long as the caller waits.
const DEFAULT_TIMEOUT = 3; // seconds for one request; connecting has as many of its own
const DEFAULT_DEADLINE = 15; // seconds for a whole broadcast

/**
 * Return `{ concurrency, timeout, attempts, deadline, rate }`; throw a ConfigurationError for what makes no sense.
 *
 * Without a rate, plain `http` has no limit: that is never AWS but a local gateway.
 */
function checkSettings({ concurrency, timeout, attempts, deadline, rate }, scheme) {
  return {
    concurrency: checkCount("concurrency", concurrency ?? DEFAULT_CONCURRENCY),
    timeout: checkPositive("timeout", timeout ?? DEFAULT_TIMEOUT, "seconds"),
    attempts: checkCount("attempts", attempts ?? DEFAULT_ATTEMPTS),
    deadline: checkPositive("deadline", deadline ?? DEFAULT_DEADLINE, "seconds"),
    rate: checkPositive(
      "rate",
      rate ?? (scheme === "https" ? DEFAULT_RATE : Infinity),
      "requests per second, or Infinity",
    ),
  };
}

function checkCount(name, value) {
  if (!Number.isInteger(value) || value < 1) {
    throw new ConfigurationError(`${name} ${show(value)} is not a whole number from 1 up`);
  }
  return value;
}

function checkPositive(name, value, unit) {
  if (typeof value !== "number" || !(value > 0)) {
    throw new ConfigurationError(`${name} ${show(value)} is not a number above 0 (${unit})`);
  }
  return value;
}

module.exports = { DEFAULT_ATTEMPTS, DEFAULT_CONCURRENCY, DEFAULT_RATE, checkSettings };
