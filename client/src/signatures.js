import { ask, failure } from "./backend.js";
import { targets } from "./options.js";
import { together } from "./together.js";

const text = (value) => (typeof value === "string" ? value : undefined);

/** What the backend signs for one connection: a request for each channel, or one for all where it can answer that. */
export function signer(connection, link) {
  const request = (what, pick) => {
    return ask(connection, targets(connection._options).auth, { connection_id: link._id, ...what }, pick, "'auth'");
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
