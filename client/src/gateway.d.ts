/** Event names of a channel and what each carries. */
export type EventMap = Record<string, any>;

/** Channels and their events: `{ admin: { admin_event: AdminEvent }; logs: { log: LogLine } }`. */
export type ChannelMap = Record<string, EventMap>;

/** A message as it came: what callbacks get after its data. */
export interface Envelope<Data = any> {
  channel: string;
  event: string;
  data: Data;
  /** Unique for each broadcast, sorts by time. */
  id?: string;
}

/** Events that the client itself makes, on every channel. */
export interface ChannelEvents {
  /** Comes again after every gap in which events may have been missed: the moment to fetch the current state. */
  "pusher:subscription_succeeded": Record<string, never>;
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
  /** Gives back this claim and its callbacks; other claims on the channel keep theirs. Twice is once. */
  unsubscribe(): void;
}

/** `unavailable`: attempts fail and go on. `failed`: this browser cannot connect at all. */
export type ConnectionState = "initialized" | "connecting" | "connected" | "unavailable" | "failed" | "disconnected";

export interface ConnectionError {
  /**
   * `GatewayError`: API Gateway's own error frame, e.g. after the Lambda failed. `ProtocolError`: the Lambda did not
   * understand a frame, or we did not. `RegistrationError`, `SubscriptionError`: an attempt failed, and is repeated.
   * `WebSocketError`: the browser refuses the address.
   */
  type: "GatewayError" | "ProtocolError" | "RegistrationError" | "SubscriptionError" | "WebSocketError";
  error: {
    data: {
      message: string;
      /** HTTP status, where there was one. */
      code?: number;
      /** Finds the failure in the Lambda's logs. */
      requestId?: string;
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

/** Shared by every Gateway of the page with the same address and options. */
export interface Connection extends Bindable<ConnectionEvents> {
  readonly state: ConnectionState;
  /** The connection id; another one after every reconnection and handover. */
  readonly socket_id: string | null;
  /** Sends a frame of one's own. False if the connection is not open; an Error, unsent, over 32 KB of UTF-8. */
  send(frame: object): boolean;
}

export interface GatewayOptions {
  /** AWS region, for a key that is an API id alone. */
  cluster?: string;
  /** Stage, for a key that is an API id alone. Default `production`. */
  stage?: string;
  /**
   * Where every new connection is registered: a URL that gets `POST {"connection_id": …}` with credentials, where any
   * 2xx is yes; or a function. Repeated until it succeeds.
   */
  register?: string | ((connection_id: string) => unknown);
  /**
   * Where every subscription gets its signature: a URL that gets `POST {"connection_id": …, "channel": …}` with
   * credentials and answers `{"auth": …}`; or a function. A 4xx (of a function: an error with such a `status`) refuses
   * the subscription, anything else is repeated.
   */
  auth?:
    | string
    | ((connection_id: string, channel: string) => string | { auth: string } | Promise<string | { auth: string }>);
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
  subscribe<Name extends keyof Channels & string>(channel: Name): Channel<Channels[Name]>;
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
