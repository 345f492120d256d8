import { isFunction } from "./options.js";

export const failure = (message, more) => Object.assign(new Error(message), more);

/** Whether the answer was a clear no, so that asking again would be in vain. */
export const isRefusal = ({ status, isFinal }) => isFinal || /^4(?!08|29)/.test(status);

export const withoutQuery = (url) => url.split(/[?#]/)[0]; // which may hold something secret

/**
 * Asks the backend, by a function of the application's, which gets `values`, or a POST of `body` to a URL. Returns what
 * `pick` finds in the answer. Each way in which an answer can be wrong has its own words, with the URL.
 */
export async function ask(connection, target, body, pick, what, values = Object.values(body)) {
  const who = isFunction(target) ? "your function" : withoutQuery(target);
  const fail = (how, more) => {
    throw failure(`${who} ${how}`, more);
  };
  const answer = async () => {
    if (isFunction(target)) return target(...values);
    const response = await connection._platform
      .fetch(target, {
        method: "POST",
        credentials: connection._options.credentials ?? "include",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      })
      // A browser does not tell a script which of them it was.
      .catch(({ message }) => fail(`cannot be read: ${message}, no network or CORS`));
    if (response.redirected) fail(`redirects to ${withoutQuery(response.url)}`, { isFinal: true });
    const { status } = response;
    if (!response.ok) fail(`answered ${status}`, { status });
    if (/html/.test(response.headers.get("Content-Type"))) fail("answered HTML, not JSON");
    return response.json().catch(() => {});
  };
  const found = await connection._within(answer(), who).catch((reason) => {
    // Of a function it may be anything.
    throw failure(reason?.message ?? `${reason}`, { status: reason?.status, isFinal: reason?.isFinal });
  });
  return pick(found) ?? fail(`answered without '${what}'`);
}
