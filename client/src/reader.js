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
    const end = now() + GATHERING; // of which a hidden page's timers take the half each
    await connection._sleep(); // claims that miss the same message ask after the same second, each in its own task
    while (now() < end && !connection._link?._isSettled()) await connection._sleep(10);
  }

  /** A page of history; nothing if it cannot be had. */
  async function insist(request) {
    const end = now() + PATIENCE;
    for (let failures = 0; ; failures++) {
      const link = connection._link;
      try {
        return await attempt(request);
      } catch (error) {
        const isFinal = isRefusal(error);
        if (isFinal && request.channels) isSingle = true;
        // With its connection a reading is over; the next one begins another.
        else if (!link?._isClosed) connection._fail("HistoryError", error);
        if (isFinal || now() >= end) return;
        await connection._sleep(connection._pause(failures));
      }
    }
  }

  function attempt(request) {
    const { history } = connection._options;
    const pick = (answer) => (answer?.channels ?? answer?.messages) && answer;
    if (history !== true) return ask(connection, history, request, pick, "messages", [request]);
    // The answer names its channel alone, so of each there may be one question at a time.
    const { channel } = request;
    const read = () => connection._link?._history(request);
    const turn = Promise.resolve(turns.get(channel)).then(read, read);
    turns.set(channel, turn);
    return turn;
  }

  return together(gather, async (requests) => {
    if (requests.length > 1 && connection._options.history !== true && !isSingle) {
      const answer = await insist({ channels: requests });
      if (!isSingle) return answer?.channels ?? [];
    }
    return requests.map(insist);
  });
}
