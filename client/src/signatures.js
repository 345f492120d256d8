import { ask, failure } from "./backend.js";

const text = (value) => (typeof value === "string" ? value : undefined);

/** What the backend signs for one connection: a request for each channel, or one for all where it can answer that. */
export function signer(connection, connection_id) {
  const wanted = new Set(); // channels of the request that is about to be made
  let answer; // promise of what it brings

  const request = (what, pick) => {
    const { auth } = connection._options;
    return ask(connection, auth.url ?? auth, { connection_id, ...what }, pick, "'auth'");
  };

  /** All channels that come back from the same pause are in the same request. */
  async function together() {
    await connection._sleep(0);
    const channels = [...wanted];
    wanted.clear();
    answer = null;
    return request({ channels }, (answer) => answer?.auth);
  }

  return async (channel) => {
    if (!connection._options.auth.batch) return request({ channel }, (answer) => text(answer?.auth ?? answer));
    wanted.add(channel);
    const signatures = await (answer ??= together());
    if (text(signatures[channel])) return signatures[channel];
    throw failure(`the backend signed nothing for '${channel}'`, undefined, true);
  };
}
