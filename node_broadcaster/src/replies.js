/** What the answer to a request about one connection says. */
"use strict";

const { InvalidArgumentError, UnavailableError, show } = require("./errors.js");

/** Tell from the answer whether the connection was there; throw where it does not tell. */
function isThere({ status, reason }, connectionId) {
  if (status >= 200 && status < 300) return true;
  if (status === 410) return false;
  if (status === 400) {
    throw new InvalidArgumentError(`API Gateway knows no ids like ${show(connectionId)} (${reason})`);
  }
  throw new UnavailableError(`whether ${connectionId} is there could not be found out: ${reason}; try again later`);
}

/** Return what the answer to GET says; throw an UnavailableError if it is no description of a connection. */
function readInfo({ body }, connectionId) {
  try {
    const { connectedAt, lastActiveAt, identity } = JSON.parse(body);
    const { sourceIp = "", userAgent = "" } = identity;
    return { connectedAt: readDate(connectedAt), lastActiveAt: readDate(lastActiveAt), sourceIp, userAgent };
  } catch (cause) {
    throw new UnavailableError(`the answer about ${connectionId} is no description of a connection`, { cause });
  }
}

function readDate(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) throw new RangeError(`${show(text)} is no date`);
  return date;
}

module.exports = { isThere, readInfo };
