import type { Context } from "react";
import type { Envelope, Gateway } from "./gateway.js";

/** Which Gateway `useChannel` takes below; without one it takes the last that was made on the page. */
export declare const GatewayContext: Context<Gateway<any> | null>;

/**
 * Calls back for each such event while the component is mounted. The callback may be a new function on every render. No
 * channel (null, undefined, empty) is no subscription.
 */
export declare function useChannel<Data = any>(
  channel: string | null | undefined,
  event: string,
  callback: (data: Data, envelope?: Envelope<Data>) => void,
): void;
