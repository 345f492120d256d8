import { ask, failure, isRefusal } from "./backend.js";
import * as limits from "./limits.js";
import { signer } from "./signatures.js";

const UNREGISTERED = "nothing comes without 'register'";

const REFUSAL = "pusher:subscription_error";

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
  const signed = new Map(); // channel -> its signature
  let isDue = false; // the registration
  let isRegistered = !connection._options.register;
  let again; // timer: the registration is repeated
  let ticker; // timer: silence and age are looked at
  let deadline; // timer: the connection id must be known; from then on, something must be heard

  if (!platform.WebSocket) throw new Error("no WebSocket here; Node.js 22 has one");
  const socket = new platform.WebSocket(connection._url);
  const born = now();
  const renewal = limits.EARLIEST_RENEWAL + random() * (limits.LATEST_RENEWAL - limits.EARLIEST_RENEWAL);
  const idle = connection._options.activityTimeout ?? limits.ACTIVITY_TIMEOUT;
  const isOpen = () => socket.readyState === 1;
  let heard = born;
  let ticked = born;

  const link = {
    _id: null,
    _isClosed: false,

    /** Returns false if the socket is not open; throws, with status 413, for a frame that would cost the connection. */
    _send(frame) {
      const text = JSON.stringify(frame);
      const size = new Blob([text]).size;
      if (size > limits.FRAME_LIMIT)
        throw failure(`the frame has ${size} bytes of at most ${limits.FRAME_LIMIT}`, { status: 413 });
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

    _history: (what) =>
      request(`history ${what.channel}`, { action: "history", ...what, auth: signed.get(what.channel) }),

    /** Does not wait for the closing handshake, which a dead network never finishes. */
    _close() {
      if (link._isClosed) return;
      link._isClosed = true;
      [again, ticker, deadline].forEach(clearTimeout);
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
  socket.onclose = socket.onerror = link._close; // an error says nothing in a browser
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

  function receive(text) {
    let frame;
    try {
      frame = JSON.parse(text) ?? {};
    } catch {
      frame = { type: "error", message: "a frame is not JSON" };
    }
    const { type, channel, event, data, message } = frame;
    if (event === REFUSAL) {
      if (!(data?.status >= 500)) refuse(channel, data ?? {});
    } else if (event ?? frame.events) {
      connection._receive(frame);
    } else if (type === "connection_id") {
      identify(frame.connection_id);
    } else if (type === "subscription_succeeded" || type === "unsubscribe_succeeded") {
      // It may come after it was given up.
      if (type === "subscription_succeeded") confirmed.set(channel, true);
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
      connection._settle(); // functions that register and sign may read `socket_id`
      register();
    } else if (!connection._options.register && !connection._isHeard) {
      connection._fail("RegistrationError", { message: UNREGISTERED });
    }
    link._reconcile();
  }

  /** Posts the connection id until the backend takes or refuses it, and again each minute while the page is visible. */
  function register() {
    isDue = connection._options.register;
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
    return connection._within(answered, "the gateway");
  }

  /** A clear no is final for this link. */
  function refuse(name, { status, message }) {
    refused.add(name);
    confirmed.delete(name);
    waiting.get(name)?.();
    if (!name) {
      connection._fail("RegistrationError", { message: `${message}; not asked again`, status, isFinal: true });
    } else if (!connection._tell(name, REFUSAL, { status, message }) && channels.has(name)) {
      connection._complain(REFUSAL, `${message} (channel '${name}')`);
    }
  }

  async function change(name) {
    const frame = { action: "unsubscribe", channel: name };
    if (channels.has(name)) {
      frame.action = "subscribe";
      if (connection._options.auth) signed.set(name, (frame.auth = await sign(name)));
      if (!channels.has(name)) return;
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
          if (!error._pause) connection._fail(name ? "SubscriptionError" : "RegistrationError", error);
          await (error._pause ??= connection._sleep(connection._pause(failures)));
        }
      }
      connection._settle();
    }
    busy.delete(name);
  }
}
