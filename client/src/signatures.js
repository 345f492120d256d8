import { ask, failure } from "./backend.js";
import { together } from "./together.js";

const text = (value) => (typeof value === "string" ? value : undefined);

/** What the backend signs for one connection: a request for each channel, or one for all where it can answer that. */
export function signer(connection, connection_id) {
  const request = (what, pick) => {
    const { auth } = connection._options;
    return ask(connection, auth.url ?? auth, { connection_id, ...what }, pick, "'auth'");
  };

  /** All channels that come back from the same pause are in the same request. */
  const pause = () => connection._sleep(0);
  const signatures = together(pause, async (channels) => {
    const signed = await request({ channels }, (answer) => answer?.auth);
    return channels.map((channel) => text(signed[channel]));
  });

  return async (channel) => {
    if (!connection._options.auth.batch) return request({ channel }, (answer) => text(answer?.auth ?? answer));
    const signature = await signatures(channel, channel);
    if (signature) return signature;
    throw failure(`the backend signed nothing for '${channel}'`, undefined, true);
  };
}
