/**
 * What can go wrong, one class for each thing that a caller can do about it.
 *
 *     BroadcasterError
 *     ├── ConfigurationError     fix the settings: API id, region, stage, endpoint, credentials; or call initBroadcaster
 *     ├── InvalidArgumentError   fix the call: a malformed channel name, event name or connection id
 *     ├── MessageError           change the message: too large, or not JSON
 *     ├── RegistryError          look at the registry: it could not be read or written
 *     ├── RefusedError           look at access or the address: AWS refuses everybody, or cannot be found
 *     ├── UnavailableError       try again later: there was no answer about the connection that was asked about
 *     └── ClosedError            make a new broadcaster: this one was closed
 *
 * What happens to a message for a single connection (gone, slow, throttled) is data in the result, never an error.
 */
"use strict";

const { inspect } = require("node:util");

class BroadcasterError extends Error {
  get name() {
    return this.constructor.name;
  }
}

/** A setting is missing or malformed; the text names it, its value and what would be right. */
class ConfigurationError extends BroadcasterError {}

/** A channel name, an event name or a connection id is malformed. Nothing was sent or registered. */
class InvalidArgumentError extends BroadcasterError {}

/** The message cannot be sent to anybody: it is too large or cannot be written as JSON. Nothing was sent. */
class MessageError extends BroadcasterError {}

/** The registry of connections could not be read or written; `cause` says why. */
class RegistryError extends BroadcasterError {
  /** Of a broadcast, when a part of the list was read and sent to before this happened; else nothing was sent. */
  result = null;
}

/** AWS refuses every connection alike (403) or cannot be reached; the text says what to check. */
class RefusedError extends BroadcasterError {}

/** API Gateway could not be brought to answer a question about one connection; the text has its last words. */
class UnavailableError extends BroadcasterError {}

/** The broadcaster was closed before this call. */
class ClosedError extends BroadcasterError {}

/** Return how a value looks in an error's text; of a long text the first characters. */
function show(value, most = Infinity) {
  if (typeof value !== "string") return inspect(value, { depth: 0, breakLength: Infinity });
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
  const escaped = value
    .slice(0, most)
    .replace(/[\\]/g, "\\\\")
    .replaceAll(quote, `\\${quote}`)
    .replace(/(?! )[\p{C}\p{Z}]/gu, escape);
  return quote + escaped + quote;
}

/** Return a character that prints badly as the escape that it has in most languages. */
function escape(character) {
  const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character];
  if (short) return short;
  const code = character.codePointAt(0).toString(16);
  if (code.length > 4) return `\\u{${code}}`;
  return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
}

module.exports = {
  BroadcasterError,
  ClosedError,
  ConfigurationError,
  InvalidArgumentError,
  MessageError,
  RefusedError,
  RegistryError,
  UnavailableError,
  show,
};
