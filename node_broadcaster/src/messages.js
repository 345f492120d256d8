/** What goes out: the envelope around one event, encoded once for all its receivers. */
"use strict";

const { randomBytes } = require("node:crypto");
const { MessageError, show } = require("./errors.js");
const { checkChannel, checkEvent } = require("./names.js");

// A WebSocket API carries at most 128 KB in one message, @connections posts included.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
const MAX_MESSAGE_BYTES = 131_072;

/**
 * Return `{"channel":…,"event":…,"data":…,"id":…}` as JSON of at most 131,072 bytes of UTF-8.
 *
 * Throws an InvalidArgumentError for what is no name, a MessageError for data that is not JSON or too large.
 */
function encode(channel, event, data) {
  checkChannel(channel);
  checkEvent(event);
  let text;
  try {
    const json = JSON.stringify(data);
    if (json === undefined) throw new TypeError(`${typeof data} is no value of JSON`);
    text = `{"channel":${JSON.stringify(channel)},"event":${JSON.stringify(event)},"data":${json},"id":"${nextId()}"}`;
  } catch (error) {
    const [reason] = error.message.split("\n"); // the rest of it draws the circle
    throw new MessageError(`the data of event ${show(event)} cannot be written as JSON: ${reason}`, { cause: error });
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_MESSAGE_BYTES) {
    throw new MessageError(
      `the message of event ${show(event)} is ${bytes.toLocaleString("en")} bytes and API Gateway carries at most ` +
        `${MAX_MESSAGE_BYTES.toLocaleString("en")}; send less, or a link to the rest`,
    );
  }
  return text;
}

let milliseconds = 0;
let counter = randomBytes(5).readUIntBE(0, 5); // room to count up in

/**
 * Return an id that sorts by time: 44 bits of milliseconds, then 40 that count up from a random number; 21 hex digits.
 */
function nextId() {
  milliseconds = Math.max(milliseconds, Date.now()); // if the clock was set back, order is kept all the same
  counter += 1;
  return milliseconds.toString(16).padStart(11, "0") + counter.toString(16).padStart(10, "0");
}

module.exports = { MAX_MESSAGE_BYTES, encode, nextId };
