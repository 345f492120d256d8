import { ask, failure, isRefusal, within } from "./backend.js";
import * as limits from "./limits.js";
import { signer } from "./signatures.js";

const UNREGISTERED =
  "nothing will come: this gateway leaves it to the backend to register connections; give 'register'";

/** One WebSocket: learns its connection id, registers it, and makes its subscriptions what the page wants. */
export function openLink(connection) {
  const { _channels: channels, _platform: platform } = connection;
  const { setTimeout, clearTimeout } = platform;
  const { now } = platform.Date;
  const { random } = platform.Math;
  const confirmed = new Map(); // channels that the gateway has said yes to -> false while they are being given up
  const refused = new Set(); // channels that it, or the backend, has said no to; "" for the registration
  const busy = new Set(); // channels with a change under way, "" for the registration
  const waiting = new Map(); // channel -> what to call when the gateway answers
  let isDue = false; // the registration
  let isRegistered = !connection._options.register;
  let again; // timer: the registration is repeated
  let ticker; // timer: silence and age are looked at
  let deadline; // timer: the connection id must be known; from then on, something must be heard

  if (!platform.WebSocket) throw new Error("no WebSocket here; Node.js has one from version 22 on");
  const socket = new platform.WebSocket(connection._url);
  const born = now();
  const renewal = limits.EARLIEST_RENEWAL + random() * (limits.LATEST_RENEWAL - limits.EARLIEST_RENEWAL);
  const idle = (connection._options.activityTimeout ?? limits.ACTIVITY_TIMEOUT) * (0.9 + random() / 10);
  let heard = born;
  let ticked = born;

  const link = {
    _id: null,
    _isClosed: false,
    _signed: new Map(), // channel -> its signature
    _request: request,

    /** Returns false if the socket is not open; throws, with status 413, for a frame that would cost the connection. */
    _send(frame) {
      const text = JSON.stringify(frame);
      const size = new TextEncoder().encode(text).length;
      if (size > limits.FRAME_LIMIT)
        throw failure(`the frame has ${size} bytes; API Gateway takes at most ${limits.FRAME_LIMIT}`, 413);
      if (isOpen()) socket.send(text);
      return isOpen();
    },

    /** Asks for a sign of life, unless there was one in that time; closes the link if none comes. */
    _probe(silence) {
      if (deadline || now() - heard < silence) return;
      link._send({ action: "ping" });
      deadline = setTimeout(link._close, connection._options.pongTimeout ?? limits.PONG_TIMEOUT);
    },

    _has(name) {
      return isRegistered && confirmed.get(name);
    },

    _isSettled() {
      return link._id && isRegistered && [...channels.keys()].every((name) => confirmed.get(name) || refused.has(name));
    },

    /** Subscribes to what the page wants and is not confirmed, and the other way round. */
    _reconcile() {
      if (!isOpen() || (connection._options.auth && !link._id)) return;
      for (const name of [...channels.keys(), ...confirmed.keys()]) pursue(name);
      connection._settle();
    },

    /** A new claim on a channel is a reason to ask again, also for what was refused. */
    _retry(name) {
      refused.delete(name);
      if (refused.delete("")) register();
    },

    /** Does not wait for the closing handshake, which a dead network never finishes. */
    _close() {
      if (link._isClosed) return;
      link._isClosed = true;
      for (const timer of [again, ticker, deadline]) clearTimeout(timer);
      socket.onmessage = null;
      socket.close();
      connection._lost(link, link._id && now() - born >= limits.STABLE);
    },
  };

  const sign = signer(connection, link);
  deadline = setTimeout(link._close, limits.OPEN_TIMEOUT);
  tick();
  connection._links.add(link);
  socket.onopen = () => {
    link._send({ action: "connection_id" });
    link._reconcile();
  };
  socket.onmessage = ({ data }) => {
    heard = now();
    receive(data);
    if (!link._id) return;
    clearTimeout(deadline);
    deadline = null;
  };
  socket.onclose = link._close;
  socket.onerror = () => {}; // says nothing in a browser; `close` follows
  return link;

  function tick() {
    const hasSlept = now() - ticked > limits.LONGEST_TICK;
    ticked = now();
    ticker = setTimeout(tick, limits.TICK);
    if (!link._id || connection._link !== link) return;
    // Silence may also mean that the backend was restarted and knows nobody.
    if (ticked - heard >= idle) register();
    link._probe(hasSlept ? 0 : idle);
    if (ticked - born >= renewal) connection._next ??= openLink(connection);
  }

  function isOpen() {
    return socket.readyState === 1;
  }

  function receive(text) {
    let frame;
    try {
      frame = JSON.parse(text) ?? {};
    } catch {
      frame = { type: "error", message: "a frame is not JSON" };
    }
    const { type, channel, event, data, message } = frame;
    if (event === "pusher:subscription_error") {
      if (!(data?.status >= 500)) refuse(channel, data ?? {});
    } else if (event ?? frame.events) {
      connection._receive(frame);
    } else if (type === "connection_id") {
      identify(frame.connection_id);
    } else if (type === "subscription_succeeded" || type === "unsubscribe_succeeded") {
      // It may come after it was given up.
      if (type[0] === "s") confirmed.set(channel, true);
      else confirmed.delete(channel);
      waiting.get(channel)?.();
      link._reconcile();
    } else if (type === "history") {
      waiting.get(`history ${channel}`)?.(frame);
    } else if (type === "error") {
      connection._fail("ProtocolError", frame);
    } else if (message && frame.connectionId) {
      // API Gateway's own: {"message": "Internal server error", "connectionId":…, "requestId":…}
      connection._fail("GatewayError", frame);
    }
  }

  /** The id comes twice where the backend registers connections: pushed to the first subscription, and asked for. */
  function identify(id) {
    if (!link._id) {
      link._id = id;
      register();
    } else if (!connection._options.register && !connection._isHeard) {
      connection._fail("RegistrationError", { message: UNREGISTERED });
    }
    link._reconcile();
  }

  /** Posts the connection id until the backend takes or refuses it, and again each minute while the page is visible. */
  function register() {
    isDue = !!connection._options.register;
    pursue("");
  }

  async function attemptRegistration() {
    const { register: target, registerInterval = limits.REGISTER_INTERVAL } = connection._options;
    const wait = () => {
      clearTimeout(again);
      again = setTimeout(
        () => (platform.document?.hidden ? wait() : register()),
        registerInterval * (0.8 + 0.4 * random()),
      );
    };
    isRegistered = await ask(connection, target, { connection_id: link._id }, () => true);
    isDue = false;
    if (!link._isClosed && registerInterval) wait();
  }

  function isPending(name) {
    const isWanted = name ? channels.has(name) : isDue;
    return isWanted ? !confirmed.get(name) && !refused.has(name) : confirmed.has(name);
  }

  /** Sends a frame, and waits for the answer that names the channel. */
  function request(key, frame) {
    const answered = new Promise((resolve) => waiting.set(key, resolve));
    link._send(frame);
    return within(answered, platform, "the gateway");
  }

  /** A clear no is final for this link. */
  function refuse(name, { status, message }) {
    refused.add(name);
    confirmed.delete(name);
    waiting.get(name)?.();
    if (!name) {
      const reason = `${message}; it is not asked again on this connection`;
      return connection._fail("RegistrationError", { message: reason, status, isFinal: true });
    }
    const event = "pusher:subscription_error";
    if (!connection._tell(name, event, { status, message }) && channels.has(name))
      connection._complain(event, `${message} (channel '${name}')`);
  }

  async function change(name) {
    const isWanted = () => channels.has(name);
    const frame = { action: isWanted() ? "subscribe" : "unsubscribe", channel: name };
    if (connection._options.auth && isWanted()) {
      frame.auth = await sign(name);
      link._signed.set(name, frame.auth);
      if (!isWanted()) return;
    }
    if (confirmed.has(name)) confirmed.set(name, false);
    await request(name, frame);
  }

  /**
   * Attempts with growing pauses for as long as it is needed and the link lives, one at a time for each name: API
   * Gateway handles messages concurrently, so an unsubscribe could overtake the subscribe before it.
   */
  async function pursue(name) {
    if (busy.has(name)) return;
    busy.add(name);
    for (let failures = 0; !link._isClosed && isPending(name); failures++) {
      try {
        await (name ? change(name) : attemptRegistration());
      } catch (error) {
        if (link._isClosed) return;
        if (isRefusal(error)) {
          refuse(name, error);
        } else {
          // All channels whom one failed request was for say so once, and try again together.
          if (error._pause === undefined) {
            connection._fail(name ? "SubscriptionError" : "RegistrationError", error);
            error._pause = connection._pause(failures);
          }
          await connection._sleep(error._pause);
        }
      }
      connection._settle();
    }
    busy.delete(name);
  }
}
