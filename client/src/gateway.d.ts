/** Event names of a channel and what each carries. */
export type EventMap = Record<string, any>;

/** Channels and their events: `{ admin: { admin_event: AdminEvent }; logs: { log: LogLine } }`. */
export type ChannelMap = Record<string, EventMap>;

/** An event as if it had come alone: what callbacks get after its data. */
export interface Envelope<Data = any> {
  channel: string;
  event: string;
  data: Data;
  /** Unique for each event, sorts by time. */
  id?: string;
  /** Of the message, on a channel with history: it may have brought several events. */
  epoch?: string;
  seq?: number;
}

/** A place among the messages of a channel with history, to put beside a snapshot of the state. */
export interface Position {
  epoch: string;
  seq: number;
}

/** With the option `history` both members are there, without it none. */
export interface Succeeded {
  /** True only if nothing is missing since the position that was known; false is the moment to fetch the state afresh. */
  recovered?: boolean;
  /** What comes from now on follows it without a hole. Null on a channel without history. */
  position?: Position | null;
}

/** Where a claim begins on a channel with history. */
export interface SubscribeOptions {
  /** So many of the last events, or those of the last seconds, minutes or hours (`"5m"`), then live ones. */
  rewind?: number | string;
  /** What follows this position, then live events. */
  since?: Position;
}

export type HistoryRequest = { channel: string } & ({ since: Position } | { rewind: number | string });

export interface HistoryAnswer extends Position {
  channel: string;
  /** Whether `messages` and the pages after them are all that follows `since`. */
  recovered: boolean;
  /** Messages as they were posted, in order. */
  messages: object[];
  /** Whether there are more pages: the next one is asked for with `since`. */
  more: boolean;
}

/** Events that the client itself makes, on every channel. */
export interface ChannelEvents {
  /** Comes again after every gap in which events may have been missed: the moment to fetch the current state. */
  "pusher:subscription_succeeded": Succeeded;
  /** Final until the next connection or the next `subscribe`. */
  "pusher:subscription_error": { status?: number; message?: string };
}

type Known<Events> = { [Name in keyof Events]: Events[Name] } & Omit<ChannelEvents, keyof Events>;

export interface Bindable<Events, Extra extends unknown[] = []> {
  bind<Name extends keyof Events & string>(event: Name, callback: (data: Events[Name], ...extra: Extra) => void): this;
  bind_global(callback: (event: keyof Events & string, data: any, ...extra: Extra) => void): this;
  /** Without a callback every one of the event's goes, without an event those of every event. */
  unbind<Name extends keyof Events & string>(
    event?: Name,
    callback?: (data: Events[Name], ...extra: Extra) => void,
  ): this;
  unbind_global(callback?: (event: keyof Events & string, data: any, ...extra: Extra) => void): this;
  unbind_all(): this;
}

/** One claim on a channel, with its own callbacks. */
export interface Channel<Events extends EventMap = EventMap> extends Bindable<Known<Events>, [envelope?: Envelope]> {
  readonly name: string;
  /** Whether the gateway has confirmed it and, where connections are registered, the backend knows this one. */
  readonly subscribed: boolean;
  /** Of the last message that was handed on; null before the first answer, and on a channel without history. */
  readonly position: Position | null;
  /** Gives back this claim and its callbacks; other claims on the channel keep theirs. Twice is once. */
  unsubscribe(): void;
}

/** `unavailable`: attempts fail and go on. `failed`: this browser cannot connect at all. */
export type ConnectionState = "initialized" | "connecting" | "connected" | "unavailable" | "failed" | "disconnected";

export interface ConnectionError {
  /**
   * `GatewayError`: API Gateway's own error frame, e.g. after the Lambda failed. `ProtocolError`: the Lambda did not
   * understand a frame, or we did not. `RegistrationError`, `SubscriptionError`: an attempt failed, and is repeated
   * unless `isFinal`. `HistoryError`: history could not be read. `WebSocketError`: the gateway cannot be reached, or the
   * browser refuses the address.
   */
  type:
    "GatewayError" | "ProtocolError" | "RegistrationError" | "SubscriptionError" | "HistoryError" | "WebSocketError";
  error: {
    data: {
      message: string;
      /** HTTP status, where there was one. */
      code?: number;
      /** Finds the failure in the Lambda's logs. */
      requestId?: string;
      /** It was refused, and is not repeated on this connection. */
      isFinal?: true;
    };
  };
}

export interface ConnectionEvents {
  state_change: { previous: ConnectionState; current: ConnectionState };
  error: ConnectionError;
  initialized: undefined;
  connecting: undefined;
  connected: { socket_id: string };
  unavailable: undefined;
  failed: undefined;
  disconnected: undefined;
}

/** Shared by every Gateway of the page with the same address and `name`, or the same address and options. */
export interface Connection extends Bindable<ConnectionEvents> {
  readonly state: ConnectionState;
  /** The connection id; another one after every reconnection and handover. */
  readonly socket_id: string | null;
  /** Sends a frame of one's own. False if the connection is not open; an Error, unsent, over 32 KB of UTF-8. */
  send(frame: object): boolean;
  /** Connects again, with all claims that are left. */
  connect(): void;
  /** Closes the socket of all Gateways that share it, e.g. on logout. `connect`, `subscribe` or a Gateway opens it. */
  disconnect(): void;
}

type Sign = (connection_id: string, channel: string) => string | { auth: string } | Promise<string | { auth: string }>;
type Signatures = { auth: Record<string, string> };

/** One request for many: `{"connection_id": …, "channels": […]}`, answered by `{"auth": {channel: signature}}`. */
interface Batch {
  url: string | ((connection_id: string, channels: string[]) => Signatures | Promise<Signatures>);
  batch: true;
}

export interface GatewayOptions {
  /** AWS region, for a key that is an API id alone. */
  cluster?: string;
  /** Stage, for a key that is an API id alone. Default `production`. */
  stage?: string;
  /**
   * Gateways with the same address and name share a connection, which uses the newest of their options. Without a name
   * it is those with the same options, where each function is itself: then give functions that are made once.
   */
  name?: string;
  /**
   * Where every new connection is registered: a URL that gets `POST {"connection_id": …}` with credentials, where any
   * 2xx is yes; or a function. Repeated until it succeeds, or is refused by a 4xx other than 408 and 429 (of a function:
   * an error with such a `status`).
   */
  register?: string | ((connection_id: string) => unknown);
  /**
   * Milliseconds between registrations of one connection while the page is visible, give or take a fifth: a backend that
   * was restarted may know nobody. Default 60,000; 0 is never.
   */
  registerInterval?: number;
  /**
   * Where every subscription gets its signature: a URL that gets `POST {"connection_id": …, "channel": …}` with
   * credentials and answers `{"auth": …}`; or a function. A 4xx refuses the subscription, anything else is repeated.
   */
  auth?: string | Sign | Batch;
  /**
   * Where history is read, on channels that have it: a URL that gets `POST {"channel": …, "since": … | "rewind": …}`, or
   * `{"channels": […]}` with several of these, and answers as `read_history` does, or `{"channels": […]}`; a function;
   * or true: over the socket, where the gateway registers connections. Events then come in order, each once.
   */
  history?:
    | string
    | true
    | ((
        request: HistoryRequest | { channels: HistoryRequest[] },
      ) => Promise<HistoryAnswer | { channels: HistoryAnswer[] }>);
  /** Which cookies go with requests to the backend, as for `fetch`. Default `include`. */
  credentials?: "omit" | "same-origin" | "include";
  /** Milliseconds of silence before a ping. Default 510,000; each ping and its answer are two billed messages. */
  activityTimeout?: number;
  /** Milliseconds that the answer may take before the connection is given up. Default 10,000. */
  pongTimeout?: number;
}

/** Events of every channel that this Gateway is subscribed to can be bound on the Gateway itself. */
export declare class Gateway<Channels extends { [Name in keyof Channels]: EventMap } = ChannelMap> {
  /** Throws for a key that is neither a wss:// (or ws://) URL nor an API id with its region. */
  constructor(key: string, options?: GatewayOptions);
  /** The Gateway that was made last on this page. */
  static get latest(): Gateway | undefined;
  readonly connection: Connection;
  /** `options` need the option `history`. */
  subscribe<Name extends keyof Channels & string>(channel: Name, options?: SubscribeOptions): Channel<Channels[Name]>;
  /** Gives back one claim. Callbacks end when all are given back; those of `Channel.unsubscribe` end at once. */
  unsubscribe(channel: keyof Channels & string): void;
  /** The newest open claim on the channel. */
  channel<Name extends keyof Channels & string>(channel: Name): Channel<Channels[Name]> | undefined;
  /** Gives back every claim of this Gateway. The socket closes if no other uses it; `subscribe` opens it again. */
  disconnect(): void;
  bind(event: string, callback: (data: any, envelope?: Envelope) => void): this;
  bind_global(callback: (event: string, data: any, envelope?: Envelope) => void): this;
  unbind(event?: string, callback?: (data: any, envelope?: Envelope) => void): this;
  unbind_global(callback?: (event: string, data: any, envelope?: Envelope) => void): this;
  unbind_all(): this;
}
