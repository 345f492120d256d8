import type { Context } from "react";
import type { ChannelEvents, ChannelMap, Envelope, EventMap, Gateway, SubscribeOptions } from "./gateway.js";

/**
 * Which Gateway `useChannel` takes below; null waits for one. Without a provider it takes the last that was made on the
 * page, or the first that will be.
 */
export declare const GatewayContext: Context<Gateway<any> | null | undefined>;

/**
 * Calls back for each such event while the component is mounted. The callback may be a new function on every render. No
 * channel (null, undefined, empty) is no subscription. The options are those of the moment at which it subscribes.
 */
export declare function useChannel<Data = any>(
  channel: string | null | undefined,
  event: string,
  callback: (data: Data, envelope?: Envelope<Data>) => void,
  options?: SubscribeOptions,
): void;

type EventsOf<Events> = Events & Omit<ChannelEvents, keyof Events>;

/** `useChannel` as it is for one's own events: `export const useChannel: UseChannel<Events> = anyUseChannel`. */
export type UseChannel<Channels extends { [Name in keyof Channels]: EventMap } = ChannelMap> = <
  Name extends keyof Channels & string,
  Event extends keyof EventsOf<Channels[Name]> & string,
>(
  channel: Name | null | undefined,
  event: Event,
  callback: (data: EventsOf<Channels[Name]>[Event], envelope?: Envelope<EventsOf<Channels[Name]>[Event]>) => void,
  options?: SubscribeOptions,
) => void;
