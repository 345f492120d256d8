// A server that speaks real HTTP on loopback and misbehaves by script.
"use strict";

const { once } = require("node:events");
const { createServer } = require("node:net");
const { setImmediate } = require("node:timers/promises");

const WHOLE = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/**
 * What it does with a request is named by `script(id, attempt, request)`: a status, `{ status, headers, body }`, or a
 * misdeed of `act`. What it does with a new connection is named by `greet(number)`: "ok", "stall" (never reads) or
 * "close".
 */
class HostileServer {
  script = () => 200;
  greet = () => "ok";
  attempts = {};
  requests = []; // { method, id, headers, body }
  opened = 0;
  mostAtOnce = 0;
  #atOnce = 0;
  #sockets = new Set();
  #server = createServer((socket) => this.#serve(socket));

  async listen() {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
    this.port = this.#server.address().port;
    this.url = `http://127.0.0.1:${this.port}/production`;
    return this;
  }

  /** Close every open connection without a word, as a server or a firewall does with idle ones. */
  closeConnections() {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close() {
    this.#server.close();
    this.closeConnections();
  }

  #serve(socket) {
    this.opened += 1;
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket)).on("error", () => {});
    const greeting = this.greet(this.opened);
    if (greeting === "close") socket.destroy();
    if (greeting !== "ok") return;
    let text = "";
    socket.setEncoding("utf8").on("data", (part) => {
      text += part;
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      const [line, ...lines] = text.slice(0, end).split("\r\n");
      const headers = Object.fromEntries(lines.map((each) => each.split(/: (.*)/s).slice(0, 2)));
      const body = text.slice(end + 4);
      if (Buffer.byteLength(body) < Number(headers["Content-Length"] ?? 0)) return;
      text = "";
      const [method, path] = line.split(" ");
      const id = decodeURIComponent(path.split("/").at(-1));
      this.attempts[id] = (this.attempts[id] ?? 0) + 1;
      const request = { method, id, headers, body };
      this.requests.push(request);
      this.#atOnce += 1;
      this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce);
      setImmediate().then(() => {
        this.#atOnce -= 1;
        return act(this.script(id, this.attempts[id], request), socket);
      });
    });
  }
}

function act(deed, socket) {
  const misdeeds = {
    close: () => socket.destroy(), // without an answer
    reset: () => socket.resetAndDestroy(),
    "close in head": () => socket.end(WHOLE.slice(0, 20)),
    "close in body": () => socket.end(WHOLE.slice(0, -2)),
    "close in chunk": () => socket.end("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"),
    garbage: () => socket.end("\x16\x03\x01 what is this?\r\n\r\n"),
    huge: () => socket.write(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}\r\n\r\n`),
    hang: () => {},
    "until close": () => socket.end("HTTP/1.1 200 OK\r\n\r\nhello"),
    "close announced": () => socket.end(WHOLE.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")),
    "close unannounced": () => socket.end(WHOLE),
    slowly: async () => {
      for (const character of WHOLE) {
        socket.write(character);
        await setImmediate();
      }
    },
    chunked: () =>
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nh\r\n4\r\nello\r\n0\r\nT: x\r\n\r\n"),
    interim: () => socket.write(`HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n${WHOLE}`),
  };
  if (typeof deed === "string") {
    return misdeeds[deed]();
  }
  const { status, headers = {}, body = "" } = typeof deed === "number" ? { status: deed } : deed;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return socket.write(
    `HTTP/1.1 ${status} Reason\r\n${lines.join("")}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

module.exports = { HostileServer };
