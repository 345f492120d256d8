import { ask, failure } from "./backend.js";
import { isText, targets } from "./options.js";
import { together } from "./together.js";

const text = (value) => (isText(value) ? value : null);

/** What the backend signs for one connection: a request for each channel, or one for all where it can answer that. */
export function signer(connection, link) {
  const request = (what, pick) =>
    ask(connection, targets(connection._options).auth, { connection_id: link._id, ...what }, pick, "auth");

  /** All channels that come back from the same pause are in the same request. */
  const signatures = together(connection._sleep, async (channels) => {
    const signed = await request({ channels }, (answer) => answer?.auth);
    return channels.map((channel) => text(signed[channel]));
  });

  return async (channel) => {
    if (!connection._options.auth.batch) return request({ channel }, (answer) => text(answer?.auth ?? answer));
    const signature = await signatures(channel);
    if (signature) return signature;
    throw failure(`nothing signed for '${channel}'`, { isFinal: true });
  };
}
