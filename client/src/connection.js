import { Emitter } from "./emitter.js";
import { History } from "./history.js";
import { kept } from "./kept.js";
import { SECOND } from "./limits.js";
import { Link } from "./link.js";
import { eventsIn } from "./messages.js";

const TICK = 30 * SECOND; // how often the age and the silence of a link are looked at
const OVERLAP = 20 * SECOND; // a broadcast that listed only the old connection has ended: its deadline is 15 s
const STABLE = 10 * SECOND; // a link that lived this long starts the back-off anew
const LONGEST_PAUSE = 30 * SECOND;
const REMEMBERED = 5000; // event ids: twenty seconds of 250 events a second
const PAGE_EVENTS = ["online", "offline", "visibilitychange", "pageshow"]; // the last is all that iOS may send

/**
 * One for each address and its options on a page, whatever number of Gateways share it: decides when to connect,
 * reconnect and hand over to a fresh link, and passes on what arrives.
 */
export class Connection extends Emitter {
  state = "initialized";
  _channels = new Map(); // name -> Set of the page's Channels of that name
  #links = new Set(); // every open one: the current, the next, and the former that still listens for the last events
  #link = null;
  #next = null;
  #history;
  #seen = new Set(); // ids of events, oldest first
  #complaints = new Set(); // kinds of errors that nobody handled, and the console has
  #failures = 0;
  #isWanted = false;
  #ticker;
  #ticked;
  #retry;

  constructor(url, isPassing, platform = globalThis) {
    super();
    this._url = url;
    this._platform = platform; // where timers, sockets and requests come from; tests bring their own
    this._isPassing = isPassing; // open for as long as there are claims: others like it are made with every render
  }

  get _history() {
    return this._options.history && (this.#history ??= new History(this));
  }

  get _link() {
    return this.#link;
  }

  get socket_id() {
    return this.#link?.id ?? null;
  }

  send(frame) {
    return this.#link?.send(frame) ?? false;
  }

  /** A page connects at once. A server that renders one makes Gateways too, but has no use for a connection. */
  _begin() {
    if (this._platform.document && !this._isPassing) this.connect();
  }

  connect() {
    if (this.#isWanted) return;
    const { _platform: platform } = this;
    if (!platform.WebSocket) return this.#giveUp(new Error("no WebSocket here; Node.js has one from version 22 on"));
    this.#isWanted = true;
    for (const type of PAGE_EVENTS) platform.addEventListener?.(type, this);
    this.#ticked = platform.Date.now();
    this.#tick();
    this.#dial();
  }

  /** For all Gateways that share it, e.g. on logout; until the next `connect`, `subscribe` or Gateway. */
  disconnect() {
    if (this.#isWanted) this.#stop("disconnected");
  }

  #stop(state) {
    this.#isWanted = false;
    this._platform.clearTimeout(this.#ticker);
    this._platform.clearTimeout(this.#retry);
    for (const type of PAGE_EVENTS) this._platform.removeEventListener?.(type, this);
    for (const link of this.#links) link.close();
    this.#enter(state);
  }

  #dial() {
    this._platform.clearTimeout(this.#retry);
    if (this.state !== "unavailable") this.#enter("connecting");
    try {
      this.#link = this.#open();
    } catch (error) {
      // The browser will never allow this address, e.g. ws:// from an https:// page.
      this.#giveUp(error);
    }
  }

  #giveUp(error) {
    this.#stop("failed");
    queueMicrotask(() => this._fail("WebSocketError", error)); // whoever made the first Gateway cannot listen yet
  }

  #open() {
    const link = new Link(this);
    this.#links.add(link);
    return link;
  }

  /** Milliseconds, with full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
  _pause(failures) {
    return this._platform.Math.random() * Math.min(LONGEST_PAUSE, SECOND * 2 ** failures);
  }

  _lost(link) {
    this.#links.delete(link);
    if (link === this.#next) {
      this.#next = null; // the next tick opens another
    } else if (link === this.#link) {
      if (link.id && this._platform.Date.now() - link.born >= STABLE) this.#failures = 0;
      this.#link = this.#next;
      this.#next = null;
      this._settle();
      if (!this.#isWanted) return;
      if (!this.#link) this.#retry = this._platform.setTimeout(() => this.#dial(), this._pause(this.#failures++));
      const isNews = this.state !== "unavailable";
      this.#enter(this.#link?.id ? "connected" : link.id ? "connecting" : "unavailable");
      if (isNews && this.state === "unavailable") {
        const message = `${this._url.split("?")[0]} cannot be reached, or does not admit this page`;
        this._fail("WebSocketError", { message });
      }
    }
  }

  /** The page came to the front, or its network changed. */
  handleEvent({ type }) {
    const link = this.#link;
    const isShown = type === "visibilitychange" || type === "pageshow";
    if (!this.#isWanted || (isShown && this._platform.document?.hidden)) return;
    if (link?.id) {
      if (!isShown || this._platform.Date.now() - link.heard > TICK) link.probe();
    } else if (type === "online" || (isShown && !link)) {
      link?.close(); // begun without a network, it would last until its time limit
      this.#dial();
    }
  }

  #tick() {
    const now = this._platform.Date.now();
    const link = this.#link;
    const hasSlept = now - this.#ticked > 4 * TICK; // a hidden page's timers run once a minute
    this.#ticked = now;
    this.#ticker = this._platform.setTimeout(() => this.#tick(), TICK);
    if (!link?.id) return;
    const isIdle = now - link.heard >= link.idle;
    if (isIdle || hasSlept) link.probe();
    // Silence may also mean that the backend was restarted and knows nobody.
    if (isIdle) link.register();
    if (now >= link.renewAt && !this.#next) this.#next = this.#open();
  }

  /** After any change: hands over to the next link once it can do all that is wanted, and tells new subscribers. */
  _settle() {
    if (this.#next?.isSettled) {
      const former = this.#link;
      this.#link = this.#next;
      this.#next = null;
      this._platform.setTimeout(() => former.close(), OVERLAP);
    }
    const link = this.#link;
    for (const [name, channels] of this._channels) {
      const isSubscribed = !!link?.registered && !!link.confirmed.get(name);
      for (const channel of [...channels]) channel._stand(isSubscribed);
    }
  }

  _add(channel) {
    const { name } = channel;
    kept(this._channels, name, () => new Set()).add(channel);
    for (const link of this.#links) link.retry(name);
    this.connect();
    this.#reconcile();
  }

  _remove(channel) {
    const channels = this._channels.get(channel.name);
    channels.delete(channel);
    if (!channels.size) this._channels.delete(channel.name);
    this.#reconcile();
  }

  /** In a moment: what is mounted, unmounted and mounted again at once costs one message, not three. */
  #reconcile() {
    queueMicrotask(() => {
      this.#link?.reconcile();
      this.#next?.reconcile();
      this._settle();
      if (this._isPassing && !this._channels.size) this.disconnect();
    });
  }

  _receive(link, text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      frame = { type: "error", message: "a frame is not JSON" };
    }
    const { type, channel, event, data, message } = (frame ??= {});
    if (event === "pusher:subscription_error") {
      if (!(data?.status >= 500)) link.refuse(channel, data ?? {});
    } else if (event ?? frame.events) {
      if (frame.seq && this._history) for (const claim of [...(this._channels.get(channel) ?? [])]) claim._take(frame);
      else for (const envelope of eventsIn(frame)) this.#hear(envelope);
    } else if (type === "connection_id") {
      link.identify(frame.connection_id);
      if (link === this.#link) this.#enter("connected", { socket_id: link.id });
      this._settle();
    } else if (type === "subscription_succeeded" || type === "unsubscribe_succeeded") {
      link.answer(channel, type[0] === "s");
      this._settle();
    } else if (type === "history") {
      link.answerHistory(frame);
    } else if (type === "error") {
      this._fail("ProtocolError", frame);
    } else if (message && frame.connectionId) {
      // API Gateway's own: {"message": "Internal server error", "connectionId":…, "requestId":…}
      this._fail("GatewayError", frame);
    }
  }

  #hear(envelope) {
    const { channel, event, data, id } = envelope;
    // The same event comes over both links during a handover, or twice when the backend repeats a lost request.
    if (id && this.#seen.has(id)) return;
    if (id && this.#seen.add(id).size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value);
    this._tell(channel, event, data, envelope);
  }

  /** Tells the channels of that name, then the Gateways that hold one; returns whether anybody listened. */
  _tell(name, event, ...rest) {
    const channels = [...(this._channels.get(name) ?? [])];
    const gateways = new Set(channels.map((channel) => channel._gateway));
    return [...channels, ...gateways].filter((target) => target._emit(event, ...rest)).length > 0;
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

  #enter(state, data) {
    const previous = this.state;
    if (state === previous) return;
    this.state = state;
    this._emit("state_change", { previous, current: state });
    const isHeard = this._emit(state, data);
    if (state === "connected") this._isHeard = isHeard; // so the page may register the connection by itself
  }
}
