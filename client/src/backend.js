import { ANSWER_TIMEOUT } from "./limits.js";
import { isFunction } from "./options.js";

export const failure = (message, status, isFinal) => Object.assign(new Error(message), { status, isFinal });

/** Whether the answer was a clear no, so that asking again would be in vain. */
export const isRefusal = ({ status, isFinal }) =>
  isFinal || /^4(?!08|29)/.test(status);

/** Rejects when the time of an answer is over. */
export function within(promise, { setTimeout, clearTimeout }, who) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(failure(`${who} gave no answer within 10 s`)), ANSWER_TIMEOUT);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

export const withoutQuery = (url) => url.split(/[?#]/)[0]; // which may hold something secret

/**
 * Asks the backend, by a function of the application's, which gets `values`, or a POST of `body` to a URL. Returns what
 * `pick` finds in the answer. Each way in which an answer can be wrong has its own words, with the URL.
 */
export function ask({ _platform, _options }, target, body, pick, what, values = Object.values(body)) {
  const who = isFunction(target) ? "the application's function" : withoutQuery(target);
  const fail = (how, ...rest) => {
    throw failure(`${who} ${how}`, ...rest);
  };
  const call = async () => target(...values);
  const post = async () => {
    const response = await _platform
      .fetch(target, {
        method: "POST",
        credentials: _options.credentials ?? "include",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      })
      // A browser does not tell a script which of them it was.
      .catch(({ message }) => fail(`cannot be read (${message}): no network, or CORS forbids it`));
    if (response.redirected) fail(`redirects to ${withoutQuery(response.url)}; is it a login?`, undefined, true);
    if (!response.ok) fail(`answered ${response.status}`, response.status);
    if (/html/.test(response.headers.get("content-type"))) fail("answered with HTML instead of JSON");
    return response.json().catch(() => {});
  };
  const told = (reason) => {
    throw failure(reason?.message ?? `${reason}`, reason?.status);
  };
  const answer = isFunction(target) ? call().catch(told) : post();
  return within(answer, _platform, who).then((found) => pick(found) ?? fail(`answered without ${what}`));
}
