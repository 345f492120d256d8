/**
 * An HTTP/1.1 answer, read from the bytes of a connection, without I/O.
 *
 * Node's own reader comes with a request, an agent and streams around it, which take as much CPU as signing, TLS and
 * the kernel together. This reads every framing that a server may choose: Content-Length, chunked, no body (204, 304),
 * the end of the connection, and interim answers (1xx) before the real one.
 *
 * Framing: https://www.rfc-editor.org/rfc/rfc9112#section-6
 */
"use strict";

// Ours, not AWS's: API Gateway's heads have less than 1 KB, its bodies less than 4 KB.
const MAX_HEAD = 65_536; // bytes
const MAX_BODY = 65_536;
const END_OF_HEAD = "\r\n\r\n";

/** A complete answer; `size` is how many bytes it took, `keepAlive` whether the server will take another request. */
class Answer {
  #head;

  constructor({ status, head, body, keepAlive, size }) {
    this.status = status;
    this.body = body;
    this.keepAlive = keepAlive;
    this.size = size;
    this.#head = head;
  }

  /** The headers by lower-cased name. Read at each use, because nobody looks at those of a success. */
  get headers() {
    return readHeaders(this.#head);
  }
}

/**
 * Return the answer at the beginning of `data`, or null if it is not complete yet; `isEnd` says that nothing follows.
 *
 * Throws an Error for what is no answer, is larger than the limits, or ended too early.
 */
function readAnswer(data, { isEnd = false } = {}) {
  let start = 0;
  for (;;) {
    const end = data.indexOf(END_OF_HEAD, start, "latin1");
    if (end < 0) {
      checkStart(data, start);
      return incomplete(isEnd);
    }
    const head = data.toString("latin1", start, end);
    const [, minor, code] = /^HTTP\/1\.([01]) (\d{3})(?: [^\r\n]*)?(?:\r\n|$)/.exec(head) ?? [];
    if (!code || code === "101") throw noAnswer(head);
    if (end - start > MAX_HEAD) throw new Error(`an answer's head of more than ${MAX_HEAD} bytes`);
    start = end + END_OF_HEAD.length;
    if (code.startsWith("1")) continue;
    const body = readBody(head, code, data, start, isEnd);
    if (!body) return incomplete(isEnd);
    const { text, size, isOpen } = body;
    const connection = header(head, "connection")?.toLowerCase() ?? "";
    const keepAlive = isOpen && (minor === "1" ? !connection.includes("close") : connection.includes("keep-alive"));
    return new Answer({ status: Number(code), head, body: text, keepAlive, size });
  }
}

function incomplete(isEnd) {
  if (isEnd) throw new Error("the connection was closed before the answer was complete");
  return null;
}

/** Refuse at once what cannot become an answer. */
function checkStart(data, start) {
  const begun = data.toString("latin1", start, start + 7);
  if (!"HTTP/1.".startsWith(begun)) throw noAnswer(data.toString("latin1", start, start + 40));
  if (data.length - start > MAX_HEAD) throw new Error(`an answer's head of more than ${MAX_HEAD} bytes`);
}

/** Return `{ text, size, isOpen }`, or null if more has to arrive; the connection is of no more use if not `isOpen`. */
function readBody(head, code, data, start, isEnd) {
  if (code === "204" || code === "304") return { text: "", size: start, isOpen: true };
  const encoding = header(head, "transfer-encoding");
  const length = header(head, "content-length");
  if (encoding !== undefined) {
    if (encoding.toLowerCase() !== "chunked") throw new Error(`a transfer encoding that nobody asked for: ${encoding}`);
    const chunked = readChunks(data, start);
    // With both, one of the servers on the way has read another length than this one.
    return chunked && { ...chunked, isOpen: length === undefined };
  }
  if (length === undefined) {
    if (data.length - start > MAX_BODY) throw tooLarge();
    return isEnd ? { text: data.toString("utf8", start, data.length), size: data.length, isOpen: false } : null;
  }
  if (!/^\d{1,15}$/.test(length)) throw new Error(`an answer whose length is ${JSON.stringify(length)}`);
  if (Number(length) > MAX_BODY) throw tooLarge();
  const size = start + Number(length);
  return size > data.length ? null : { text: data.toString("utf8", start, size), size, isOpen: true };
}

/** Return `{ text, size }` of a body in chunks, or null if more has to arrive. */
function readChunks(data, start) {
  const parts = [];
  for (let [at, total] = [start, 0]; ;) {
    const end = data.indexOf("\r\n", at, "latin1");
    if (end < 0 && data.length - at > 4096) throw new Error("a chunk whose length has no end");
    if (end < 0) return null;
    const [, digits] = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i.exec(data.toString("latin1", at, end)) ?? [];
    if (!digits) throw new Error("a chunk without a length");
    const length = Number.parseInt(digits, 16);
    at = end + 2;
    if (length === 0) return readTrailers(data, at, parts);
    total += length;
    if (total > MAX_BODY) throw tooLarge();
    if (at + length + 2 > data.length) return null;
    parts.push(data.subarray(at, at + length));
    at += length + 2;
    if (data.toString("latin1", at - 2, at) !== "\r\n") throw new Error("a chunk that does not end where it should");
  }
}

function readTrailers(data, start, parts) {
  const isNone = data.toString("latin1", start, start + 2) === "\r\n";
  const end = isNone ? start : data.indexOf(END_OF_HEAD, start, "latin1");
  if (end < 0 && data.length - start > MAX_HEAD) throw new Error(`trailers of more than ${MAX_HEAD} bytes`);
  if (end < 0) return null;
  return { text: Buffer.concat(parts).toString(), size: end + (isNone ? 2 : END_OF_HEAD.length) };
}

function noAnswer(text) {
  return new Error(`what was answered is no HTTP answer: ${JSON.stringify(text.slice(0, 40))}`);
}

function tooLarge() {
  return new Error(`an answer of more than ${MAX_BODY} bytes`);
}

const PATTERNS = new Map(
  ["connection", "content-length", "transfer-encoding"].map((name) => [name, new RegExp(`\r\n${name}:`, "i")]),
);

/** Return the value of one header, repeated ones joined; of most heads no more is looked at than this. */
function header(head, name) {
  return PATTERNS.get(name).test(head) ? readHeaders(head)[name] : undefined;
}

/** Return all headers by lower-cased name, the values of a repeated one joined by a comma, equal ones once. */
function readHeaders(head) {
  const headers = Object.create(null);
  for (const line of head.split("\r\n").slice(1)) {
    const [, name, value] = /^([^\s:]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (!name) throw new Error(`a header that is none: ${JSON.stringify(line.slice(0, 40))}`);
    const key = name.toLowerCase();
    headers[key] = key in headers && headers[key] !== value ? `${headers[key]}, ${value}` : value;
  }
  return headers;
}

module.exports = { MAX_BODY, MAX_HEAD, readAnswer };
