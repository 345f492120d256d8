const SECOND = 1000;
const MINUTE = 60 * SECOND;

// API Gateway ends a connection after 10 minutes without a message and after 2 hours in any case, and takes 32 KB in a
// frame; a browser cannot split one.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
const FRAME_LIMIT = 32 * 1024; // bytes of UTF-8
const EARLIEST_RENEWAL = 90 * MINUTE; // at a random age, so that clients that came together part again
const LATEST_RENEWAL = 115 * MINUTE;
// A ping and its answer are two billed messages. 8.5 minutes leave room for the slow timers of a hidden page.
const ACTIVITY_TIMEOUT = 8.5 * MINUTE;
const PONG_TIMEOUT = 10 * SECOND;
const OPEN_TIMEOUT = 15 * SECOND; // until the connection id is known: handshake, `$connect` and a message, all cold
const ANSWER_TIMEOUT = 10 * SECOND; // the Lambda's own limit

const failure = (message, status) => Object.assign(new Error(message), { status });

/** One WebSocket: learns its connection id, registers it, and makes its subscriptions what the page wants. */
export class Link {
  id = null;
  closed = false;
  confirmed = new Map(); // channels that the gateway has said yes to -> false while they are being given up
  refused = new Set(); // channels that it, or the backend, has said no to
  #connection;
  #platform;
  #socket;
  #deadline; // timer: the connection id must be known
  #pong; // timer: something must be heard
  #open = false;
  #busy = new Set(); // channels with a change under way, "" for the registration
  #waiting = new Map(); // channel -> what to call when the gateway answers

  constructor(connection) {
    const platform = (this.#platform = connection._platform);
    const options = connection._options;
    const socket = (this.#socket = new platform.WebSocket(connection._url));
    this.#connection = connection;
    this.born = this.heard = platform.now();
    this.renewAt = this.born + EARLIEST_RENEWAL + platform.random() * (LATEST_RENEWAL - EARLIEST_RENEWAL);
    this.idle = (options.activityTimeout ?? ACTIVITY_TIMEOUT) * (0.9 + platform.random() / 10);
    this.registered = !options.register;
    this.#deadline = platform.setTimeout(() => this.close(), OPEN_TIMEOUT);
    socket.onopen = () => {
      this.#open = true;
      this.send({ action: "connection_id" });
      this.reconcile();
    };
    socket.onmessage = ({ data }) => {
      this.heard = platform.now();
      platform.clearTimeout(this.#pong);
      this.#pong = null;
      connection._receive(this, data);
    };
    socket.onclose = () => this.close();
    socket.onerror = () => {}; // says nothing in a browser; `close` follows
  }

  /** The newest, because the functions among them may have been made anew. */
  get #options() {
    return this.#connection._options;
  }

  /** Returns false if the socket is not open; throws, with status 413, for a frame that would cost the connection. */
  send(frame) {
    const text = JSON.stringify(frame);
    const size = new TextEncoder().encode(text).length;
    if (size > FRAME_LIMIT) throw failure(`the frame has ${size} bytes; API Gateway takes at most ${FRAME_LIMIT}`, 413);
    const isOpen = this.#socket.readyState === 1;
    if (isOpen) this.#socket.send(text);
    return isOpen;
  }

  /** Does not wait for the closing handshake, which a dead network never finishes. */
  close() {
    if (this.closed) return;
    this.closed = true;
    this.#platform.clearTimeout(this.#deadline);
    this.#platform.clearTimeout(this.#pong);
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#connection._lost(this);
  }

  /** Asks for a sign of life; closes the link if none comes. */
  probe() {
    if (this.#pong) return;
    this.send({ action: "ping" });
    this.#pong = this.#platform.setTimeout(() => this.close(), this.#options.pongTimeout ?? PONG_TIMEOUT);
  }

  /** The id comes twice where the backend registers connections: pushed to the first subscription, and asked for. */
  identify(id) {
    if (this.id) return;
    this.id = id;
    this.#platform.clearTimeout(this.#deadline);
    this.register();
    this.reconcile();
  }

  /** Posts the connection id until the backend takes it. */
  register() {
    const { register } = this.#options;
    let done = !register;
    this.#persist("", "RegistrationError", () => !done, async () => {
      await this.#call(register, { connection_id: this.id });
      done = this.registered = true;
    });
  }

  get isSettled() {
    const names = [...this.#connection._channels.keys()];
    return this.id && this.registered && names.every((name) => this.confirmed.get(name) || this.refused.has(name));
  }

  /** Subscribes to what the page wants and is not confirmed, and the other way round. */
  reconcile() {
    const channels = this.#connection._channels;
    if (!this.#open || (this.#options.auth && !this.id)) return;
    for (const name of new Set([...channels.keys(), ...this.confirmed.keys()])) {
      const isPending = () =>
        channels.has(name) ? !this.confirmed.get(name) && !this.refused.has(name) : this.confirmed.has(name);
      this.#persist(name, "SubscriptionError", isPending, () => this.#change(name));
    }
  }

  /** The gateway's answer to a change; it may come after it was given up. */
  answer(name, isSubscribed) {
    if (isSubscribed) this.confirmed.set(name, true);
    else this.confirmed.delete(name);
    this.#waiting.get(name)?.();
    this.reconcile();
  }

  refuse(name, { status, message }) {
    if (this.closed) return;
    this.refused.add(name);
    this.confirmed.delete(name);
    this.#waiting.get(name)?.();
    this.#connection._tell(name, "pusher:subscription_error", { status, message });
  }

  async #change(name) {
    const { auth } = this.#options;
    const isWanted = () => this.#connection._channels.has(name);
    const frame = { action: isWanted() ? "subscribe" : "unsubscribe", channel: name };
    try {
      if (auth && isWanted()) {
        const answer = await this.#call(auth, { connection_id: this.id, channel: name });
        frame.auth = answer?.auth ?? answer;
        if (typeof frame.auth !== "string") throw failure("the backend's answer has no string 'auth'");
        if (!isWanted()) return;
      }
      if (this.confirmed.has(name)) this.confirmed.set(name, false);
      const answered = new Promise((resolve) => this.#waiting.set(name, resolve));
      this.send(frame);
      await this.#within(answered);
    } catch (error) {
      // A clear no is final for this link; anything else is tried again.
      const status = error?.status;
      if (!(status >= 400 && status < 500) || status === 408 || status === 429) throw error;
      this.refuse(name, error);
    }
  }

  /**
   * Attempts with growing pauses for as long as it is needed and the link lives, one at a time for each name: API
   * Gateway handles messages concurrently, so an unsubscribe could overtake the subscribe before it.
   */
  async #persist(name, type, isNeeded, attempt) {
    if (this.#busy.has(name)) return;
    this.#busy.add(name);
    for (let failures = 0; !this.closed && isNeeded(); ) {
      try {
        await attempt();
        this.#connection._settle();
      } catch (error) {
        if (this.closed) return;
        this.#connection._fail(type, error ?? {});
        await new Promise((resume) => this.#platform.setTimeout(resume, this.#connection._pause(failures++)));
      }
    }
    this.#busy.delete(name);
  }

  /** Asks the backend, by a function of the application's or a POST to a URL. */
  async #call(target, body) {
    if (typeof target === "function") return this.#within(target(...Object.values(body)));
    const response = await this.#within(
      this.#platform.fetch(target, {
        method: "POST",
        credentials: "include",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      }),
    );
    // A login page at the end of a redirect is a 200 as well.
    const status = response.redirected ? 401 : response.status;
    if (status >= 300) throw failure(`${target.split("?")[0]} answered ${status}`, status);
    return body.channel && this.#within(response.json());
  }

  #within(promise) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = this.#platform.setTimeout(() => reject(failure("no answer in time")), ANSWER_TIMEOUT);
    });
    return Promise.race([promise, late]).finally(() => this.#platform.clearTimeout(timer));
  }
}
