/**
 * Carries posts to `@connections` over kept connections, which Node's own agent opens.
 *
 * Nothing is decided here about answers: `FanOut` says whom to post to and what an answer means, `dialing` how many
 * connections to open. A link that is free takes the next target as soon as its answer was read; everything rarer
 * (deadlines, timeouts, opening links, signing anew) waits for `#lookAround`, some twenty times a second or when
 * something has changed.
 *
 * Of several broadcasts the oldest come first, so that each is over as soon as can be, but every eighth target is one
 * of the newest: a broadcast to a few does not wait for one to many thousands.
 */
"use strict";

const { ClosedError } = require("../errors.js");
const { MESSAGES_PER_LINK } = require("./dialing.js");
const { Links } = require("./links.js");
const { Pace } = require("./pace.js");
const { Task } = require("./task.js");

const LOOK_AROUND_EVERY = 0.05; // seconds
const NEWEST_EVERY = 8;

/** Sends to one endpoint; `settings` are those of `checkSettings`. */
class Sender {
  #endpoint;
  #settings;
  #credentials;
  #pace;
  #links;
  #tasks = []; // the oldest first
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
    const owner = { opened: this.#employ, answered: this.#answered, lost: this.#lost, closed: this.wake };
    this.#links = new Links(endpoint, settings, owner, seconds);
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
    if (!this.#tasks.length) this.#links.closeAll();
  }

  #run(given) {
    if (this.#isClosed) throw new ClosedError("this broadcaster was closed; make a new one");
    const { attempts, concurrency, deadline } = this.#settings;
    const now = seconds();
    if (!this.#tasks.length) this.#links.begin(now);
    const task = new Task({
      ...given,
      endpoint: this.#endpoint,
      credentials: this.#credentials,
      pace: this.#pace,
      deadline: now + deadline,
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

  #answered = (link, answer) => {
    const { task, connectionId } = link;
    const now = seconds();
    const waiting = task.answered(connectionId, answer, now);
    if (waiting) waiting.then(this.wake, (error) => this.#abort(task, error));
    if (link.isClosed) this.wake();
    else this.#employ(link, now);
  };

  /** Give a free link to the first task that has somebody to post to; otherwise keep it for the next message. */
  #employ = (link, now = seconds()) => {
    this.#turn = (this.#turn + 1) % NEWEST_EVERY;
    const tasks = this.#turn || this.#tasks.length < 2 ? this.#tasks : [...this.#tasks].reverse();
    for (const task of tasks) {
      const connectionId = task.isReady ? task.fanOut.take(now) : undefined;
      if (connectionId !== undefined) {
        this.#post(link, task, connectionId, now);
        return;
      }
    }
    this.#links.rest(link, now);
    this.wake();
  };

  #post(link, task, connectionId, now) {
    task.hasHadLink = true;
    link.post(task, connectionId, now);
  }

  #lost = ({ task, connectionId }, reason, { onKept = false, timedOut = false }) => {
    if (onKept) task.fanOut.lostOnKept(connectionId, reason, seconds());
    else task.fanOut.lost(connectionId, reason, seconds(), { timedOut });
    this.wake();
  };

  // Now and then

  /** Do what depends on time or on the whole; `asked` was before Node looked last at what has arrived. */
  #lookAround(asked) {
    // An answer that has arrived meanwhile is never called late, even if something has held up this process.
    this.#links.giveUpSlow(asked);
    const now = seconds();
    for (const task of [...this.#tasks]) this.#lookAfter(task, now);
    this.#openLinks(now);
    if (this.#tasks.length) this.#sleep(now);
    else if (this.#isClosed) this.#links.closeAll();
  }

  #lookAfter(task, now) {
    const { fanOut } = task;
    task.reportStale();
    if (fanOut.readAhead(this.#settings.concurrency * MESSAGES_PER_LINK)) this.wake();
    if (task.error) {
      fanOut.end("the broadcast was stopped", this.#links.abandon(task));
    } else if (!fanOut.isDone && now >= fanOut.deadline) {
      const reason = task.hasHadLink ? null : this.#links.whyNotOpen;
      if (reason !== null) fanOut.cannotConnect(reason);
      fanOut.giveUp(this.#links.abandon(task));
    }
    while (!fanOut.isDone && this.#links.hasIdle && task.isReady) {
      const connectionId = fanOut.take(now);
      if (connectionId === undefined) break;
      this.#post(this.#links.takeIdle(), task, connectionId, now);
    }
    if (fanOut.isDone || task.error) {
      this.#tasks.splice(this.#tasks.indexOf(task), 1);
      task.finish();
    }
  }

  #openLinks(now) {
    const tasks = this.#tasks.filter((task) => task.isReady);
    const waiting = tasks.reduce((sum, { fanOut }) => sum + fanOut.waiting(now), 0);
    if (!waiting) return;
    const reason = this.#links.whyUnreachable;
    if (reason === null) {
      this.#links.openMore(waiting, this.#settings.concurrency * tasks.length, now);
      return;
    }
    for (const { fanOut } of tasks) fanOut.cannotConnect(reason);
    this.#links.tryOn(now);
    this.wake();
  }

  #abort(task, error) {
    task.abort(error);
    this.wake();
  }

  /** Look around again at the latest when something falls due; this timer keeps the process alive meanwhile. */
  #sleep(now) {
    let at = now + LOOK_AROUND_EVERY;
    if (!this.#links.hasBusy) {
      const ready = this.#tasks.filter((task) => task.isReady); // the others wake the sender when they are
      at = Math.min(at, ...ready.map(({ fanOut }) => Math.max(fanOut.wakeAt(now), this.#links.retryAt)));
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

module.exports = { Sender };
