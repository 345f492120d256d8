/** Calls to AWS's JSON services (DynamoDB, Secrets Manager), signed here, repeated while they throttle or are away. */
"use strict";

const http = require("node:http");
const https = require("node:https");
const { serviceEndpoint } = require("./environment.js");
const { signRequest } = require("./signing.js");

const ATTEMPT_TIMEOUT = 3000; // milliseconds for one attempt, connecting included
// No attempt is started later than this, so a call ends within about PATIENCE + ATTEMPT_TIMEOUT.
const PATIENCE = 5000; // milliseconds
const FIRST_PAUSE = 50; // milliseconds; each further one is twice as long, at most LONGEST_PAUSE, and random below that
const LONGEST_PAUSE = 1000;
const MOST_SOCKETS = 16;
const SERVICES = {
  dynamodb: { target: "DynamoDB_20120810", type: "application/x-amz-json-1.0" },
  secretsmanager: { target: "secretsmanager", type: "application/x-amz-json-1.1" },
};

// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
const PASSING = new Set([
  "InternalServerError",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "ServiceUnavailable",
  "ThrottlingException",
]);

/**
 * What a service answered that is no success, or why it did not answer; `code` is the service's own, if there is one.
 */
class ServiceError extends Error {
  constructor(message, { code, isPassing, cause } = {}) {
    super(message, { cause });
    this.code = code;
    this.isPassing = isPassing ?? false;
  }
}

/** One service in one region, or a stand-in for it at `endpointUrl`. */
class JsonService {
  #name;
  #endpoint;
  #credentials;
  #agent;

  constructor(name, { region, endpointUrl, credentials }) {
    this.#name = name;
    this.#endpoint = serviceEndpoint(name, region, endpointUrl);
    this.#credentials = credentials;
    const { Agent } = this.#protocol;
    this.#agent = new Agent({ keepAlive: true, maxSockets: MOST_SOCKETS, timeout: 50_000 });
  }

  /**
   * Call an operation until `isDone(answer)`, and return its last answer; `members` may be a function that makes them.
   *
   * Rejects with a ServiceError when the service refuses, or gave no usable answer for about five seconds.
   */
  async call(operation, members, isDone = () => true) {
    const end = performance.now() + PATIENCE;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      let error;
      try {
        const answer = await this.#attempt(operation, typeof members === "function" ? members() : members);
        if (isDone(answer)) return answer;
        error = new ServiceError("it throttles, and left a part undone");
      } catch (raised) {
        if (!raised.isPassing) throw raised;
        error = raised;
      }
      const wait = pause * Math.random();
      if (performance.now() + wait > end) {
        error.message = `in ${PATIENCE / 1000} seconds of trying: ${error.message}`;
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  /** Close the connections. */
  close() {
    this.#agent.destroy();
  }

  get #protocol() {
    return this.#endpoint.scheme === "https" ? https : http;
  }

  get #path() {
    return `${this.#endpoint.basePath}/`;
  }

  async #attempt(operation, members) {
    const credentials = await this.#credentials.read();
    const body = JSON.stringify(members);
    const { target, type } = SERVICES[this.#name];
    const headers = signRequest(credentials, {
      service: this.#name,
      region: this.#endpoint.region,
      method: "POST",
      host: this.#endpoint.authority,
      path: this.#path,
      headers: { "Content-Type": type, "X-Amz-Target": `${target}.${operation}` },
      body,
      now: Date.now() / 1000,
    });
    const { status, text } = await this.#exchange(headers, body);
    const content = parse(text);
    if (status === 200 && content) return content;
    const code = String(content?.__type ?? "")
      .split("#")
      .at(-1);
    const words = content?.message ?? content?.Message ?? "";
    throw new ServiceError(`${code || `HTTP ${status}`}${words ? `: ${words}` : ""}`.slice(0, 300), {
      code,
      isPassing: status >= 500 || PASSING.has(code),
    });
  }

  #exchange(headers, body) {
    const { host, port } = this.#endpoint;
    const options = { agent: this.#agent, host, port, method: "POST", path: this.#path, headers };
    return new Promise((resolve, reject) => {
      const fail = (cause) => reject(new ServiceError(cause.message || cause.code, { isPassing: true, cause }));
      const sent = this.#protocol.request(options, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part) => (text += part));
        response.on("error", fail);
        response.on("end", () => resolve({ status: response.statusCode, text }));
        response.on("close", () => clearTimeout(timer));
      });
      const tooLate = new Error(`no answer within ${ATTEMPT_TIMEOUT / 1000} s`);
      const timer = setTimeout(() => sent.destroy(tooLate), ATTEMPT_TIMEOUT);
      sent.on("error", (error) => {
        clearTimeout(timer);
        fail(error);
      });
      sent.end(body);
    });
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a proxy's page, say; the status tells the rest
  }
}

module.exports = { JsonService, ServiceError };
