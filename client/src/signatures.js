import { ask, failure } from "./backend.js";

const text = (value) => (typeof value === "string" ? value : undefined);

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
    if (!this.#connection._options.auth.batch) {
      return this.#ask({ channel }, (answer) => text(answer?.auth ?? answer));
    }
    this.#wanted.add(channel);
    const signatures = await (this.#answer ??= this.#together());
    if (text(signatures[channel])) return signatures[channel];
    throw failure(`the backend signed nothing for '${channel}'`, undefined, true);
  }

  /** All channels that come back from the same pause are in the same request. */
  async #together() {
    await new Promise((resume) => this.#connection._platform.setTimeout(resume, 0));
    const channels = [...this.#wanted];
    this.#wanted.clear();
    this.#answer = null;
    return this.#ask({ channels }, (answer) => answer?.auth);
  }

  #ask(what, pick) {
    const { auth } = this.#connection._options;
    return ask(this.#connection, auth.url ?? auth, { connection_id: this.#id, ...what }, pick, "'auth'");
  }
}
