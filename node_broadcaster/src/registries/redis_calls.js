/** Commands to a Redis server or cluster, repeated for a moment while it cannot be reached. */
"use strict";

const { readFileSync } = require("node:fs");
const { ConfigurationError, RegistryError } = require("../errors.js");

const CONNECT_TIMEOUT = 1000; // milliseconds
const ANSWER_TIMEOUT = 2000; // milliseconds
// Attempts after the first where the connection was refused or lost, or the server is still loading; about 1.5 seconds
// altogether, so that a quick restart goes unnoticed. One that does not answer at all is not asked again.
const RETRIES = 5;
const FIRST_PAUSE = 100; // milliseconds; doubled each time, and random between half and the whole of it
const LONGEST_PAUSE = 800;
// The server is about to be there, or has become a replica, so that its address must be looked up afresh.
const PASSING_REPLY = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN)\b/;

/** Calls the server that a URL names, see `redis_url`. */
class RedisCalls {
  #target;
  #package;
  #connecting = null; // a promise of the client

  constructor(target) {
    this.#target = target;
    this.#package = loadPackage();
  }

  /** Send all commands at once and return their answers; reject with a RegistryError if that is not possible. */
  async run(what, commands) {
    if (!commands.length) return [];
    for (let attempt = 0, pause = FIRST_PAUSE; ; attempt += 1, pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      let client;
      try {
        client = await this.#connected();
        return await inTime(Promise.all(commands.map((command) => this.#send(client, command.map(String)))));
      } catch (error) {
        if (error instanceof ConfigurationError) throw error;
        const isPassing = !(error instanceof this.#package.ErrorReply) || PASSING_REPLY.test(error.message);
        if (isPassing) this.#drop(client);
        if (!isPassing || error instanceof TooLateError || attempt >= RETRIES) {
          throw new RegistryError(`RedisRegistry('${this.#target.name}') could not ${what}: ${describe(error)}`, {
            cause: error,
          });
        }
        await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
      }
    }
  }

  close() {
    const connecting = this.#connecting;
    this.#connecting = null;
    connecting?.then(destroy, () => {});
  }

  #send(client, command) {
    if (!this.#target.isCluster) return client.sendCommand(command);
    const firstKey = command[command[0] === "EVAL" ? 3 : 1];
    return client.sendCommand(firstKey, false, command);
  }

  #connected() {
    this.#connecting ??= this.#connect();
    return this.#connecting;
  }

  async #connect() {
    const { host, port, db, username, password, isCluster } = this.#target;
    const socket = { host, port, connectTimeout: CONNECT_TIMEOUT, reconnectStrategy: false, ...this.#tls() };
    const options = { username, password, socket, RESP: 2 };
    const client = isCluster
      ? this.#package.createCluster({ rootNodes: [{ socket: { host, port } }], defaults: options })
      : this.#package.createClient({ ...options, database: db, disableOfflineQueue: true });
    client.on("error", () => this.#drop(client)); // whoever waits for an answer is told as well
    try {
      await inTime(client.connect(), CONNECT_TIMEOUT + ANSWER_TIMEOUT);
    } catch (error) {
      this.#connecting = null;
      destroy(client);
      throw error;
    }
    // A backend that has nothing else to do may end; a command in flight keeps it alive by its timer.
    client.unref?.();
    return client;
  }

  #tls() {
    const { isTls, tls } = this.#target;
    if (!isTls) return {};
    const read = (path) => path && readFileSync(path);
    return {
      tls: true,
      ca: read(tls.ssl_ca_certs),
      cert: read(tls.ssl_certfile),
      key: read(tls.ssl_keyfile),
      rejectUnauthorized: tls.ssl_cert_reqs !== "none",
    };
  }

  /** Let the next call connect afresh. */
  async #drop(client) {
    if (!client) return;
    const connecting = this.#connecting;
    if ((await connecting?.catch(() => null)) === client && this.#connecting === connecting) this.#connecting = null;
    destroy(client);
  }
}

class TooLateError extends Error {}

function inTime(promise, milliseconds = ANSWER_TIMEOUT) {
  let timer;
  const tooLate = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new TooLateError(`no answer within ${milliseconds / 1000} s`)), milliseconds);
  });
  return Promise.race([promise, tooLate]).finally(() => clearTimeout(timer));
}

function destroy(client) {
  try {
    client.destroy();
  } catch {
    // it is closed already
  }
}

function describe(error) {
  const words = error.errors?.map(({ message }) => message).join("; ") || error.message || error.code;
  return words.replace(/\s+/g, " ").slice(0, 200);
}

function loadPackage() {
  try {
    return require("redis");
  } catch (cause) {
    throw new ConfigurationError(
      "a Redis registry needs the package redis, which is not installed; npm install redis",
      {
        cause,
      },
    );
  }
}

module.exports = { RedisCalls };
