import { within, withoutQuery } from "./backend.js";
import { Emitter } from "./emitter.js";
import { kept } from "./kept.js";
import { LONGEST_PAUSE, OVERLAP, REMEMBERED, SECOND, TICK } from "./limits.js";
import { openLink } from "./link.js";
import { eventsIn } from "./messages.js";

const PAGE_EVENTS = ["online", "offline", "visibilitychange", "pageshow"]; // the last is all that iOS may send

/**
 * One for each address and its options on a page, whatever number of Gateways share it: decides when to connect,
 * reconnect and hand over to a fresh link, and passes on what arrives.
 */
export class Connection extends Emitter {
  state = "initialized";
  _channels = new Map(); // name -> Set of the page's Channels of that name
  _links = new Set(); // every open one: the current, the next, and the former that still listens for the last events
  _link = null;
  _next = null;
  #seen = new Set(); // ids of events, oldest first
  #complaints = new Set(); // kinds of errors that nobody handled, and the console has
  #failures = 0;
  #isWanted = false;
  #retry;
  _place; // gives a claim on a channel with history its place among the messages

  constructor(url, isPassing, platform = globalThis) {
    super();
    this._url = url;
    this._platform = platform; // where timers, sockets and requests come from; tests bring their own
    this._isPassing = isPassing; // open for as long as there are claims: others like it are made with every render
  }

  get socket_id() {
    return this._link?._id ?? null;
  }

  send(frame) {
    return this._link?._send(frame) ?? false;
  }

  /** A page connects at once. A server that renders one makes Gateways too, but has no use for a connection. */
  _begin() {
    if (this._platform.document && !this._isPassing) this.connect();
  }

  connect() {
    this._load();
    if (this.#isWanted) return;
    this.#isWanted = true;
    for (const type of PAGE_EVENTS) this._platform.addEventListener?.(type, this);
    this.#dial();
  }

  /** For all Gateways that share it, e.g. on logout; until the next `connect`, `subscribe` or Gateway. */
  disconnect() {
    if (this.#isWanted) this.#stop("disconnected");
  }

  #stop(state) {
    this.#isWanted = false;
    this._platform.clearTimeout(this.#retry);
    for (const type of PAGE_EVENTS) this._platform.removeEventListener?.(type, this);
    for (const link of this._links) link._close();
    this.#enter(state);
  }

  #dial() {
    this._platform.clearTimeout(this.#retry);
    if (this.state !== "unavailable") this.#enter("connecting");
    try {
      this._link = openLink(this);
    } catch (error) {
      // The browser will never allow this address, e.g. ws:// from an https:// page.
      this.#stop("failed");
      queueMicrotask(() => this._fail("WebSocketError", error)); // whoever made the first Gateway cannot listen yet
    }
  }

  /** Milliseconds, with full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
  _pause(failures) {
    return this._platform.Math.random() * Math.min(LONGEST_PAUSE, SECOND * 2 ** failures);
  }

  _sleep(duration) {
    return new Promise((resume) => this._platform.setTimeout(resume, duration));
  }

  _lost(link, isStable) {
    this._links.delete(link);
    if (link === this._next) this._next = null; // the next tick opens another
    if (link !== this._link) return;
    if (isStable) this.#failures = 0;
    this.#handOver();
    this._settle();
    if (!this.#isWanted || this._link?._id) return;
    if (!this._link) this.#retry = this._platform.setTimeout(() => this.#dial(), this._pause(this.#failures++));
    if (link._id) {
      this.#enter("connecting");
    } else if (this.#enter("unavailable")) {
      const message = `${withoutQuery(this._url)} cannot be reached, or does not admit this page`;
      this._fail("WebSocketError", { message });
    }
  }

  #handOver() {
    this._link = this._next;
    this._next = null;
  }

  /** The page came to the front, or its network changed. */
  handleEvent({ type }) {
    const link = this._link;
    const isShown = type === "visibilitychange" || type === "pageshow";
    if (!this.#isWanted || (isShown && this._platform.document?.hidden)) return;
    if (link?._id) {
      link._probe(isShown ? TICK : 0);
    } else if (type === "online" || (isShown && !link)) {
      link?._close(); // begun without a network, it would last until its time limit
      this.#dial();
    }
  }

  /** Loads what history takes: a module of its own, so that a page without history has nothing of it. */
  async _load() {
    if (!this._options.history || this._place) return;
    const early = new Set(); // messages that come before it
    this._place = () => ({ _stand() {}, _take: (message) => early.add(message) });
    try {
      const { places } = await within(import("./history.js"), this._platform, "it");
      this._place = places(this);
      for (const claim of this._allClaims()) claim.subscribed = false; // where it went on without
    } catch ({ message }) {
      this._place = null; // the next subscription tries again
      message = `history.js, which belongs beside gateway.js, cannot be loaded: ${message}`;
      this._fail("HistoryError", { message });
    }
    for (const claim of this._allClaims()) claim._join();
    for (const message of early) this._receive(message);
  }

  /** After any change: hands over to the next link once it can do all that is wanted, and tells new subscribers. */
  _settle() {
    if (this._next?._isSettled()) {
      this._platform.setTimeout(this._link._close, OVERLAP);
      this.#handOver();
    }
    const link = this._link;
    if (link?._id) this.#enter("connected", { socket_id: link._id });
    for (const claim of this._allClaims()) claim._stand(!!link?._has(claim.name));
  }

  _add(channel) {
    const { name } = channel;
    kept(this._channels, name, () => new Set()).add(channel);
    for (const link of this._links) link._retry(name);
    this.connect();
    this.#reconcile();
  }

  _remove(channel) {
    const channels = this._channels.get(channel.name);
    channels?.delete(channel);
    if (!channels?.size) this._channels.delete(channel.name);
    this.#reconcile();
  }

  /** In a moment: what is mounted, unmounted and mounted again at once costs one message, not three. */
  #reconcile() {
    queueMicrotask(() => {
      this._link?._reconcile();
      this._next?._reconcile();
      this._settle();
      if (this._isPassing && !this._channels.size) this.disconnect();
    });
  }

  _receive(message) {
    if (message.seq && this._options.history && this._place) {
      for (const claim of this._claims(message.channel)) this._place(claim)._take(message);
      return;
    }
    for (const envelope of eventsIn(message)) {
      const { channel, event, data, id } = envelope;
      // The same event comes over both links during a handover, or twice when the backend repeats a lost request.
      if (this.#seen.has(id)) continue;
      if (id) this.#seen.add(id);
      const [oldest] = this.#seen;
      if (this.#seen.size > REMEMBERED) this.#seen.delete(oldest);
      this._tell(channel, event, data, envelope);
    }
  }

  /** Tells the channels of that name, then the Gateways that hold one; returns whether anybody listened. */
  _tell(name, event, ...rest) {
    const channels = this._claims(name);
    const gateways = new Set(channels.map((channel) => channel._gateway));
    return [...channels, ...gateways].filter((target) => target._emit(event, ...rest)).length;
  }

  _claims(name) {
    return [...(this._channels.get(name) ?? [])];
  }

  *_allClaims() {
    for (const name of this._channels.keys()) yield* this._claims(name);
  }

  /** In the shape of Pusher's errors. */
  _fail(type, { message, status, requestId, isFinal }) {
    const data = { message, code: status, requestId, ...(isFinal && { isFinal }) };
    if (!this._emit("error", { type, error: { data } })) this._complain(type, message);
  }

  /** What nobody handles goes to the console, once for each kind: else nothing would come, and nothing say why. */
  _complain(kind, message) {
    if (this.#complaints.has(kind)) return;
    this.#complaints.add(kind);
    console.error(`${kind}: ${message}; nobody handles it`);
  }

  /** Returns whether it is another state. */
  #enter(state, data) {
    const previous = this.state;
    if (state === previous) return false;
    this.state = state;
    this._emit("state_change", { previous, current: state });
    const isHeard = this._emit(state, data);
    if (state === "connected") this._isHeard = isHeard; // so the page may register the connection by itself
    return true;
  }
}
