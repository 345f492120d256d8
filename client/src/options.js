/** What `new Gateway` takes; the first three say which connection it is. */
export const GATEWAY_OPTIONS =
  "cluster stage name register registerInterval auth credentials history activityTimeout pongTimeout".split(" ");

/** What `subscribe` takes. */
export const CHANNEL_OPTIONS = "rewind since".split(" ");

export const isFunction = (value) => typeof value === "function";

export const isText = (value) => typeof value === "string";

/** Throws, unless it is right: says what was wrong, and what would be right. */
export function demand(isRight, wrong, right) {
  if (!isRight) throw new Error(`${wrong}; give ${right}`);
}

/** Throws for an option that is not known: it would have no effect, and nobody would be told. */
export function check(options, known) {
  demand(options && typeof options === "object", `the options are '${options}'`, "an object");
  for (const name in options) {
    // Such as `authEndpoint`, which is Pusher's.
    const near = known.filter((other) => name.toLowerCase().includes(other.slice(0, 4)));
    const isKnown = [...known, "platform"].includes(name); // which is the tests'
    demand(isKnown, `no option '${name}'`, (near[0] ? near : known).join(" or "));
  }
}

/** Those that say whom to ask. */
export const targets = ({ register, auth, history }) => ({
  register,
  auth: auth?.url ?? auth,
  history: history !== true && history,
});

