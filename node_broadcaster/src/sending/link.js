/** One kept connection to the service, which carries one request at a time. */
"use strict";

const { readAnswer } = require("./http1.js");

/**
 * A connection and the request that is under way on it.
 *
 * `since`: when it began to do what it is doing. `isOpen`: whether requests can be written. `isKept`: whether it has
 * carried an answer before, so that the far side may have closed it meanwhile. `task`: the broadcast whose request is
 * under way, null if it is free; `connectionId`: whom that request is about.
 *
 * `owner` is told of what happens: `opened(link)`, `answered(link, answer)`, `lost(link, error)`; after the last the
 * connection is closed.
 */
class Link {
  isOpen = false;
  isKept = false;
  isClosed = false;
  task = null;
  connectionId = "";
  #owner;
  #socket;
  #received = null; // a part of an answer

  constructor(socket, { isTls, owner, now }) {
    this.since = now;
    this.#owner = owner;
    this.#socket = socket;
    socket.setNoDelay(true); // a request is one write: it must not wait for the acknowledgement of the one before
    socket.unref(); // the sender's timer keeps the process alive while there is something to send
    socket.once(isTls ? "secureConnect" : "connect", () => {
      this.isOpen = true;
      owner.opened(this);
    });
    socket.on("data", (data) => this.#read(data));
    socket.on("end", () => this.#readEnd());
    socket.on("error", (error) => this.#lose(error));
    socket.on("close", () => this.#lose(new Error("the connection was closed without an answer")));
  }

  /** Whether an answer has begun to arrive. */
  get hasBegun() {
    return this.#received !== null;
  }

  /** Send the request of this task about this connection. */
  post(task, connectionId, now) {
    this.task = task;
    this.connectionId = connectionId;
    this.since = now;
    this.#socket.write(task.signer.head(connectionId) + task.body, "utf8");
  }

  /** Close it, whatever it is doing, and say nothing of it any more. */
  close() {
    this.isClosed = true;
    this.#socket.destroy();
  }

  #read(data) {
    if (this.isClosed) return;
    if (!this.task) {
      this.#lose(new Error("an answer to no request"));
      return;
    }
    const all = this.#received ? Buffer.concat([this.#received, data]) : data;
    this.#received = all;
    this.#finish(all);
  }

  #readEnd() {
    if (this.task && this.#received && !this.isClosed) this.#finish(this.#received, { isEnd: true });
    else this.#lose(new Error("the connection was closed without an answer"));
  }

  #finish(all, how) {
    let answer;
    try {
      answer = readAnswer(all, how);
    } catch (error) {
      this.#lose(error);
      return;
    }
    if (!answer) return;
    this.#received = null;
    this.isKept = true;
    if (!answer.keepAlive || answer.size < all.length) this.close();
    this.#owner.answered(this, answer);
  }

  #lose(error) {
    if (this.isClosed) return;
    this.close();
    this.#owner.lost(this, error);
  }
}

module.exports = { Link };
