/**
 * A page, a network and a gateway in one process, on a clock that only the test moves.
 *
 * The fakes stand where the client ends: WebSocket, fetch, timers, page events. All of its own code runs.
 */
import { Gateway } from "../src/gateway.js";

const settle = () => new Promise((resolve) => setImmediate(resolve));

class Clock {
  now = Date.UTC(2026, 0, 1);
  #timers = new Map();
  #count = 0;

  setTimeout = (callback, delay = 0) => {
    this.#timers.set(++this.#count, { at: this.now + delay, callback });
    return this.#count;
  };

  clearTimeout = (timer) => this.#timers.delete(timer);

  get timers() {
    return this.#timers.size;
  }

  async advance(duration) {
    const end = this.now + duration;
    for (await settle(); ; await settle()) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([i, a], [j, b]) => a.at - b.at || i - j)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.now = Math.max(this.now, due[1].at);
      due[1].callback();
    }
    this.now = end;
  }

  /** The time goes on and nothing runs, as in a laptop that sleeps. */
  sleep(duration) {
    this.now += duration;
    for (const timer of this.#timers.values()) timer.at += duration;
  }
}

/** The browser's end of a connection, with the gateway's end attached. */
class Socket {
  readyState = 0;
  sent = []; // frames that left the page
  isDead = false; // the network swallows everything, and nobody is told

  constructor(world, url) {
    this.world = world;
    this.url = url;
    this.id = `connection-${world.sockets.length + 1}=`;
    world.sockets.push(this);
    if (!world.isDown) world.clock.setTimeout(() => this.readyState === 0 && !this.isDead && this.#accept(), 20);
    else if (world.isDown === "refusing") world.clock.setTimeout(() => this.drop(), 20);
  }

  #accept() {
    this.readyState = 1;
    this.onopen?.();
  }

  send(text) {
    this.sent.push(JSON.parse(text));
    this.lastSent = this.world.clock.now;
    this.world.lastTraffic = this.world.clock.now;
    const answers = this.world.gateway(JSON.parse(text), this) ?? [];
    answers.forEach((answer, i) => this.world.clock.setTimeout(() => this.receive(answer), 20 + i));
  }

  receive(frame) {
    if (this.isDead || this.readyState !== 1) return;
    this.world.lastTraffic = this.world.clock.now;
    this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }

  /** The other side ends it: API Gateway at two hours, a crash, a cut line that the browser noticed. */
  drop() {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onerror?.({});
    this.onclose?.({ code: 1006 });
  }

  close() {
    this.readyState = 3;
  }

  actions(action) {
    return this.sent.filter((frame) => frame.action === action);
  }
}

let worlds = 0;

export class World {
  clock = new Clock();
  sockets = [];
  requests = []; // what reached the backend: { url, body, credentials }
  isDown = false; // or "silent", or "refusing"
  chance = 0.5;
  url = `wss://world${++worlds}.example.com/production`;
  errors = [];

  /** What the gateway answers to a frame; tests replace it. */
  gateway(frame, socket) {
    const { action, channel } = frame;
    if (action === "connection_id") return [{ type: "connection_id", connection_id: socket.id }];
    if (action === "subscribe") return [{ type: "subscription_succeeded", channel }];
    if (action === "unsubscribe") return [{ type: "unsubscribe_succeeded", channel }];
    if (action === "ping") return [{ type: "pong" }];
    return [{ type: "error", message: "the frame has no action that is known" }];
  }

  /**
   * What the backend answers to a request: [status, JSON or a text, { kind: the content's, to: where a redirect led }].
   * Tests replace it.
   */
  backend(url) {
    return url.includes("auth") ? [200, { auth: "signature" }] : [204];
  }

  constructor() {
    const world = this;
    this.page = Object.assign(new EventTarget(), { document: { hidden: false } });
    this.platform = {
      WebSocket: class extends Socket {
        constructor(url) {
          super(world, url);
        }
      },
      fetch: async (url, { method, body, credentials, headers }) => {
        const type = headers["Content-Type"];
        world.requests.push({ url, method, body: JSON.parse(body), credentials, type, at: world.clock.now });
        await new Promise((resolve) => world.clock.setTimeout(resolve, 20));
        const [status, answer, { to, kind = "application/json" } = {}] = await world.backend(url, JSON.parse(body));
        const text = typeof answer === "string" ? answer : JSON.stringify(answer);
        const response = new Response(status === 204 ? null : text, { status, headers: { "Content-Type": kind } });
        if (!to) return response;
        return Object.defineProperties(response, { redirected: { value: true }, url: { value: to } });
      },
      Date: { now: () => world.clock.now },
      Math: { random: () => world.chance },
      setTimeout: this.clock.setTimeout,
      clearTimeout: this.clock.clearTimeout,
      document: this.page.document,
      addEventListener: (...listener) => world.page.addEventListener(...listener),
      removeEventListener: (...listener) => world.page.removeEventListener(...listener),
    };
  }

  connect(options) {
    const gateway = new Gateway(this.url, { ...options, platform: this.platform });
    if (!this.isWatched) gateway.connection.bind("error", (error) => this.errors.push(error));
    this.isWatched = true;
    return gateway;
  }

  get socket() {
    return this.sockets.at(-1);
  }

  get open() {
    return this.sockets.filter((socket) => socket.readyState === 1);
  }

  run(duration = 1000) {
    return this.clock.advance(duration);
  }

  show(isShown) {
    this.page.document.hidden = !isShown;
    this.page.dispatchEvent(new Event("visibilitychange"));
  }

  /** The page comes back from where browsers keep pages that were left. */
  restore() {
    this.page.document.hidden = false;
    this.page.dispatchEvent(new Event("pageshow"));
  }

  network(isUp) {
    this.page.dispatchEvent(new Event(isUp ? "online" : "offline"));
  }
}

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const event = (data, id, channel = "admin") => ({ channel, event: "admin_event", data, ...(id && { id }) });
