/** What `new Gateway` takes. */
export const GATEWAY_OPTIONS =
  "cluster stage name register registerInterval auth credentials history activityTimeout pongTimeout".split(" ");

/** What `subscribe` takes. */
export const CHANNEL_OPTIONS = ["rewind", "since"];

export const isFunction = (value) => typeof value === "function";

/** Throws for an option that is not known: it would have no effect, and nobody would be told. */
export function check(options, known) {
  if (!options || typeof options !== "object") throw new Error(`the options are '${options}', not an object`);
  for (const name in options) {
    if (known.includes(name) || name === "platform") continue; // which is the tests'
    const isNear = (other) =>
      other.slice(0, 3) === name.slice(0, 3).toLowerCase() && Math.abs(other.length - name.length) < 4;
    // Whoever comes from Pusher writes `authEndpoint` or `channelAuthorization`.
    const near = /auth/i.test(name) ? "auth" : known.find(isNear);
    throw new Error(`no option '${name}'; ${near ? `did you mean '${near}'? ` : ""}There are ${known.join(", ")}`);
  }
}

/** Those that say whom to ask. */
export const targets = ({ register, auth, history }) => ({
  register,
  auth: auth?.url ?? auth,
  history: history !== true && history,
});

/** Throws for one that is neither a URL nor a function. */
export function checkTargets(options) {
  for (const [name, target] of Object.entries(targets(options))) {
    if (target && !isFunction(target) && typeof target !== "string")
      throw new Error(`'${name}' is a URL or a function, not ${typeof target}`);
  }
}
