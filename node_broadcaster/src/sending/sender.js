/**
 * Carries posts to `@connections` over kept-alive connections of Node's own agent.
 *
 * Nothing is decided here about answers: `FanOut` says whom to post to and what an answer means, `dialing` how many
 * connections to open. A connection that is free takes the next target as soon as its answer was read; everything rarer
 * (deadlines, timeouts, signing anew) waits for `#lookAround`, some twenty times a second or when something changed.
 *
 * Of several broadcasts the oldest come first, so that each is over as soon as can be, but every eighth target is one of
 * the newest: a broadcast to a few does not wait for one to many thousands.
 */
"use strict";

const { performance } = require("node:perf_hooks");
const { ClosedError } = require("../errors.js");
const { Dialing, MESSAGES_PER_SOCKET, socketsToOpen } = require("./dialing.js");
const { Pace } = require("./pace.js");
const { Post, makeAgent } = require("./post.js");
const { Task } = require("./task.js");

const LOOK_AROUND_EVERY = 0.05; // seconds
// A connection that has waited longer than this for an answer, or to be open, is not one that gets work done.
const STUCK_AFTER = 0.1; // seconds
const SLOW_OPENING_AFTER = 0.3;
const NEWEST_EVERY = 8;

/** Sends for one endpoint; `settings` are those of `checkSettings`. */
class Sender {
  #endpoint;
  #settings;
  #credentials;
  #pace;
  #agent;
  #dialing;
  #tasks = []; // the oldest first
  #posts = new Set(); // in flight, in the order in which they began to do what they do
  #turn = 0;
  #isClosed = false;
  #isLookDue = false;
  #timer = null;
  #timerAt = Infinity;

  constructor(endpoint, settings, credentials) {
    this.#endpoint = endpoint;
    this.#settings = settings;
    this.#credentials = credentials;
    this.#pace = new Pace(settings.rate);
    this.#agent = makeAgent(endpoint);
    this.#dialing = new Dialing(settings.attempts);
  }

  /**
   * Post the body to every connection id of the pages; resolve with the result when each has its outcome.
   *
   * `pages.read()` returns a page, null if it is not there yet (then call `wake` when it is), or undefined at the end.
   * `onStale` gets the ids of connections that are gone, at most 1,000 at a time.
   */
  broadcast(pages, body, onStale) {
    return this.#run({ method: "POST", pages, body, onStale }).outcome;
  }

  /** Send one request about one connection (GET or DELETE), repeated like the posts of a broadcast. */
  async request(method, connectionId) {
    const pages = [[connectionId]];
    const task = this.#run({ method, pages: { read: () => pages.shift() }, body: "" });
    const [failure] = (await task.outcome).failures;
    if (!task.last || failure?.status === null) return { status: null, body: "", reason: failure?.reason ?? "" };
    return { status: task.last.status, body: task.last.body, reason: failure?.reason ?? "" };
  }

  /** Look around soon: a page is there, or what a task had to wait for. */
  wake = () => {
    if (this.#isLookDue) return;
    this.#isLookDue = true;
    const asked = seconds();
    setImmediate(() => {
      this.#isLookDue = false;
      this.#lookAround(asked);
    });
  };

  /** Send no more; broadcasts that are under way still end well, and then the connections close. */
  close() {
    this.#isClosed = true;
    if (!this.#tasks.length) this.#agent.destroy();
  }

  #run(given) {
    if (this.#isClosed) throw new ClosedError("this broadcaster was closed; make a new one");
    if (!this.#tasks.length && !this.#posts.size) this.#dialing = new Dialing(this.#settings.attempts);
    const { attempts, concurrency, deadline } = this.#settings;
    const task = new Task({
      ...given,
      endpoint: this.#endpoint,
      credentials: this.#credentials,
      pace: this.#pace,
      deadline: seconds() + deadline,
      attempts,
      concurrency,
      wake: this.wake,
      wallClock: () => Date.now() / 1000,
    });
    this.#tasks.push(task);
    this.wake();
    return task;
  }

  // The usual way of a message

  #post(task, connectionId, now) {
    const post = new Post(this.#agent, this.#endpoint, task, connectionId, now);
    this.#posts.add(post);
    post.send({ opened: this.#opened, answered: this.#answered, lost: this.#lost });
  }

  #opened = (post) => {
    post.since = seconds();
    // Back to the end of the line: it has its own time for the answer now.
    this.#posts.delete(post);
    this.#posts.add(post);
    this.#dialing.opened();
    for (const task of this.#tasks) task.hasHadSocket = true;
  };

  #answered = (post, answer) => {
    this.#posts.delete(post);
    const now = seconds();
    const waiting = post.task.answered(post.connectionId, answer, now);
    if (waiting) waiting.then(this.wake, (error) => this.#abort(post.task, error));
    this.#goOn(post.task, now);
  };

  #lost = (post, error) => {
    this.#posts.delete(post);
    const now = seconds();
    const { fanOut } = post.task;
    if (!post.isOpen) {
      this.#dialing.failed(describe(error), post.began, now, { isFinal: isFinal(error) });
      fanOut.notSent(post.connectionId);
    } else if (post.isOnKept && !post.hasAnswer) {
      fanOut.lostOnKept(post.connectionId, describe(error), now);
      for (const sockets of Object.values(this.#agent.freeSockets)) {
        for (const socket of [...sockets]) socket.destroy(); // they may be as dead
      }
    } else {
      fanOut.lost(post.connectionId, describe(error), now);
    }
    this.wake();
  };

  /** Send the next message on the connection that has become free. */
  #goOn(task, now) {
    this.#turn = (this.#turn + 1) % NEWEST_EVERY;
    const first = this.#tasks.length > 1 && !this.#turn ? this.#tasks.at(-1) : task;
    const connectionId = this.#hasFree && first.isReady ? first.fanOut.take(now) : undefined;
    if (connectionId === undefined) this.wake();
    else this.#post(first, connectionId, now);
  }

  get #hasFree() {
    for (const name in this.#agent.freeSockets) return this.#agent.freeSockets[name].length > 0;
    return false;
  }

  // Now and then

  /** Do what depends on time or on the whole; `asked` was before Node looked last at what has arrived. */
  #lookAround(asked) {
    const now = seconds();
    // An answer that has arrived meanwhile is never called late, even if something has held up this process.
    this.#giveUpSlow(asked);
    for (const task of [...this.#tasks]) this.#lookAfter(task, now);
    this.#openMore(now);
    if (this.#tasks.length) this.#sleep(now);
    else if (this.#isClosed) this.#agent.destroy();
  }

  #lookAfter(task, now) {
    const { fanOut } = task;
    task.reportStale();
    if (fanOut.readAhead(this.#settings.concurrency * MESSAGES_PER_SOCKET)) this.wake();
    if (task.error) fanOut.end("the broadcast was stopped", this.#abandon(task));
    else if (!fanOut.isDone && now >= fanOut.deadline) {
      if (!task.hasHadSocket && !this.#hasOpen) {
        fanOut.cannotConnect(this.#dialing.reason || "no connection could be opened in time");
      }
      fanOut.giveUp(this.#abandon(task));
    }
    while (!fanOut.isDone && this.#hasFree && task.isReady) {
      const connectionId = fanOut.take(now);
      if (connectionId === undefined) break;
      this.#post(task, connectionId, now);
    }
    if (fanOut.isDone || task.error) {
      this.#tasks.splice(this.#tasks.indexOf(task), 1);
      task.finish();
    }
  }

  /** Begin to open as many connections as so many messages are worth, each for a message that waits. */
  #openMore(now) {
    const tasks = this.#tasks.filter((task) => task.isReady);
    const waiting = tasks.reduce((sum, { fanOut }) => sum + fanOut.waiting(now), 0);
    if (!waiting || now < this.#dialing.nextAt) return;
    if (this.#dialing.isHopeless && !this.#posts.size) {
      for (const { fanOut } of tasks) fanOut.cannotConnect(this.#dialing.reason);
      this.#dialing.startOver(now);
      this.wake();
      return;
    }
    let [moving, opening] = [0, 0];
    for (const post of this.#posts) {
      const age = now - post.since;
      if (!post.isOpen && age <= SLOW_OPENING_AFTER) opening += 1;
      if (age <= (post.isOpen ? STUCK_AFTER : SLOW_OPENING_AFTER)) moving += 1;
    }
    const room = this.#settings.concurrency * tasks.length - this.#posts.size;
    let count = socketsToOpen({ waiting, moving, opening, room });
    for (const task of tasks) {
      let connectionId;
      while (count > 0 && (connectionId = task.fanOut.take(now)) !== undefined) {
        this.#post(task, connectionId, now);
        count -= 1;
      }
    }
  }

  get #hasOpen() {
    for (const post of this.#posts) if (post.isOpen) return true;
    return this.#hasFree;
  }

  /** Give up requests without an answer, and connections that do not open, after their time. */
  #giveUpSlow(now) {
    const { timeout } = this.#settings;
    for (const post of this.#posts) {
      if (now - post.since < timeout) return; // all others began later
      if (!post.isOpen) {
        post.abandon();
        this.#lost(post, new Error(`no connection within ${timeout} s`));
      } else {
        post.abandon();
        this.#posts.delete(post);
        const reason = `no answer within ${timeout} s`;
        post.task.fanOut.lost(post.connectionId, reason, now, { timedOut: true });
      }
    }
  }

  /** Close the connections on which requests of this task are under way; return whom they were about. */
  #abandon(task) {
    const posts = [...this.#posts].filter((post) => post.task === task);
    for (const post of posts) {
      post.abandon();
      this.#posts.delete(post);
    }
    return posts.map(({ connectionId }) => connectionId);
  }

  #abort(task, error) {
    task.abort(error);
    this.wake();
  }

  /** Look around again at the latest when something falls due. */
  #sleep(now) {
    let at = now + LOOK_AROUND_EVERY;
    if (!this.#posts.size) {
      at = Math.min(at, ...this.#tasks.map(({ fanOut }) => Math.max(fanOut.wakeAt(now), this.#dialing.nextAt)));
    }
    if (this.#timer && this.#timerAt <= at) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.wake();
      },
      Math.max(1, Math.ceil((at - now) * 1000)),
    );
  }
}

function seconds() {
  return performance.now() / 1000;
}

const UNTRUSTED =
  /^(CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|ERR_TLS_CERT_|SELF_SIGNED_CERT|UNABLE_TO_(GET|VERIFY))/;

/** Tell whether trying again would give the same. */
function isFinal({ code = "" }) {
  return code === "ENOTFOUND" || UNTRUSTED.test(code);
}

/** Return an error's own words on one line. */
function describe(error) {
  const { code = "" } = error;
  // Of a name with several addresses each has an error of its own.
  const words = (error.errors?.map(({ message }) => message).join("; ") || error.message || code).replace(/\s+/g, " ");
  if (code === "ENOTFOUND") return `${words}; check the API id and the region`;
  if (UNTRUSTED.test(code)) {
    return `its certificate is not trusted: ${words}; if it is the right host, name its authority's file in the ` +
      "variable NODE_EXTRA_CA_CERTS";
  }
  return words.slice(0, 200);
}

module.exports = { Sender };
