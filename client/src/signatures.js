import { ask, failure } from "./backend.js";

/** What the backend signs for one connection: a request for each channel, or one for all where it can answer that. */
export class Signatures {
  #connection;
  #id;
  #wanted = new Set(); // channels of the request that is about to be made
  #answer; // promise of what it brings

  constructor(connection, id) {
    this.#connection = connection;
    this.#id = id;
  }

  async get(channel) {
    const { auth } = this.#connection._options;
    if (auth.batch) this.#wanted.add(channel);
    const answer = await (auth.batch ? (this.#answer ??= this.#together()) : this.#ask({ channel }));
    const signature = auth.batch ? answer?.auth?.[channel] : (answer?.auth ?? answer);
    if (typeof signature === "string") return signature;
    const isLeftOut = auth.batch && answer?.auth; // as good as a no, which would be one for all channels
    throw failure(`the answer for '${channel}' has no string 'auth'`, undefined, !!isLeftOut);
  }

  /** All channels that come back from the same pause are in the same request. */
  async #together() {
    await new Promise((resume) => this.#connection._platform.setTimeout(resume, 0));
    const channels = [...this.#wanted];
    this.#wanted.clear();
    this.#answer = null;
    return this.#ask({ channels });
  }

  #ask(what) {
    const { auth } = this.#connection._options;
    return ask(this.#connection, auth.url ?? auth, { connection_id: this.#id, ...what });
  }
}
