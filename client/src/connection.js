import { failure, withoutQuery } from "./backend.js";
import { Emitter } from "./emitter.js";
import { ANSWER_TIMEOUT, LONGEST_PAUSE, OVERLAP, REMEMBERED, SECOND, TICK } from "./limits.js";
import { openLink } from "./link.js";
import { eventsIn } from "./messages.js";
import { reader } from "./reader.js";

const PAGE_EVENTS = "online offline visibilitychange pageshow".split(" "); // the last is all that iOS may send

/**
 * One for each address and its options on a page, whatever number of Gateways share it: decides when to connect,
 * reconnect and hand over to a fresh link, and passes on what arrives.
 */
export function openConnection(url, isPassing, platform = globalThis) {
  const { setTimeout, clearTimeout } = platform;
  const seen = new Set(); // ids of events, oldest first
  const complaints = new Set(); // kinds of errors that nobody handled, and the console has
  let failures = 0;
  let isWanted = false;
  let retry; // timer

  const connection = new Emitter({
    state: "initialized",
    socket_id: null,
    _url: url,
    _platform: platform, // where timers, sockets and requests come from; tests bring their own
    _channels: new Map(), // name -> the page's claims on that channel
    _links: new Set(), // every open one: the current, the next, and the former that still listens for the last events

    send: (frame) => !!connection._link?._send(frame),

    /** A page connects at once. A server that renders one makes Gateways too, but has no use for a connection. */
    _begin() {
      if (platform.document && !isPassing) connection.connect();
    },

    connect() {
      if (isWanted) return;
      isWanted = true;
      listen("add");
      dial();
    },

    /** For all Gateways that share it, e.g. on logout; until the next `connect`, `subscribe` or Gateway. */
    disconnect() {
      if (isWanted) stop("disconnected");
    },

    /** Milliseconds, with full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
    _pause: (failures) => platform.Math.random() * Math.min(LONGEST_PAUSE, SECOND * 2 ** failures),

    _sleep: (duration) => new Promise((resume) => setTimeout(resume, duration)),

    /** Rejects when the time of an answer is over. */
    _within: (promise, who) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(failure(`${who} answered nothing in 10 s`)), ANSWER_TIMEOUT);
        promise.then(resolve, reject).finally(() => clearTimeout(timer));
      }),

    _lost(link, isStable) {
      connection._links.delete(link);
      if (link === connection._next) connection._next = null; // the next tick opens another
      if (link !== connection._link) return;
      if (isStable) failures = 0;
      handOver();
      connection._settle();
      if (!isWanted || connection.socket_id) return;
      if (!connection._link) retry = setTimeout(dial, connection._pause(failures++));
      if (link._id) {
        enter("connecting");
      } else if (enter("unavailable")) {
        connection._fail("WebSocketError", { message: `${withoutQuery(url)} cannot be reached, or refuses this page` });
      }
    },

    /** After any change: hands over to the next link once it can do all that is wanted, and tells new subscribers. */
    _settle() {
      if (connection._next?._isSettled()) {
        setTimeout(connection._link._close, OVERLAP);
        handOver();
      }
      const socket_id = (connection.socket_id = connection._link?._id ?? null);
      if (socket_id) enter("connected", { socket_id });
      // Each callback may disconnect, or give back claims that follow.
      for (const claim of connection._allClaims()) claim._stand(!!connection._link?._has(claim.name));
    },

    _add(channel) {
      connection._channels.set(channel.name, [...connection._claims(channel.name), channel]);
      for (const link of connection._links) link._retry(channel.name);
      connection.connect();
      reconcile();
    },

    _remove(channel) {
      const others = connection._claims(channel.name).filter((other) => other !== channel);
      if (others[0]) connection._channels.set(channel.name, others);
      else connection._channels.delete(channel.name);
      reconcile();
    },

    _receive(message) {
      if (message.seq && connection._options.history) {
        for (const claim of connection._claims(message.channel)) claim._take(message);
        return;
      }
      for (const told of eventsIn(message)) {
        // The same event comes over both links during a handover, or twice when the backend repeats a lost request.
        if (seen.has(told.id)) continue;
        if (told.id) seen.add(told.id);
        const [oldest] = seen;
        if (seen.size > REMEMBERED) seen.delete(oldest);
        connection._tell(told.channel, told.event, told.data, told);
      }
    },

    /** Tells the channels of that name, then the Gateways that hold one; returns whether anybody listened. */
    _tell(name, event, ...rest) {
      const claims = connection._claims(name);
      const gateways = new Set(claims.map((claim) => claim._gateway));
      return [...claims, ...gateways].filter((target) => target._emit(event, ...rest)).length;
    },

    _claims: (name) => connection._channels.get(name) ?? [],

    _allClaims: () => [...connection._channels.values()].flat(),

    /** In the shape of Pusher's errors. */
    _fail(type, { message, status, requestId, isFinal }) {
      const data = { message, code: status, requestId, ...(isFinal && { isFinal }) };
      if (!connection._emit("error", { type, error: { data } })) connection._complain(type, message);
    },

    /** What nobody handles goes to the console, once for each kind: else nothing would come, and nothing say why. */
    _complain(kind, message) {
      if (!complaints.has(kind)) console.error(`${kind}: ${message}; nobody handles it`);
      complaints.add(kind);
    },
  });
  connection._read = reader(connection);
  return connection;

  function listen(how) {
    for (const type of PAGE_EVENTS) platform[`${how}EventListener`]?.(type, wake);
  }

  function stop(state) {
    isWanted = false;
    clearTimeout(retry);
    listen("remove");
    for (const link of connection._links) link._close();
    enter(state);
  }

  function dial() {
    clearTimeout(retry);
    if (connection.state !== "unavailable") enter("connecting");
    try {
      connection._link = openLink(connection);
    } catch (error) {
      // The browser will never allow this address, e.g. ws:// from an https:// page.
      stop("failed");
      queueMicrotask(() => connection._fail("WebSocketError", error)); // who made the first Gateway cannot listen yet
    }
  }

  function handOver() {
    connection._link = connection._next;
    connection._next = null;
  }

  /** The page came to the front, or its network changed. */
  function wake({ type }) {
    const isShown = !/line/.test(type); // what is neither "online" nor "offline"
    if (isShown && platform.document?.hidden) return;
    if (connection.socket_id) {
      connection._link._probe(isShown ? TICK : 0);
    } else if (type === "online" || (isShown && !connection._link)) {
      connection._link?._close(); // begun without a network, it would last until its time limit
      dial();
    }
  }

  /** In a moment: what is mounted, unmounted and mounted again at once costs one message, not three. */
  function reconcile() {
    queueMicrotask(() => {
      connection._link?._reconcile();
      connection._next?._reconcile();
      connection._settle();
      if (isPassing && !connection._channels.size) connection.disconnect();
    });
  }

  /** Returns whether it is another state. */
  function enter(state, data) {
    const previous = connection.state;
    if (state === previous) return false;
    connection.state = state;
    connection._emit("state_change", { previous, current: state });
    connection._isHeard = connection._emit(state, data); // where it is "connected", the page may register it by itself
    return true;
  }
}
