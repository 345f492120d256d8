import { ask, isRefusal } from "./backend.js";
import { GATHERING, PATIENCE } from "./limits.js";
import { together } from "./together.js";

/** Reads history for the claims of a page: what is wanted at one time is one request, where the backend can do that. */
export function reader(connection) {
  const turns = new Map(); // channel -> promise of the last answer over the socket
  const { now } = connection._platform.Date;
  let isSingle = false; // the backend has refused a request for several

  /** Until every channel of a new connection is subscribed. */
  async function gather() {
    const end = now() + GATHERING;
    for (let pause = 0; ; pause = 10) {
      await connection._sleep(pause);
      if (connection._link?._isSettled() || now() >= end) return;
    }
  }

  /** A page of history; nothing if it cannot be had. */
  async function insist(request) {
    const end = now() + PATIENCE;
    for (let failures = 0; ; failures++) {
      const link = connection._link;
      try {
        return await attempt(request);
      } catch (error) {
        if (isRefusal(error) && request.channels) isSingle = true;
        // With its connection a reading is over; the next one begins another.
        else if (!link?._isClosed) connection._fail("HistoryError", error);
        if (isRefusal(error) || now() >= end) return;
        await connection._sleep(connection._pause(failures));
      }
    }
  }

  function attempt(request) {
    const { history } = connection._options;
    const pick = (answer) => (answer?.channels ?? answer?.messages) && answer;
    if (history !== true) return ask(connection, history, request, pick, "'messages'", [request]);
    // The answer names its channel alone, so of each there may be one question at a time.
    const { channel } = request;
    const read = () => {
      const link = connection._link;
      const frame = { action: "history", ...request, auth: link?._signed.get(channel) };
      return link?._request(`history ${channel}`, frame);
    };
    const turn = Promise.resolve(turns.get(channel)).then(read, read);
    turns.set(channel, turn);
    return turn;
  }

  const pages = together(gather, async (requests) => {
    const isMany = requests.length > 1 && connection._options.history !== true && !isSingle;
    const answer = isMany && (await insist({ channels: requests }));
    return requests.map((request, i) => (isMany && !isSingle ? answer?.channels?.[i] : insist(request)));
  });

  return (request) => pages(JSON.stringify(request), request);
}
