/** One request about one connection, and the agent that keeps the connections to the service. */
"use strict";

const http = require("node:http");
const https = require("node:https");

// Firewalls, NAT and load balancers forget a silent connection after a minute at the earliest.
const MOST_IDLE = 50_000; // milliseconds
const MOST_BODY = 1_048_576; // bytes; API Gateway's have less than 4 KB

/** Return the agent of one endpoint. */
function makeAgent({ scheme }) {
  const { Agent } = scheme === "https" ? https : http;
  // The one used last comes first, so that those that are too many grow old and are closed.
  const agent = new Agent({ keepAlive: true, noDelay: true, scheduling: "lifo", timeout: MOST_IDLE });
  // All go to one address with the same settings; Node would write them all into one text for each request.
  agent.getName = () => "the endpoint";
  return agent;
}

/**
 * A request that is under way.
 *
 * `since`: when it began to do what it is doing, to open a connection or to wait for the answer. `isOpen`: whether it
 * has a connection. `isOnKept`: whether that has carried an answer before, so that the far side may have closed it
 * meanwhile. `hasAnswer`: whether an answer has begun to arrive.
 */
class Post {
  isOpen = false;
  hasAnswer = false;
  #agent;
  #endpoint;
  #request;
  #isOver = false;

  constructor(agent, endpoint, task, connectionId, now) {
    this.task = task;
    this.connectionId = connectionId;
    this.began = this.since = now;
    this.#agent = agent;
    this.#endpoint = endpoint;
  }

  /** Send it; exactly one of `answered(post, answer)` and `lost(post, error)` is called, unless it is abandoned. */
  send({ opened, answered, lost }) {
    const { method, body, signer } = this.task;
    const { scheme, host, port } = this.#endpoint;
    const { path, headers } = signer.sign(this.connectionId);
    const { request } = scheme === "https" ? https : http;
    this.#request = request({ agent: this.#agent, host, port, servername: serverName(host), method, path, headers });
    this.isOnKept = this.isOpen = this.#request.reusedSocket;
    const end = (tell, what) => {
      if (this.#isOver) return;
      this.#isOver = true;
      tell(this, what);
    };
    const fail = (error) => end(lost, error);
    if (!this.isOpen) {
      this.#request.once("socket", (socket) => {
        socket.once(scheme === "https" ? "secureConnect" : "connect", () => {
          if (this.#isOver) return;
          this.isOpen = true;
          opened(this);
        });
      });
    }
    this.#request.on("error", fail);
    this.#request.on("response", (response) => {
      this.hasAnswer = true;
      const { statusCode: status } = response;
      response.on("error", fail);
      if (status === 200 && method === "POST") {
        response.resume(); // nobody reads it
        response.on("end", () => process.nextTick(end, answered, { status }));
        return;
      }
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part) => {
        text += part;
        if (text.length > MOST_BODY) this.#request.destroy(new Error(`an answer of more than ${MOST_BODY} bytes`));
      });
      // By then the connection is free, and can take the next request.
      response.on("end", () => process.nextTick(end, answered, { status, headers: response.headers, body: text }));
    });
    this.#request.end(body);
  }

  /** Close its connection, whatever it is doing, and say no more. */
  abandon() {
    this.#isOver = true;
    this.#request.destroy();
  }
}

/** Return the name that TLS asks for; an address has none. */
function serverName(host) {
  return /^[0-9.]+$|:/.test(host) ? "" : host;
}

module.exports = { Post, makeAgent };
