import { ask, isRefusal } from "./backend.js";
import { kept } from "./kept.js";
import { SECOND } from "./limits.js";

const PATIENCE = 10 * SECOND; // live events wait for history, but not for ever
const GATHERING = SECOND / 2; // until every channel of a new connection is subscribed

/** Reads history for the claims of a page: what is wanted at one time is one request, where the backend can do that. */
export class History {
  #connection;
  #wanted = new Map(); // JSON of a request -> { request, page: promise, resolve }
  #turns = new Map(); // channel -> promise of the last answer over the socket
  #isSingle = false; // the backend has refused a request for several

  constructor(connection) {
    this.#connection = connection;
  }

  /** A page of history; nothing if it cannot be had. */
  read(request) {
    if (!this.#wanted.size) this.#gather();
    return kept(this.#wanted, JSON.stringify(request), () => {
      const want = { request };
      want.page = new Promise((resolve) => (want.resolve = resolve));
      return want;
    }).page;
  }

  async #gather() {
    const { Date } = this.#connection._platform;
    const end = Date.now() + GATHERING;
    for (let pause = 0; ; pause = 10) {
      await this.#connection._sleep(pause);
      if (this.#connection._link?._isSettled() || Date.now() >= end) break;
    }
    const wants = [...this.#wanted.values()];
    this.#wanted.clear();
    let pages;
    if (wants.length > 1 && this.#connection._options.history !== true && !this.#isSingle) {
      pages = await this.#insist({ channels: wants.map(({ request }) => request) });
      if (!this.#isSingle) pages ??= {};
    }
    wants.forEach(({ request, resolve }, i) => resolve(pages ? pages.channels?.[i] : this.#insist(request)));
  }

  async #insist(request) {
    const { _platform: platform } = this.#connection;
    const end = platform.Date.now() + PATIENCE;
    for (let failures = 0; ; failures++) {
      const link = this.#connection._link;
      try {
        return await this.#ask(request);
      } catch (error) {
        if (isRefusal(error) && request.channels) {
          this.#isSingle = true;
          return undefined;
        }
        // With its connection a reading is over; the next one begins another.
        if (!link?._isClosed) this.#connection._fail("HistoryError", error);
        if (isRefusal(error) || platform.Date.now() >= end) return undefined;
        await this.#connection._sleep(this.#connection._pause(failures));
      }
    }
  }

  #ask(request) {
    const { history } = this.#connection._options;
    const pick = (answer) => (answer?.channels ?? answer?.messages) && answer;
    if (history !== true) return ask(this.#connection, history, request, pick, "'messages'", [request]);
    const { channel } = request;
    const turn = Promise.resolve(this.#turns.get(channel)).then(() => this.#connection._link?._history(request));
    const isOver = turn.catch(() => {});
    this.#turns.set(channel, isOver);
    return turn;
  }
}
