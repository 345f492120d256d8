/** Push events to the browsers that are connected to an API Gateway WebSocket API. */

export interface Settings {
  /** The API's id, e.g. `abc123xyz`; without it and without `endpointUrl`, the variable `WEBSOCKET_API_ID`. */
  apiId?: string | undefined;
  /** E.g. `us-east-1`; without it, read from `endpointUrl`, `AWS_REGION` or `AWS_DEFAULT_REGION`. */
  region?: string | undefined;
  /** The stage's bare name; without it, the variable `WEBSOCKET_STAGE`, else `production`. */
  stage?: string | undefined;
  /**
   * `https://host/stage` of a custom domain or a local gateway. Wins over `apiId`, and so does AWS's variable
   * `AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI`.
   */
  endpointUrl?: string | undefined;
  /**
   * Who is connected: a registry, which `close` leaves open, or the URL of one, `redis://host:6379/0`, `rediss://…`,
   * `dynamodb://table-name?region=us-east-1`. Without it, the variable `BROADCASTER_REGISTRY` or a `MemoryRegistry`,
   * which suits a backend of one process.
   */
  registry?: Registry | string | undefined;
  /** How many channels one connection may add up to; 100 by default. */
  maxChannels?: number | undefined;
  /**
   * What `authorizeSubscription` signs with: the secret or its ARN in Secrets Manager. Without it, the variable
   * `BROADCASTER_SECRET`; nothing is read before the first signature.
   */
  secret?: string | undefined;
  /** Requests in flight at once, for each broadcast; 256 by default. */
  concurrency?: number | undefined;
  /** Seconds for one request, and as many for opening a connection; 3 by default. */
  timeout?: number | undefined;
  /** Posts to one connection at most, the first included; 3 by default. */
  attempts?: number | undefined;
  /** Seconds for a whole broadcast; whom it did not reach by then counts as failed. 15 by default. */
  deadline?: number | undefined;
  /** Requests per second over all broadcasts; by default just under AWS's quota. */
  rate?: number | undefined;
}

/** One connection that was not reached, although it may still be there. */
export interface Failure {
  readonly connectionId: string;
  readonly reason: string;
  /** Of the last HTTP answer, if there was one. */
  readonly status: number | null;
}

/** Equals, prints and serialises as `{ sent: 1, failed: 0, stale: 0 }`; every target is in exactly one of them. */
export interface BroadcastResult {
  /** Connections that API Gateway accepted the message for. */
  readonly sent: number;
  /** Connections that could not be reached; they stay registered. */
  readonly failed: number;
  /** Connections that are gone; they have left the registry. */
  readonly stale: number;
  /** One for each connection counted in `failed`; not enumerable. */
  readonly failures: readonly Failure[];
}

/** What API Gateway knows of a connection that is there. */
export interface ConnectionInfo {
  readonly connectedAt: Date;
  /** When something was last sent on it, in either direction. */
  readonly lastActiveAt: Date;
  readonly sourceIp: string;
  /** Empty for a client that sends none. */
  readonly userAgent: string;
}

/** Keeps connection ids and the channels that each listens to. */
export interface Registry {
  /** Record that a connection listens to `channels`, or to everything without any; `lifetime` is in seconds. */
  add(connectionId: string, channels?: readonly string[], options?: { lifetime?: number }): Promise<void>;
  /** Forget these connections with all their channels; unknown ones are passed over. */
  remove(connectionIds: readonly string[]): Promise<void>;
  /** Yield who listens to `channel` or to everything, each id once, in non-empty lists of at most 1,000. */
  pages(channel: string): AsyncIterable<string[]>;
  /** Return the number of connections that are registered for anything. */
  count(): Promise<number>;
  /** Give back what the registry opened itself; more than once is fine. */
  close(): Promise<void>;
}

/** Keeps connections in this process alone: other workers of the same server see none of them. */
export class MemoryRegistry implements Registry {
  constructor();
  add(connectionId: string, channels?: readonly string[], options?: { lifetime?: number }): Promise<void>;
  remove(connectionIds: readonly string[]): Promise<void>;
  pages(channel: string): AsyncIterable<string[]>;
  count(): Promise<number>;
  close(): Promise<void>;
}

/**
 * Pushes events to the browsers that are connected to one stage of one WebSocket API.
 *
 * No credentials are looked for and no connection is opened before the first broadcast that has somebody to reach.
 * Every method rejects with a `ClosedError` after `close`.
 */
export class Broadcaster {
  /** Throws a `ConfigurationError` where a setting is missing, malformed or unknown. */
  constructor(settings?: Settings);

  /**
   * Let a connection receive what is broadcast on `channels`, or everything without any. Registrations of one
   * connection add up; each keeps it for a little over two hours, which no connection outlives.
   *
   * Rejects with an `InvalidArgumentError` where the id or a channel is malformed: ids come from browsers, and nothing
   * in one that passes can change the URL that is posted to. With a `RegistryError` where it cannot be written down.
   */
  registerConnection(
    connectionId: string,
    options?: { channels?: string | readonly string[] | null | undefined },
  ): Promise<void>;

  /** Forget a connection with all its channels; one that is unknown is passed over. */
  unregisterConnection(connectionId: string): Promise<void>;

  /**
   * Return the signature with which this connection may subscribe to this channel, for the client's `auth`. Whoever
   * gets it may listen: look first whether the user of this request may.
   *
   * Rejects with a `ConfigurationError` without a secret, a `RefusedError` where Secrets Manager does not give it.
   */
  authorizeSubscription(connectionId: string, channel: string): Promise<string>;

  /**
   * Send one event to everybody who listens to `channel`, and return what became of it. Connections that are gone leave
   * the registry. What happens to a single connection never rejects: `failures` says it.
   *
   * Rejects, and then nothing was sent, with an `InvalidArgumentError` for what is no name, a `MessageError` for data
   * that is not JSON or too large (131,072 bytes), a `RegistryError` (unless it has a `result`: then a part of a long
   * list was read and sent to), a `ConfigurationError` without credentials, a `RefusedError` where API Gateway refuses
   * everybody alike or cannot be reached.
   */
  broadcast(channel: string, event: string, data: unknown): Promise<BroadcastResult>;

  /** Send `data` as event `admin_event` on channel `admin`; see `broadcast`. */
  broadcastAdminEvent(data: unknown): Promise<BroadcastResult>;

  /** Send one event to one connection, registered or not; see `broadcast`. */
  sendToConnection(connectionId: string, channel: string, event: string, data: unknown): Promise<BroadcastResult>;

  /**
   * Close a connection from this side, and forget it; return whether it was there.
   *
   * Rejects with an `UnavailableError` where there was no usable answer, as `getConnection` does.
   */
  disconnectConnection(connectionId: string): Promise<boolean>;

  /** Return what API Gateway knows of a connection; null if it is gone, and then it leaves the registry. */
  getConnection(connectionId: string): Promise<ConnectionInfo | null>;

  /** Close what this broadcaster opened; more than once is fine. */
  close(): Promise<void>;
}

/** Make the `Broadcaster` behind the functions of this module, closing the one before. */
export function initBroadcaster(settings?: Settings): Broadcaster;
/** Close the default broadcaster, if there is one; `initBroadcaster` makes the next. */
export function closeBroadcaster(): Promise<void>;
export const registerConnection: Broadcaster["registerConnection"];
export const unregisterConnection: Broadcaster["unregisterConnection"];
export const authorizeSubscription: Broadcaster["authorizeSubscription"];
export const broadcast: Broadcaster["broadcast"];
export const broadcastAdminEvent: Broadcaster["broadcastAdminEvent"];
export const sendToConnection: Broadcaster["sendToConnection"];
export const disconnectConnection: Broadcaster["disconnectConnection"];
export const getConnection: Broadcaster["getConnection"];

/** Base of every error that this package throws or rejects with on purpose. */
export class BroadcasterError extends Error {}
/** A setting is missing or malformed; the text names it, its value and what would be right. */
export class ConfigurationError extends BroadcasterError {}
/** A channel name, an event name or a connection id is malformed. Nothing was sent or registered. */
export class InvalidArgumentError extends BroadcasterError {}
/** The message cannot be sent to anybody: it is too large or cannot be written as JSON. Nothing was sent. */
export class MessageError extends BroadcasterError {}
/** The registry of connections could not be read or written; `cause` says why. */
export class RegistryError extends BroadcasterError {
  /** Of a broadcast, when a part of the list was read and sent to before this happened; else nothing was sent. */
  readonly result: BroadcastResult | null;
}
/** AWS refuses every connection alike (403) or cannot be reached; the text says what to check. */
export class RefusedError extends BroadcasterError {}
/** API Gateway could not be brought to answer a question about one connection; the text has its last words. */
export class UnavailableError extends BroadcasterError {}
/** The broadcaster was closed before this call. */
export class ClosedError extends BroadcasterError {}
