// Answers are read the same however they arrive, and what is no answer is refused.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { MAX_BODY, MAX_HEAD, readAnswer } = require("../src/sending/http1.js");

const OK = "HTTP/1.1 200 OK\r\n";
const GOOD = [
  [`${OK}Content-Length: 5\r\n\r\nhello`, { status: 200, body: "hello", keepAlive: true }],
  [`${OK}content-length:0\r\n\r\n`, { status: 200, body: "", keepAlive: true }],
  [`${OK}Content-Length: 2\r\nContent-Length: 2\r\n\r\nab`, { status: 200, body: "ab", keepAlive: true }],
  [`${OK}Content-Length: 9\r\n\r\ngrün 日`, { status: 200, body: "grün 日", keepAlive: true }],
  [`${OK}Connection: close\r\nContent-Length: 1\r\n\r\nx`, { status: 200, body: "x", keepAlive: false }],
  ["HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", { status: 200, body: "x", keepAlive: false }],
  [
    "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx",
    { status: 200, body: "x", keepAlive: true },
  ],
  ["HTTP/1.1 204\r\n\r\n", { status: 204, body: "", keepAlive: true }],
  ["HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", { status: 304, body: "", keepAlive: true }],
  [
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    { status: 410, body: "", keepAlive: true },
  ],
  [
    `${OK}Transfer-Encoding: chunked\r\n\r\n1;a=b\r\nh\r\n4\r\nello\r\n0\r\n\r\n`,
    { status: 200, body: "hello", keepAlive: true },
  ],
  [
    `${OK}Transfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n`,
    { status: 200, body: "0123456789", keepAlive: true },
  ],
  [
    `${OK}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nh\r\n0\r\n\r\n`,
    { status: 200, body: "h", keepAlive: false },
  ],
];

const BAD = [
  "\x16\x03\x01",
  "HTTP/2 200 OK\r\n\r\n",
  "HTTP/1.1 20 OK\r\n\r\n",
  "HTTP/1.1 2000 OK\r\n\r\n",
  "HTTP/1.1 101 Switching Protocols\r\n\r\n",
  "SSH-2.0-OpenSSH\r\n",
  `${OK}Content-Length: x\r\n\r\n`,
  `${OK}Content-Length: -1\r\n\r\n`,
  `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
  `${OK}Content-Length: ${MAX_BODY + 1}\r\n\r\n`,
  `${OK}no header\r\nContent-Length: 1\r\n\r\nx`,
  `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  `${OK}Transfer-Encoding: chunked\r\n\r\nx\r\n`,
  `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n`,
  `${OK}Transfer-Encoding: chunked\r\n\r\n${(MAX_BODY + 1).toString(16)}\r\n`,
  `${OK}X: ${"x".repeat(MAX_HEAD)}`,
  `${OK}X: ${"x".repeat(MAX_HEAD)}\r\n\r\n`,
  `${OK}\r\n${"x".repeat(MAX_BODY + 1)}`,
];

/** Read an answer that arrives in parts of these sizes; the last part is the end of the connection if `isEnd`. */
function read(text, sizes, isEnd = false) {
  const data = Buffer.from(text);
  for (let end = 0, part = 0; end < data.length; part += 1) {
    end = Math.min(data.length, end + sizes[part % sizes.length]);
    const answer = readAnswer(data.subarray(0, end), { isEnd: isEnd && end === data.length });
    if (answer) return { status: answer.status, body: answer.body, keepAlive: answer.keepAlive, size: answer.size };
  }
  return null;
}

test("an answer is the same however it arrives", () => {
  for (const [text, expected] of GOOD) {
    for (const sizes of [[1e6], [1], [2], [3, 1], [7], [11, 2]]) {
      assert.deepEqual(read(text, sizes), { ...expected, size: Buffer.byteLength(text) }, JSON.stringify(text));
    }
    for (let end = 0; end < Buffer.byteLength(text); end += 1) {
      const part = Buffer.from(text).subarray(0, end);
      assert.equal(readAnswer(part), null, JSON.stringify(String(part)));
      assert.throws(() => readAnswer(part, { isEnd: true }), /closed before the answer was complete/);
    }
  }
});

test("an answer without a length ends with the connection", () => {
  const text = `${OK}\r\nhello`;
  for (const sizes of [[1e6], [1], [5]]) {
    assert.equal(read(text, sizes), null);
    assert.deepEqual(read(text, sizes, true), { status: 200, body: "hello", keepAlive: false, size: text.length });
  }
});

test("what is no answer, or too large a one, is refused", () => {
  for (const text of BAD) assert.throws(() => read(text, [1e6]), Error, JSON.stringify(text.slice(0, 80)));
});

test("headers are read by their lower-cased names", () => {
  const { headers } = readAnswer(
    Buffer.from(`${OK}X-Amzn-ErrorType:  GoneException \r\nA: 1\r\na: 2\r\nContent-Length: 0\r\n\r\n`),
  );
  assert.deepEqual({ ...headers }, { "x-amzn-errortype": "GoneException", a: "1, 2", "content-length": "0" });
});
