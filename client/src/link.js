import { ask, failure, isRefusal, within } from "./backend.js";
import * as limits from "./limits.js";
import { Signatures } from "./signatures.js";

const UNREGISTERED =
  "nothing will come: this gateway leaves it to the backend to register connections; give 'register'";

/** One WebSocket: learns its connection id, registers it, and makes its subscriptions what the page wants. */
export class Link {
  id = null;
  closed = false;
  confirmed = new Map(); // channels that the gateway has said yes to -> false while they are being given up
  refused = new Set(); // channels that it, or the backend, has said no to; "" for the registration
  #connection;
  #platform;
  #socket;
  #deadline; // timer: the connection id must be known
  #pong; // timer: something must be heard
  #open = false;
  #busy = new Set(); // channels with a change under way, "" for the registration
  #waiting = new Map(); // channel -> what to call when the gateway answers
  #again; // timer: the registration is repeated
  #signatures;
  #auth = new Map(); // channel -> what it was signed with

  constructor(connection) {
    const platform = (this.#platform = connection._platform);
    const options = connection._options;
    const socket = (this.#socket = new platform.WebSocket(connection._url));
    this.#connection = connection;
    this.born = this.heard = platform.Date.now();
    this.renewAt =
      this.born + limits.EARLIEST_RENEWAL + platform.Math.random() * (limits.LATEST_RENEWAL - limits.EARLIEST_RENEWAL);
    this.idle = (options.activityTimeout ?? limits.ACTIVITY_TIMEOUT) * (0.9 + platform.Math.random() / 10);
    this.registered = !options.register;
    this.#deadline = platform.setTimeout(() => this.close(), limits.OPEN_TIMEOUT);
    socket.onopen = () => {
      this.#open = true;
      this.send({ action: "connection_id" });
      this.reconcile();
    };
    socket.onmessage = ({ data }) => {
      this.heard = platform.Date.now();
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
    if (size > limits.FRAME_LIMIT)
      throw failure(`the frame has ${size} bytes; API Gateway takes at most ${limits.FRAME_LIMIT}`, 413);
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
    this.#platform.clearTimeout(this.#again);
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#connection._lost(this);
  }

  /** Asks for a sign of life; closes the link if none comes. */
  probe() {
    if (this.#pong) return;
    this.send({ action: "ping" });
    this.#pong = this.#platform.setTimeout(() => this.close(), this.#options.pongTimeout ?? limits.PONG_TIMEOUT);
  }

  /** The id comes twice where the backend registers connections: pushed to the first subscription, and asked for. */
  identify(id) {
    if (this.id) {
      const { register } = this.#options;
      if (!register && !this.#connection._isHeard)
        this.#connection._fail("RegistrationError", { message: UNREGISTERED });
      return;
    }
    this.id = id;
    this.#signatures = new Signatures(this.#connection, id);
    this.#platform.clearTimeout(this.#deadline);
    this.register();
    this.reconcile();
  }

  /** Posts the connection id until the backend takes or refuses it, and again each minute while the page is visible. */
  register() {
    const { register, registerInterval = limits.REGISTER_INTERVAL } = this.#options;
    if (!register) return;
    this.#platform.clearTimeout(this.#again);
    const repeat = () => (this.#platform.document?.hidden ? wait() : this.register());
    const wait = () => {
      const pause = registerInterval * (0.8 + 0.4 * this.#platform.Math.random());
      this.#again = this.#platform.setTimeout(repeat, pause);
    };
    let isDone = false;
    this.#persist(
      "",
      "RegistrationError",
      () => !isDone && !this.refused.has(""),
      async () => {
        isDone = this.registered = await ask(this.#connection, register, { connection_id: this.id }, () => true);
        if (!this.closed && registerInterval) wait();
      },
    );
  }

  /** A new claim on a channel is a reason to ask again, also for what was refused. */
  retry(name) {
    this.refused.delete(name);
    if (this.refused.delete("")) this.register();
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

  /** Asks for history; the answer names its channel alone, so of each there may be one question at a time. */
  history(request) {
    const { channel } = request;
    const answered = new Promise((resolve) => this.#waiting.set(`history ${channel}`, resolve));
    this.send({ action: "history", ...request, auth: this.#auth.get(channel) });
    return within(answered, this.#platform, "the gateway");
  }

  answerHistory(answer) {
    this.#waiting.get(`history ${answer.channel}`)?.(answer);
  }

  /** A clear no is final for this link. */
  refuse(name, { status, message }) {
    if (this.closed) return;
    this.refused.add(name);
    this.confirmed.delete(name);
    this.#waiting.get(name)?.();
    if (!name) {
      const reason = `${message}; it is not asked again on this connection`;
      return this.#connection._fail("RegistrationError", { message: reason, status, isFinal: true });
    }
    const event = "pusher:subscription_error";
    const isWanted = this.#connection._channels.has(name);
    if (this.#connection._tell(name, event, { status, message }) || !isWanted) return;
    this.#connection._complain(event, `${message} (channel '${name}')`);
  }

  async #change(name) {
    const isWanted = () => this.#connection._channels.has(name);
    const frame = { action: isWanted() ? "subscribe" : "unsubscribe", channel: name };
    if (this.#options.auth && isWanted()) {
      frame.auth = await this.#signatures.get(name);
      this.#auth.set(name, frame.auth);
      if (!isWanted()) return;
    }
    if (this.confirmed.has(name)) this.confirmed.set(name, false);
    const answered = new Promise((resolve) => this.#waiting.set(name, resolve));
    this.send(frame);
    await within(answered, this.#platform, "the gateway");
  }

  /**
   * Attempts with growing pauses for as long as it is needed and the link lives, one at a time for each name: API
   * Gateway handles messages concurrently, so an unsubscribe could overtake the subscribe before it.
   */
  async #persist(name, type, isNeeded, attempt) {
    if (this.#busy.has(name)) return;
    this.#busy.add(name);
    for (let failures = 0; !this.closed && isNeeded(); failures++) {
      try {
        await attempt();
      } catch (error) {
        if (this.closed) return;
        if (isRefusal(error)) {
          this.refuse(name, error);
        } else {
          // All channels whom one failed request was for say so once, and try again together.
          if (!("pause" in error)) this.#connection._fail(type, error);
          error.pause ??= this.#connection._pause(failures);
          await new Promise((resume) => this.#platform.setTimeout(resume, error.pause));
        }
      }
      this.#connection._settle();
    }
    this.#busy.delete(name);
  }
}
